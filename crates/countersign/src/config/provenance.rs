//! Which layer gave each value, for `config check`.

use std::fmt;

use serde::Serialize;

use super::place::Place;

/// Every setting with the place of its value, in the order of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Provenance(pub Vec<Origin>);

/// Where the value of one setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The setting.
    pub key: &'static str,
    /// Whether it has a value.
    pub is_set: bool,
    /// The value as it was given; `None` for a secret and where there is none.
    pub value: Option<String>,
    /// The place of the value.
    pub place: Place,
}

impl Provenance {
    /// The origin of a setting.
    pub fn of(&self, key: &str) -> Option<&Origin> {
        self.0.iter().find(|origin| origin.key == key)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match (&self.value, self.is_set) {
            (Some(value), _) => value.as_str(),
            (None, true) => "(secret)",
            (None, false) => "(unset)",
        };
        write!(f, "{} = {value}  [{}]", self.key, self.place)
    }
}
