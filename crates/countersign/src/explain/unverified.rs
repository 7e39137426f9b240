//! What a token says of itself before anything is checked. It chooses hints; nothing of
//! it is ever shown.

use countersign_protocol::jose::base64url;
use countersign_protocol::jose::json::strict_object;
use serde_json::{Map, Value};

/// Header and payload, as far as they can be read.
#[derive(Default)]
pub(super) struct Unverified {
    header: Map<String, Value>,
    payload: Map<String, Value>,
}

impl Unverified {
    pub(super) fn read(token: &str) -> Self {
        let mut parts = token.split('.').map(|part| base64url::decode(part).and_then(|bytes| strict_object(&bytes).ok()));
        let (header, payload) = (parts.next().flatten(), parts.next().flatten());
        Self { header: header.unwrap_or_default(), payload: payload.unwrap_or_default() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    pub(super) fn has_header(&self) -> bool {
        !self.header.is_empty()
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.payload.get("iss")?.as_str()
    }

    pub(super) fn audiences(&self) -> Vec<&str> {
        match self.payload.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}
