//! A token that was verified.

use std::fmt;
use std::sync::Arc;

use countersign_protocol::jose::Claims;
use countersign_protocol::{Check, Permission, Scope, ScopeToken, Timestamp};
use serde_json::{Map, Value};

/// The claims that name scopes: RFC 9068 and most servers, Okta, Auth0.
const SCOPE_CLAIMS: [&str; 3] = ["scope", "scp", "permissions"];
/// The claims that name the client: RFC 9068, Okta, OpenID Connect.
const CLIENT_CLAIMS: [&str; 3] = ["client_id", "cid", "azp"];

/// Most permissions of a key that are listed as scopes.
#[cfg(feature = "api-keys")]
const MAX_NAMED_SCOPES: usize = 256;

/// A token whose signature and claims were checked, or an API key that was. Cheap to clone.
#[derive(Clone)]
pub struct Verified(Arc<Inner>);

struct Inner {
    claims: Claims,
    scopes: Scope,
    key_id: Option<String>,
    method: Method,
    /// Of an API key: what it may do, which may be more than the names among the scopes.
    permissions: Vec<Permission>,
}

/// How a token was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// By asking the server about an API key, which it is.
    ApiKey,
    /// By its signature.
    Jwt,
    /// By asking the issuer (RFC 7662).
    Introspection,
}

impl Method {
    /// The name, as the log and metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::Introspection => "introspection",
        }
    }
}

/// A scope claim is not a string or a list of strings, or names too many scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedScopes;

impl Verified {
    pub(crate) fn new(claims: Claims, key_id: Option<String>, method: Method) -> Result<Self, MalformedScopes> {
        let scopes = read_scopes(&claims)?;
        Ok(Self(Arc::new(Inner { claims, scopes, key_id, method, permissions: Vec::new() })))
    }

    /// An API key, as if it were a token of its client.
    #[cfg(feature = "api-keys")]
    pub(crate) fn of_key(claims: Claims, permissions: Vec<Permission>) -> Self {
        let names = permissions.iter().filter(|own| !own.has_wildcard()).map(Permission::as_str).take(MAX_NAMED_SCOPES);
        let scopes = Scope::from_tokens(names).unwrap_or_default();
        Self(Arc::new(Inner { claims, scopes, key_id: None, method: Method::ApiKey, permissions }))
    }

    /// Every claim.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        &self.0.claims.issuer
    }

    /// The client that obtained the token: `client_id`, else `cid` or `azp`. A
    /// token of the type `at+jwt` always names it.
    pub fn client_id(&self) -> Option<&str> {
        CLIENT_CLAIMS.iter().find_map(|name| self.text(name))
    }

    /// `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.0.claims.subject.as_deref()
    }

    /// The scopes of `scope`, `scp` and `permissions` together. Of an API key the permissions
    /// without a wildcard, at most 256: [`has`](Self::has) knows all.
    pub fn scopes(&self) -> &Scope {
        &self.0.scopes
    }

    /// Whether the token has `scope`, compared as a whole word; whether the API key has it as
    /// a permission, which may hold a wildcard.
    pub fn has(&self, scope: &str) -> bool {
        self.0.scopes.contains(scope) || self.0.permissions.iter().any(|own| own.covers(scope))
    }

    /// Of an API key: what its owner wants to know of it.
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.0.claims.all.get("metadata").filter(|_| self.0.method == Method::ApiKey).and_then(Value::as_object)
    }

    /// Of an API key: what its owner calls it elsewhere.
    pub fn external_id(&self) -> Option<&str> {
        self.text("external_id").filter(|_| self.0.method == Method::ApiKey)
    }

    /// `cred`: the credential that obtained the token; the id of the API key that it was
    /// exchanged for, or that was presented.
    pub fn credential_id(&self) -> Option<&str> {
        self.text("cred")
    }

    /// `jti`.
    pub fn token_id(&self) -> Option<&str> {
        self.0.claims.token_id.as_deref()
    }

    /// `exp`; of a token whose issuer was asked and named none, when it will be asked again.
    pub fn expires_at(&self) -> Timestamp {
        self.0.claims.expires_at
    }

    /// How the token was verified.
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// The `kid` of the key that verified the token.
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.0.claims.all.get(claim).and_then(Value::as_str)
    }
}

/// The words of all scope claims. A string is split at spaces; an element of a
/// list is one word. Words that are no scope (RFC 6749 section 3.3) match nothing.
pub(crate) fn read_scopes(claims: &Claims) -> Result<Scope, MalformedScopes> {
    let mut words: Vec<&str> = Vec::new();
    for name in SCOPE_CLAIMS {
        match claims.all.get(name) {
            None => {}
            Some(Value::String(text)) => words.extend(text.split(' ')),
            Some(Value::Array(list)) => {
                for element in list {
                    match element.as_str() {
                        Some(word) => words.push(word),
                        None if !Check::ScopeType.is_on() => {}
                        None => return Err(MalformedScopes),
                    }
                }
            }
            Some(_) if !Check::ScopeType.is_on() => {}
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => return Err(MalformedScopes),
        }
    }
    words.retain(|word| ScopeToken::try_from(*word).is_ok());
    Scope::from_tokens(words).map_err(|_| MalformedScopes)
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("client_id", &self.client_id())
            .field("token_id", &self.token_id())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}
