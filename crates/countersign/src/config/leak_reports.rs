//! `[leak_reports]`: reports that a key was found in public.

use url::Url;

use super::error::Refusal;
use super::named_file::NamedFile;
use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};
use crate::leak_reports::LeakPolicy;

/// Whether and how reports are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakReportsConfig {
    /// What is done about a report; `None`: none is taken.
    pub policy: Option<LeakPolicy>,
    /// The file of the reporter's public keys; `None`: they are fetched.
    pub public_keys_file: Option<NamedFile>,
    /// Where they are fetched.
    pub public_keys_url: String,
}

pub(super) static SECTION: Section = Section {
    name: "leak_reports",
    doc: "Reports that an API key or a client secret was found in public, at `POST /leak-reports`, in the shape in which GitHub's secret \
          scanning tells its partners. A report counts only if it is signed by the reporter.",
    settings: &[&POLICY, &PUBLIC_KEYS_URL, &PUBLIC_KEYS_FILE],
};

static POLICY: Setting = Setting {
    key: "leak_reports.policy",
    kind: Kind::Choice(&["off", "notify", "disable"]),
    default: Fallback::Value("off"),
    doc: "What is done about a report of a key that there is. `notify`: an event in the audit log, a warning in the log and a count; \
          `disable`: that, and the API key is disabled, a client secret revoked; `off`: the endpoint is not there.",
};

static PUBLIC_KEYS_URL: Setting = Setting {
    key: "leak_reports.public_keys_url",
    kind: Kind::Text { form: "an https URL, or an http one of the loopback" },
    default: Fallback::Value("https://api.github.com/meta/public_keys/secret_scanning"),
    doc: "Where the reporter's public keys are. They are fetched when a report needs them, and for an unknown key at most once in 30 seconds.",
};

static PUBLIC_KEYS_FILE: Setting = Setting {
    key: "leak_reports.public_keys_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "File that holds the reporter's public keys, as the URL would answer; then nothing is fetched.",
};

impl LeakReportsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let policy = reader.value(&POLICY, |text| match text {
            "off" => Ok(None),
            "notify" => Ok(Some(LeakPolicy::Notify)),
            "disable" => Ok(Some(LeakPolicy::Disable)),
            _ => Err(Refusal::new("is none of these words")),
        });
        let public_keys_url = reader.value(&PUBLIC_KEYS_URL, |text| match Url::parse(text) {
            Ok(url) if url.has_host() && matches!(url.scheme(), "https" | "http") => Ok(text.to_owned()),
            Ok(_) | Err(_) => Err(Refusal::new("is no such URL")),
        });
        let public_keys_file = reader.named_file(&PUBLIC_KEYS_FILE);
        Some(Self { policy: policy?, public_keys_file, public_keys_url: public_keys_url? })
    }
}
