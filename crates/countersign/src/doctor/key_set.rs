//! The keys that an issuer publishes.

use std::collections::BTreeMap;

use countersign_protocol::jose::JwkSet;
use countersign_protocol::jose::json::strict_object;
use serde_json::{Map, Value};

use super::Findings;

/// Members that only the holder of a private key has (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Looks at a JWK Set.
pub(super) fn examine(document: &[u8], findings: &mut Findings) {
    let strict = strict_object(document);
    let is_readable = strict.as_ref().is_ok_and(|members| members.get("keys").is_some_and(Value::is_array));
    // What no verifier reads can still give a key away.
    let members = strict.unwrap_or_else(|_| serde_json::from_slice(document).unwrap_or_default());
    let empty = Vec::new();
    let keys: Vec<&Map<String, Value>> =
        members.get("keys").and_then(Value::as_array).unwrap_or(&empty).iter().filter_map(Value::as_object).collect();
    private_members(&keys, is_readable, findings);
    repeated_ids(&keys, findings);
    match JwkSet::parse(document) {
        Err(error) => findings.problem("keys", error.to_string(), "publish public RS, PS, ES or EdDSA keys (RFC 7517 section 5)"),
        Ok(set) => {
            let mut algorithms: Vec<&str> = set.iter().map(|(_, key)| key.algorithm().as_str()).collect();
            algorithms.sort_unstable();
            let algorithms = algorithms.join(", ");
            findings.fine("keys", format!("{} can be used: {algorithms}", if algorithms.contains(',') { "keys" } else { "a key" }));
            let is_to_verify =
                |key: &&&Map<String, Value>| key.get("use").is_none_or(|own| own == "sig") && private_member(key).is_none();
            let published = keys.iter().filter(is_to_verify).count();
            let usable = set.key_ids().count();
            if published > usable && !has_repeated(&keys) {
                let text = format!(
                    "{} of {published} keys cannot be used: too weak, of an unknown kind, or malformed",
                    published - usable
                );
                findings.problem("unusable_keys", text, "remove them: some verifiers refuse the whole set for one such key");
            }
        }
    }
    if keys.len() > 1 && keys.iter().any(|key| id(key).is_none()) {
        findings.problem("key_ids", "a key has no `kid`, and there are several", "give each key a `kid` of its own");
    }
}

fn private_members(keys: &[&Map<String, Value>], is_readable: bool, findings: &mut Findings) {
    let leaked = keys.iter().find_map(|key| private_member(key).map(|name| (key, name)));
    match leaked {
        Some((key, name)) => findings.problem(
            "private_keys",
            format!("THE PRIVATE KEY {} IS PUBLISHED: it has the member `{name}`", id(key).unwrap_or("without kid")),
            "anyone can make tokens: withdraw the key now, publish public members only, and revoke what it signed",
        ),
        None if is_readable => findings.fine("private_keys", "no private member is published"),
        // What is wrong with the document is said of `keys`.
        None => {}
    }
}

fn private_member(key: &Map<String, Value>) -> Option<&'static str> {
    PRIVATE.into_iter().find(|name| key.contains_key(*name))
}

fn repeated_ids(keys: &[&Map<String, Value>], findings: &mut Findings) {
    if has_repeated(keys) {
        findings.problem(
            "key_ids",
            "two keys have the same `kid`: verifiers choose either, or neither",
            "give each key a `kid` of its own",
        );
    }
}

fn has_repeated(keys: &[&Map<String, Value>]) -> bool {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    keys.iter().filter_map(|key| id(key)).for_each(|id| *seen.entry(id).or_default() += 1);
    seen.values().any(|count| *count > 1)
}

fn id(key: &Map<String, Value>) -> Option<&str> {
    key.get("kid").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::{Findings, examine};
    use crate::doctor::Level;

    fn private_keys(document: &str) -> Option<Level> {
        let mut findings = Findings::default();
        examine(document.as_bytes(), &mut findings);
        assert!(findings.has(Level::Problem), "{document}");
        findings.0.into_iter().find(|finding| finding.check == "private_keys").map(|finding| finding.level)
    }

    #[test]
    fn a_document_that_cannot_be_read_is_not_called_free_of_private_keys() {
        for document in ["", "<html>", "[]", "{}", r#"{"keys":1}"#, r#"{"keys":[],"keys":[]}"#] {
            assert_eq!(private_keys(document), None, "{document}");
        }
        assert_eq!(private_keys(r#"{"keys":[]}"#), Some(Level::Fine));
        // A member stands there twice: verifiers refuse it, and thieves do not.
        assert_eq!(private_keys(r#"{"keys":[{"kty":"OKP","kty":"OKP","d":"AAAA"}]}"#), Some(Level::Problem));
    }
}
