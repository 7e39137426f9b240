//! A value as a layer gave it, before a section reads it.

use countersign_protocol::Secret;

use super::place::Place;
use super::setting::{Fallback, Kind, Setting};

/// A text and where it stands. Every text is treated as a secret until its
/// section has read it, so nothing here can print one.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) text: Secret<String>,
    pub(super) place: Place,
}

/// What one layer gave for one setting: one item, or any number for a list.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) setting: &'static Setting,
    pub(super) items: Vec<Item>,
    pub(super) place: Place,
}

impl Item {
    pub(super) fn new(text: &str, place: &Place) -> Self {
        Self { text: Secret::new(text.to_owned()), place: place.clone() }
    }
}

impl Given {
    /// A value from a layer that knows only text: lists have commas.
    pub(super) fn from_text(setting: &'static Setting, text: &str, place: Place) -> Self {
        let items = match setting.kind {
            Kind::List { .. } if text.is_empty() => Vec::new(),
            Kind::List { .. } => text.split(',').map(|part| Item::new(part.trim(), &place)).collect(),
            Kind::Bool
            | Kind::Choice(_)
            | Kind::Integer { .. }
            | Kind::Path
            | Kind::Ratio
            | Kind::Secret { .. }
            | Kind::Text { .. } => {
                vec![Item::new(text, &place)]
            }
        };
        Self { setting, items, place }
    }

    /// The built-in value, where there is one.
    pub(super) fn default_of(setting: &'static Setting) -> Option<Self> {
        let items = match setting.default {
            Fallback::Derived(_) | Fallback::Unset => return None,
            Fallback::List(texts) => texts.iter().map(|text| Item::new(text, &Place::Default)).collect(),
            Fallback::Value(text) => vec![Item::new(text, &Place::Default)],
        };
        Some(Self { setting, items, place: Place::Default })
    }
}
