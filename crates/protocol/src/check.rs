//! The checks that make a token good, by name.

use std::fmt;

macro_rules! checks {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal),+ $(,)?) => {
        /// One check of a token. The names are for tests and for people: a tool that
        /// makes bad tokens says with them what each token proves.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Check { $($(#[doc = $doc])+ $variant),+ }

        impl Check {
            /// Every check, in the order in which a token meets them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

checks! {
    /// The token is at most 16 KiB long.
    Size = "size",
    /// The token has exactly three parts (RFC 7515 section 7.1).
    Compact = "compact",
    /// Each part is strict base64url (RFC 7515 section 2).
    Base64Url = "base64url",
    /// Header and payload are each one JSON object and nothing else.
    Json = "json",
    /// No member occurs twice (RFC 7515 section 4, RFC 7519 section 4).
    DuplicateMember = "duplicate_member",
    /// No critical extension, no `b64` (RFC 7515 section 4.1.11, RFC 7797).
    CriticalExtension = "critical_extension",
    /// `alg` is one that is ever accepted: not `none`, not an HMAC (RFC 8725 section 3.1).
    Algorithm = "algorithm",
    /// `kid` and `typ` are strings.
    HeaderMember = "header_member",
    /// `typ` is that of an access token (RFC 9068 section 4).
    Type = "type",
    /// `kid` names a key of the issuer.
    KeyId = "key_id",
    /// `alg` is the algorithm of the key (RFC 8725 section 3.1).
    AlgorithmOfKey = "algorithm_of_key",
    /// The signature is the key's.
    Signature = "signature",
    /// `exp` is there.
    ExpiryPresent = "expiry_present",
    /// Registered claims have the type of RFC 7519 section 4.1.
    ClaimType = "claim_type",
    /// `iss` is the issuer, byte for byte.
    Issuer = "issuer",
    /// `aud` names the audience, byte for byte.
    Audience = "audience",
    /// `exp` is not over.
    Expiry = "expiry",
    /// `nbf` is not ahead.
    NotBefore = "not_before",
    /// `iat` is not ahead.
    IssuedAt = "issued_at",
    /// `client_id`, `sub`, `jti` and `iat` are there (RFC 9068 section 2.2).
    Complete = "complete",
    /// A token that is bound to a key (`cnf`, RFC 7800) does not pass for a bearer token.
    Possession = "possession",
    /// Scope claims are strings or lists of strings.
    ScopeType = "scope_type",
    /// The token has the scopes that the route asks for, as whole words.
    Scope = "scope",
}

impl Check {
    /// True. In the builds that test the tests (`cfg(weakened)`), and only there,
    /// false for what the test has switched off.
    #[cfg(not(weakened))]
    #[doc(hidden)]
    #[inline(always)]
    pub const fn is_on(self) -> bool {
        true
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
