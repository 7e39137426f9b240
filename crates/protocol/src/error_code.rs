//! The stable codes of every refusal.

use std::fmt;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal),+ $(,)?) => {
        /// A stable code, `CS-nnnn`: 10xx form of a token, 11xx time, 12xx claims,
        /// 13xx revocation, 20xx client authentication, 21xx grants, 30xx management, 50xx API
        /// keys, 90xx our own faults. A number is never reused or renumbered.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ErrorCode { $($(#[doc = $doc])+ $variant = $number),+ }

        impl ErrorCode {
            /// Every code, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as it appears on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => concat!("CS-", stringify!($number))),+ }
            }

            /// What the code means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => error_codes!(@first $($doc)+)),+ }
            }
        }
    };
    (@first $first:literal $($rest:literal)*) => { $first.trim_ascii() };
}

error_codes! {
    /// No credentials were presented.
    TokenMissing = 1001,
    /// Credentials were presented in more than one place or more than once.
    SeveralTokens = 1002,
    /// The Authorization header is not `Bearer` followed by one token.
    AuthorizationMalformed = 1003,
    /// The token is longer than 16 KiB.
    TokenTooLarge = 1004,
    /// The token is not a signed JWT in compact form.
    TokenMalformed = 1005,
    /// A part of the token is not strict base64url.
    TokenNotBase64Url = 1006,
    /// A part of the token is not one strict JSON object.
    TokenNotJson = 1007,
    /// The token's header or payload names a member twice.
    DuplicateMember = 1008,
    /// The token's algorithm is not one that is ever accepted.
    AlgorithmNotAllowed = 1009,
    /// The token's `typ` is not that of an access token.
    TypeNotAllowed = 1010,
    /// The token's header has a critical extension.
    CriticalExtension = 1011,
    /// No key of the issuer has the token's `kid`.
    UnknownKey = 1012,
    /// The token's algorithm is not the one of its key.
    AlgorithmNotOfKey = 1013,
    /// The signature does not verify.
    BadSignature = 1014,
    /// The issuer's keys cannot be had at the moment; the token was not judged.
    KeysUnavailable = 1015,
    /// The issuer says that the token is not active.
    TokenInactive = 1016,
    /// The issuer cannot be asked about the token at the moment; the token was not judged.
    IntrospectionUnavailable = 1017,
    /// The token is not valid yet.
    NotYetValid = 1101,
    /// The token has expired.
    Expired = 1102,
    /// The token was issued in the future.
    IssuedInFuture = 1103,
    /// The token is of another issuer.
    IssuerMismatch = 1201,
    /// A claim that every access token has is missing or of the wrong type.
    ClaimMissing = 1202,
    /// The token lacks a scope that is needed here.
    InsufficientScope = 1203,
    /// The token is for another audience.
    AudienceMismatch = 1204,
    /// The token lacks a claim value that is needed here.
    ClaimMismatch = 1205,
    /// The token is bound to a key and is no bearer token.
    PossessionNotProven = 1206,
    /// The token's client or credential is not accepted any more.
    ClientRevoked = 1301,
    /// The token was revoked.
    TokenRevoked = 1302,
    /// What is revoked is not known well enough at the moment; the token was not judged.
    StatusUnknown = 1303,
    /// The token names a place in a status list that does not exist.
    StatusPlaceInvalid = 1304,
    /// The client is unknown, disabled, or its secret is wrong.
    ClientAuthenticationFailed = 2001,
    /// The request does not authenticate a client.
    ClientAuthenticationMissing = 2002,
    /// The Authorization header is no well-formed Basic credential.
    BasicMalformed = 2003,
    /// The request authenticates the client in two ways.
    SeveralAuthenticationMethods = 2004,
    /// The authentication method is not supported.
    AuthenticationMethodUnsupported = 2005,
    /// The client is pinned to another authentication method.
    AuthenticationMethodNotOfClient = 2006,
    /// A credential was sent in the URL, where it is logged by others.
    SecretInUrl = 2007,
    /// The client assertion is not a signed JWT that is accepted: three base64url parts, an asymmetric algorithm, `typ` absent, `JWT` or `client-authentication+jwt`.
    AssertionMalformed = 2010,
    /// `client_assertion` and `client_assertion_type` come together, and the type is that of a JWT.
    AssertionTypeUnsupported = 2011,
    /// `client_secret_jwt` is not supported: sign the assertion with a private key.
    ClientSecretJwtUnsupported = 2012,
    /// A claim of the client assertion is missing or of the wrong type; it needs `iss`, `sub`, `aud`, `exp` and `jti`.
    AssertionClaimMissing = 2013,
    /// `iss`, `sub` and `client_id` of the client assertion are not the same client.
    AssertionClientMismatch = 2014,
    /// `aud` of the client assertion is not the issuer whose endpoint it was sent to, as a string.
    AssertionAudience = 2015,
    /// The client assertion has expired.
    AssertionExpired = 2016,
    /// The client assertion is not valid yet, or was issued in the future.
    AssertionNotYetValid = 2017,
    /// The client assertion is valid for longer than an hour.
    AssertionLivesTooLong = 2018,
    /// The `jti` of the client assertion was used before.
    AssertionReplayed = 2019,
    /// The `jti` of the client assertion is too long.
    AssertionIdTooLong = 2020,
    /// `token` is missing.
    TokenParameterMissing = 2030,
    /// This address failed to authenticate too often; wait before the next attempt.
    TooManyFailures = 2050,
    /// There are more requests than the budget allows; wait before the next one.
    TooManyRequests = 2051,
    /// The request body cannot be read as what its Content-Type says.
    BodyMalformed = 2101,
    /// A parameter was sent twice.
    ParameterRepeated = 2102,
    /// The Content-Type is not one that this endpoint reads.
    ContentTypeUnsupported = 2103,
    /// The request body is too large.
    BodyTooLarge = 2104,
    /// `grant_type` is missing.
    GrantTypeMissing = 2105,
    /// The grant type is not supported.
    GrantTypeUnsupported = 2106,
    /// The scope value is malformed.
    ScopeMalformed = 2107,
    /// A requested scope is outside the client's grant.
    ScopeNotGranted = 2108,
    /// The audience is unknown or the client has no grant for it.
    AudienceNotGranted = 2109,
    /// No audience was named and there is no default for this request.
    AudienceMissing = 2110,
    /// More than one audience was named.
    SeveralAudiences = 2111,
    /// A field of an object has a value that is not accepted.
    FieldInvalid = 3001,
    /// An object with this identity exists already.
    AlreadyExists = 3002,
    /// There is no object with this identity.
    NotFound = 3003,
    /// The object is not in the state that the change needs.
    StateConflict = 3004,
    /// There is nothing at this path.
    NoSuchPath = 3005,
    /// This path does not take this method.
    MethodNotAllowed = 3006,
    /// The query or a header of the request is not what this operation takes.
    QueryInvalid = 3007,
    /// The object was changed since its caller read it.
    VersionMismatch = 3008,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused = 3009,
    /// The request was carried out before; its reply is not there.
    ReplyNotKept = 3010,
    /// The caller is limited to an organization.
    LimitedToOrganization = 3011,
    /// The caller may not give, or change, what it does not hold itself.
    ExceedsCaller = 3012,
    /// The counters of a limit cannot be reached, and the limit lets nothing pass uncounted; try again.
    LimitsUncounted = 5020,
    /// A limit that is named is not one of the key or of its client.
    LimitUnknown = 5021,
    /// Too many salted hashes of imported keys are being compared; try again.
    ImportedHashesBusy = 5030,
    /// The leak report has no signature of its reporter.
    LeakReportUnsigned = 5031,
    /// The public keys of the reporter cannot be had at the moment; the leak report was not judged.
    ReporterKeysUnavailable = 5032,
    /// The parameter `subject_token` is missing.
    SubjectTokenMissing = 5040,
    /// The subject token's type is not that of an API key.
    SubjectTokenTypeUnsupported = 5041,
    /// A token exchange issues access tokens and nothing else.
    RequestedTokenTypeUnsupported = 5042,
    /// A token exchange takes no actor token.
    ActorTokenUnsupported = 5043,
    /// The API key is not accepted.
    KeyNotAccepted = 5044,
    /// The client that the request names is not the one that the API key belongs to.
    KeyOfAnotherClient = 5045,
    /// The API key is for another audience.
    KeyForAnotherAudience = 5046,
    /// The status feed does not continue from this position; take a snapshot.
    StatusFeedGone = 5070,
    /// Status lists are told as they are now, not as they were.
    StatusAtTimeUnsupported = 5071,
    /// The API key does not give this scope.
    ScopeNotOfKey = 5047,
    /// The API key is damaged: its checksum does not match.
    KeyMalformed = 5048,
    /// The API key has used up a limit or its credits.
    KeyExhausted = 5049,
    /// The API key is unknown, disabled, expired or revoked.
    ApiKeyRefused = 5050,
    /// The API key is not accepted from this address.
    ApiKeyNotFromHere = 5051,
    /// A limit of the API key has no room, or its credits are spent.
    ApiKeyUsedUp = 5052,
    /// The request failed for a reason that is ours; the request id finds it in the log.
    Internal = 9001,
    /// The service cannot do this at the moment; try again.
    Unavailable = 9002,
    /// The change is made, but this node does not follow it yet; look before you repeat it.
    ChangeNotApplied = 9003,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_named_by_their_number() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str(), format!("CS-{}", *code as u16));
            assert!(seen.insert(code.as_str()));
            assert!(code.meaning().ends_with('.'), "{code}");
        }
    }
}
