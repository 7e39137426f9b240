//! Token revocation (RFC 7009).

use serde::Serialize;

/// The answer to a revocation, whatever there was to revoke (RFC 7009 section 2.2):
/// an empty object, because some clients read no answer without a JSON body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RevocationResponse {}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_an_empty_object() {
        assert_eq!(serde_json::to_string(&super::RevocationResponse {}).unwrap(), "{}");
    }
}
