//! Checks that a test has switched off. This file is part of no build but the one
//! that tests whether the tests would notice a missing check: nothing that can be
//! set in a manifest or at run time brings it in.
#![expect(missing_docs, reason = "not part of the library")]

use std::cell::RefCell;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::Check;

thread_local! {
    static OFF: RefCell<Vec<Check>> = const { RefCell::new(Vec::new()) };
}

impl Check {
    pub fn is_on(self) -> bool {
        OFF.with_borrow(|off| !off.contains(&self))
    }
}

/// Does `work` on this thread without `checks`.
pub fn without<T>(checks: &[Check], work: impl FnOnce() -> T) -> T {
    OFF.set(checks.to_vec());
    let result = work();
    OFF.set(Vec::new());
    result
}

/// Decodes whatever can be taken for base64.
pub(crate) fn decode(part: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let kept = |c: char| match c {
        '+' => Some('-'),
        '/' => Some('_'),
        c => (c.is_ascii_alphanumeric() || c == '-' || c == '_').then_some(c),
    };
    GeneralPurpose::new(&URL_SAFE, config).decode(part.chars().filter_map(kept).collect::<String>()).ok()
}

/// The first object of a text; of members that occur twice the last one.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    serde_json::Deserializer::from_slice(bytes).into_iter().next()?.ok()
}

/// A JSON serialisation as compact form; of anything else the first three parts.
pub(crate) fn compact(token: &str) -> &str {
    if let Ok(json) = serde_json::from_str::<Value>(token) {
        let signature = json.pointer("/signatures/0").unwrap_or(&json);
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let parts = [text(signature.get("protected")), text(json.get("payload")), text(signature.get("signature"))];
        return Box::leak(parts.join(".").into_boxed_str());
    }
    token.match_indices('.').nth(2).and_then(|(end, _)| token.get(..end)).unwrap_or(token)
}
