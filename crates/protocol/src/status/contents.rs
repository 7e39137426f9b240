//! What a record tells.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Mark, MarkName};
use crate::Timestamp;

/// A revoked token that has no place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedTokenId {
    /// Its `jti`.
    pub token_id: String,
    /// Its `exp`.
    pub expires_at: Timestamp,
}

/// News: each member is empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// `set`: places that became invalid, by list.
    pub revoked: BTreeMap<String, Vec<u64>>,
    /// `jti`: revoked tokens without a place.
    pub tokens: Vec<RevokedTokenId>,
    /// `nbf`: marks; of those about the authorization server, only its own.
    pub marks: Vec<Mark>,
    /// `jwks`: the signing keys were changed.
    pub are_keys_changed: bool,
    /// `apikey`: ids of API keys whose verdicts may have changed; `*` means all.
    pub api_keys: Vec<String>,
}

impl Contents {
    /// Whether there is no news.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many things are told.
    pub fn len(&self) -> usize {
        self.revoked.values().map(Vec::len).sum::<usize>() + self.tokens.len() + self.marks.len() + self.api_keys.len()
    }

    /// Adds these news as members of a record; nothing for an empty one.
    pub(super) fn write(&self, members: &mut Map<String, Value>) {
        if !self.revoked.is_empty() {
            members.insert("set".to_owned(), json!(self.revoked));
        }
        if !self.tokens.is_empty() {
            members.insert("jti".to_owned(), write_tokens(&self.tokens));
        }
        if !self.marks.is_empty() {
            members.insert("nbf".to_owned(), write_marks(&self.marks));
        }
        if self.are_keys_changed {
            members.insert("jwks".to_owned(), json!(true));
        }
        if !self.api_keys.is_empty() {
            members.insert("apikey".to_owned(), json!(self.api_keys));
        }
    }

    /// Reads the members of a record; `None`: one is of the wrong type.
    pub(super) fn read(members: &Map<String, Value>) -> Option<Self> {
        Some(Self {
            revoked: members.get("set").map_or_else(|| Some(BTreeMap::new()), read_revoked)?,
            tokens: members.get("jti").map_or_else(|| Some(Vec::new()), read_tokens)?,
            marks: members.get("nbf").map_or_else(|| Some(Vec::new()), read_marks)?,
            are_keys_changed: members.get("jwks").is_some_and(|changed| changed == true),
            api_keys: members.get("apikey").map_or_else(|| Some(Vec::new()), |keys| read_each(keys, read_text))?,
        })
    }
}

pub(super) fn write_tokens(tokens: &[RevokedTokenId]) -> Value {
    tokens.iter().map(|token| json!([token.token_id, token.expires_at.as_seconds()])).collect()
}

pub(super) fn read_tokens(value: &Value) -> Option<Vec<RevokedTokenId>> {
    read_each(value, |entry| {
        let [token_id, expires_at] = entry.as_array()?.as_slice() else { return None };
        let expires_at = Timestamp::from_seconds(expires_at.as_i64()?);
        Some(RevokedTokenId { token_id: read_text(token_id)?, expires_at })
    })
}

pub(super) fn write_marks(marks: &[Mark]) -> Value {
    let entry = |mark: &Mark| {
        let (kind, _, value) = mark.name.parts();
        json!([kind, value, mark.not_before.as_seconds()])
    };
    marks.iter().map(entry).collect()
}

pub(super) fn read_marks(value: &Value) -> Option<Vec<Mark>> {
    read_each(value, |entry| {
        let [kind, value, not_before] = entry.as_array()?.as_slice() else { return None };
        let name = MarkName::new(kind.as_str()?, "", value.as_str()?);
        Some(Mark { name, not_before: Timestamp::from_seconds(not_before.as_i64()?) })
    })
}

fn read_revoked(value: &Value) -> Option<BTreeMap<String, Vec<u64>>> {
    let list = |(id, places): (&String, &Value)| Some((id.clone(), read_each(places, Value::as_u64)?));
    value.as_object()?.iter().map(list).collect()
}

fn read_text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn read_each<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(read).collect()
}
