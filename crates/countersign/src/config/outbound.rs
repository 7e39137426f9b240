//! `[outbound]`: requests that the server makes itself.

use super::named_file::NamedFile;
use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// Requests that the server makes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundConfig {
    /// Certificate authorities that are trusted besides Mozilla's.
    pub ca_file: Option<NamedFile>,
    /// Whether URLs that users name may lead to private addresses.
    pub allow_private_addresses: bool,
}

pub(super) static SECTION: Section = Section {
    name: "outbound",
    doc: "Requests that the server makes itself, such as for the keys of a client.",
    settings: &[&CA_FILE, &ALLOW_PRIVATE_ADDRESSES],
};

static CA_FILE: Setting = Setting {
    key: "outbound.ca_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "PEM file of certificate authorities that are trusted besides Mozilla's, for every https request that the server makes.",
};

static ALLOW_PRIVATE_ADDRESSES: Setting = Setting {
    key: "outbound.allow_private_addresses",
    kind: Kind::Bool,
    default: Fallback::Value("false"),
    doc: "Lets URLs that users of the API name, such as the `jwks_uri` of a client, lead to loopback and private addresses, and \
          allows plain http to the loopback. Otherwise whoever may register a client could make the server ask your network. \
          Link-local addresses, where clouds hand out credentials, are refused in any case. `countersign dev` turns it on.",
};

impl OutboundConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let ca_file = reader.named_file(&CA_FILE);
        Some(Self { ca_file, allow_private_addresses: reader.boolean(&ALLOW_PRIVATE_ADDRESSES)? })
    }
}
