//! What a setting is. Every layer, check and document follows from the table in
//! [`SECTIONS`].

use super::{
    acme, budgets, cache, counters, credentials, imported_keys, keys, leak_reports, log, metrics, outbound, refusals, server,
    signing_keys, storage, tls, tokens, traces, usage,
};

/// Every setting, by section, in the order in which they are documented.
pub static SECTIONS: &[&Section] = &[
    &server::SECTION,
    &tls::SECTION,
    &acme::SECTION,
    &storage::SECTION,
    &keys::SECTION,
    &tokens::SECTION,
    &credentials::SECTION,
    &outbound::SECTION,
    &log::SECTION,
    &cache::SECTION,
    &signing_keys::SECTION,
    &budgets::SECTION,
    &counters::SECTION,
    &refusals::SECTION,
    &usage::SECTION,
    &imported_keys::SECTION,
    &leak_reports::SECTION,
    &metrics::SECTION,
    &traces::SECTION,
];

/// A table of the configuration file.
#[derive(Debug)]
pub struct Section {
    /// Name of the table.
    pub name: &'static str,
    /// One sentence for the reference.
    pub doc: &'static str,
    /// The settings of the table.
    pub settings: &'static [&'static Setting],
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// `section.name`.
    pub key: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// Its value when no layer sets it.
    pub default: Fallback,
    /// What it does, for the reference.
    pub doc: &'static str,
}

/// What a setting accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// An integer within bounds.
    Integer {
        /// Smallest accepted.
        min: u64,
        /// Largest accepted.
        max: u64,
        /// What it counts.
        unit: &'static str,
    },
    /// A list of texts; with commas in the environment and in flags.
    List {
        /// What the items are.
        of: &'static str,
    },
    /// A path.
    Path,
    /// A number from 0 to 1.
    Ratio,
    /// A text that is never shown.
    Secret {
        /// Its form.
        form: &'static str,
    },
    /// A text.
    Text {
        /// Its form.
        form: &'static str,
    },
}

/// The value of a setting that no layer sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Follows from other settings, in the words given.
    Derived(&'static str),
    /// These items.
    List(&'static [&'static str]),
    /// It stays unset.
    Unset,
    /// This text.
    Value(&'static str),
}

/// The environment variable that sets `key`.
pub(crate) fn variable_of(key: &str) -> String {
    format!("{}{}", super::env::PREFIX, key.replace('.', "__").to_ascii_uppercase())
}

impl Setting {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        variable_of(self.key)
    }

    /// Whether its value must never be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret { .. })
    }

    /// Its name within its section.
    pub fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }
}

impl Kind {
    /// The accepted form, in words.
    pub fn accepted(&self) -> String {
        match self {
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Choice(words) => format!("one of `{}`", words.join("`, `")),
            Self::Integer { min, max, unit } => format!("an integer from {min} to {max} ({unit})"),
            Self::List { of } => format!("a list of {of}"),
            Self::Path => "the path of a file".to_owned(),
            Self::Ratio => "a number from 0 to 1".to_owned(),
            Self::Secret { form } | Self::Text { form } => (*form).to_owned(),
        }
    }

    /// The TOML type it is written as.
    pub(super) fn toml_type(&self) -> &'static str {
        match self {
            Self::Bool => "a boolean",
            Self::Integer { .. } => "an integer",
            Self::List { .. } => "a list of strings",
            Self::Ratio => "a number",
            Self::Choice(_) | Self::Path | Self::Secret { .. } | Self::Text { .. } => "a string",
        }
    }
}

/// Every setting of every section.
pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings.iter().copied())
}

/// The setting with this key.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_are_unique_and_lie_in_their_section() {
        let mut seen = HashSet::new();
        for section in SECTIONS {
            for setting in section.settings {
                assert!(seen.insert(setting.key), "{}", setting.key);
                assert_eq!(setting.key, format!("{}.{}", section.name, setting.name()));
            }
        }
    }

    #[test]
    fn every_secret_can_come_from_a_file() {
        for setting in settings().filter(|setting| setting.is_secret()) {
            let file = find(&format!("{}_file", setting.key)).unwrap();
            assert_eq!(file.kind, Kind::Path);
            assert_eq!(file.variable(), format!("{}_FILE", setting.variable()));
        }
    }

    #[test]
    fn variables_follow_the_key() {
        assert_eq!(find("server.base_urls").unwrap().variable(), "COUNTERSIGN__SERVER__BASE_URLS");
    }
}
