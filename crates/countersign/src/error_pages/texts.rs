//! The texts of the pages, one for each code: a code without one does not compile.

use countersign_protocol::ErrorCode;

use super::PageText;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) const fn text_of(code: ErrorCode) -> PageText {
    match code {
        ErrorCode::TokenMissing => PageText {
            why: "The request has no `Authorization` header, or something on the way (a proxy, a redirect to another host) removed it.",
            see: Some("curl -si http://localhost:8788/users"),
            mend: "Send `Authorization: Bearer` and the token.",
            section: "RFC 6750 section 3",
        },
        ErrorCode::SeveralTokens => PageText {
            why: "Two `Authorization` headers arrived: often the client sets one and a proxy or a library adds another.",
            see: Some("curl -si http://localhost:8788/users -H 'Authorization: Bearer a' -H 'Authorization: Bearer b'"),
            mend: "Let one place alone set the header.",
            section: "RFC 6750 section 3.1",
        },
        ErrorCode::AuthorizationMalformed => PageText {
            why: "The word `Bearer` stands there twice, the token is in quotes, or a line break was read from a file with it.",
            see: Some("curl -si http://localhost:8788/users -H 'Authorization: Bearer Bearer a'"),
            mend: "Send the bare token after `Bearer` and one space; strip the line break.",
            section: "RFC 6750 section 2.1",
        },
        ErrorCode::TokenTooLarge => PageText {
            why: "What was sent is no access token, or one with far too many claims.",
            see: None,
            mend: "Send the access token alone; put large data behind an API instead of into claims.",
            section: "RFC 6750 section 3.1",
        },
        ErrorCode::TokenMalformed => PageText {
            why: "An opaque token, an encrypted token or an API key was sent where a signed JWT is needed, or the token was cut.",
            see: Some("curl -si http://localhost:8788/users -H 'Authorization: Bearer abc'"),
            mend: "Compare the token with the one that the token endpoint returned; it has three parts with dots between.",
            section: "RFC 7519 section 7.2",
        },
        ErrorCode::TokenNotBase64Url => PageText {
            why: "The token was encoded again, padded with `=`, or damaged while it was copied.",
            see: Some("curl -si http://localhost:8788/users -H 'Authorization: Bearer a.b.c'"),
            mend: "Send the token byte for byte as it was returned.",
            section: "RFC 7515 section 5.2",
        },
        ErrorCode::TokenNotJson => PageText {
            why: "Header or payload decodes to something that is not one JSON object.",
            see: None,
            mend: "Request a new token; if a fresh one is refused too, look at the program that issues it.",
            section: "RFC 7515 section 5.2",
        },
        ErrorCode::DuplicateMember => PageText {
            why: "Two members have one name; readers would differ in which of them counts.",
            see: None,
            mend: "Mend the program that writes the token.",
            section: "RFC 7515 section 4",
        },
        ErrorCode::AlgorithmNotAllowed => PageText {
            why: "The token says `none` or an HMAC algorithm such as HS256. Those are never accepted, since whoever verifies could also sign.",
            see: None,
            mend: "Have the issuer sign with RS256, ES256 or EdDSA. If you did not make this token, treat it as an attack.",
            section: "RFC 8725 section 3.1",
        },
        ErrorCode::TypeNotAllowed => PageText {
            why: "The token is signed well and is no access token: mostly an ID token was sent.",
            see: None,
            mend: "Send `access_token` of the token response; its header has `typ` `at+jwt`.",
            section: "RFC 9068 section 4",
        },
        ErrorCode::CriticalExtension => PageText {
            why: "The header has `crit`, which demands that its extensions be understood; none is.",
            see: None,
            mend: "Let the issuer leave out `crit`.",
            section: "RFC 7515 section 4.1.11",
        },
        ErrorCode::UnknownKey => PageText {
            why: "The token comes from another environment than the one that is trusted here, or its key was rotated out.",
            see: None,
            mend: "Compare `iss` of the token with the issuer that the API trusts, then request a new token.",
            section: "RFC 7515 section 4.1.4",
        },
        ErrorCode::AlgorithmNotOfKey => PageText {
            why: "The token names another algorithm than the one that its key is published with.",
            see: None,
            mend: "Let the issuer sign with the algorithm that its key set states.",
            section: "RFC 8725 section 3.1",
        },
        ErrorCode::BadSignature => PageText {
            why: "The token was changed after it was signed, or signed by a key that only bears the right name.",
            see: None,
            mend: "Request a new token; nothing in this one can be believed.",
            section: "RFC 7515 section 5.2",
        },
        ErrorCode::KeysUnavailable => PageText {
            why: "The issuer's key set could not be fetched, and none is at hand. The token may be good: keep it.",
            see: None,
            mend: "Make the issuer's `jwks_uri` reachable from the API, then send the same request again.",
            section: "RFC 9110 section 15.6.4",
        },
        ErrorCode::TokenInactive => PageText {
            why: "The token has expired, was revoked, or is not meant for the API that asks.",
            see: None,
            mend: "Request a new token; check that the API may introspect for its resource server.",
            section: "RFC 7662 section 2.2",
        },
        ErrorCode::IntrospectionUnavailable => PageText {
            why: "The introspection endpoint did not answer, or refused the API's own credentials. The token may be good: keep it.",
            see: None,
            mend: "Check the API's credentials and its way to the endpoint, then repeat the request.",
            section: "RFC 7662 section 2.3",
        },
        ErrorCode::NotYetValid => PageText {
            why: "`nbf` lies in the future, mostly because two clocks differ.",
            see: None,
            mend: "Synchronise the clocks of the issuer and the API.",
            section: "RFC 7519 section 4.1.5",
        },
        ErrorCode::Expired => PageText {
            why: "The client goes on using a token after `exp`, or the API's clock is ahead.",
            see: None,
            mend: "Request a new token shortly before `expires_in` is over; synchronise the clocks.",
            section: "RFC 7519 section 4.1.4",
        },
        ErrorCode::IssuedInFuture => PageText {
            why: "`iat` lies in the future: the API's clock is behind the issuer's.",
            see: None,
            mend: "Synchronise the clocks of the issuer and the API.",
            section: "RFC 7519 section 4.1.6",
        },
        ErrorCode::IssuerMismatch => PageText {
            why: "`iss` is compared byte for byte. A slash at the end, another host name, or another authorization server is another issuer.",
            see: None,
            mend: "Configure the API with exactly the `issuer` of the metadata document, or request the token at that issuer.",
            section: "RFC 9068 section 4",
        },
        ErrorCode::ClaimMissing => PageText {
            why: "The token lacks one of `iss`, `sub`, `aud`, `exp`, `iat`, `jti`, `client_id`, or one of them has the wrong type.",
            see: None,
            mend: "Let the issuer write access tokens as RFC 9068 has them.",
            section: "RFC 9068 section 2.2",
        },
        ErrorCode::InsufficientScope => PageText {
            why: "The token is good, and the scope named in the challenge is not in it: not granted, or not asked for.",
            see: None,
            mend: "Grant the scope to the client if needed, ask for it with `scope`, and use the new token.",
            section: "RFC 6750 section 3.1",
        },
        ErrorCode::AudienceMismatch => PageText {
            why: "`aud` is compared byte for byte. The token was requested for another API, or the two differ by a slash at the end.",
            see: None,
            mend: "Request the token with `audience` set to what the API expects.",
            section: "RFC 9068 section 4",
        },
        ErrorCode::ClaimMismatch => PageText {
            why: "A route or an issuer's rule asks for a claim value that this token does not have.",
            see: None,
            mend: "Compare the token's claims with what the route requires.",
            section: "RFC 6750 section 3.1",
        },
        ErrorCode::PossessionNotProven => PageText {
            why: "The token has `cnf`: it is bound to a key, and whoever stole it must not be able to use it as a bearer token.",
            see: None,
            mend: "Request a token without a binding.",
            section: "RFC 7800 section 3.1",
        },
        ErrorCode::ClientRevoked => PageText {
            why: "The client was disabled, or it, its credential or its tokens were revoked after this token was issued.",
            see: None,
            mend: "Ask the operator (`countersign audit list` says who did it); then request a new token.",
            section: "RFC 7009 section 2",
        },
        ErrorCode::TokenRevoked => {
            PageText { why: "This one token was revoked.", see: None, mend: "Request a new token.", section: "RFC 7009 section 2" }
        }
        ErrorCode::ClientAuthenticationFailed => PageText {
            why: "The client is unknown, disabled, or the secret is wrong or expired. The answer does not tell which; the server's log does.",
            see: Some("curl -si http://localhost:8787/oauth2/default/v1/token -d grant_type=client_credentials -u nobody:wrong"),
            mend: "Check `client_id` and the secret, and that both belong to this environment.",
            section: "RFC 6749 section 5.2",
        },
        ErrorCode::ClientAuthenticationMissing => PageText {
            why: "The request holds no credentials, or they stand where this endpoint does not look.",
            see: Some("curl -si http://localhost:8787/oauth2/default/v1/token -d grant_type=client_credentials"),
            mend: "Send the credentials with Basic, in the form, or as a client assertion.",
            section: "RFC 6749 section 5.2",
        },
        ErrorCode::BasicMalformed => PageText {
            why: "What follows `Basic` is not base64 of `id:secret`, each form-encoded.",
            see: Some(
                "curl -si http://localhost:8787/oauth2/default/v1/token -d grant_type=client_credentials -H 'Authorization: Basic !'",
            ),
            mend: "Let the HTTP library build the header.",
            section: "RFC 6749 section 2.3.1",
        },
        ErrorCode::SeveralAuthenticationMethods => PageText {
            why: "A secret came in the header and in the form, or beside an assertion.",
            see: Some(
                "curl -si http://localhost:8787/oauth2/default/v1/token -d grant_type=client_credentials -u a:b -d client_secret=b",
            ),
            mend: "Use one method.",
            section: "RFC 6749 section 2.3",
        },
        ErrorCode::AuthenticationMethodUnsupported => PageText {
            why: "The credentials are of a kind that this server does not take.",
            see: None,
            mend: "Use one of `token_endpoint_auth_methods_supported` of the metadata.",
            section: "RFC 6749 section 5.2",
        },
        ErrorCode::AuthenticationMethodNotOfClient => PageText {
            why: "The client is held to its registered method, or has a key and no secret.",
            see: None,
            mend: "Authenticate with the client's `token_endpoint_auth_method`, or change it.",
            section: "RFC 6749 section 5.2",
        },
        ErrorCode::SecretInUrl => PageText {
            why: "A URL is logged by servers and proxies, so a credential in it counts as leaked.",
            see: Some("curl -si http://localhost:8787/oauth2/default/v1/token'?client_secret=x' -d grant_type=client_credentials"),
            mend: "Send it in the body, and rotate the credential that was in the URL.",
            section: "RFC 6749 section 2.3.1",
        },
        ErrorCode::AssertionMalformed => PageText {
            why: "The assertion is no JWT, is signed with an algorithm that is not accepted, or has a foreign `typ`.",
            see: None,
            mend: "Sign with RS256, ES256 or EdDSA, and leave out `typ` or set `JWT`.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionTypeUnsupported => PageText {
            why: "One of the two parameters is missing, or the type has another value.",
            see: Some(
                "curl -si http://localhost:8787/oauth2/default/v1/token -d grant_type=client_credentials -d client_assertion=x",
            ),
            mend: "Send `client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer` beside `client_assertion`.",
            section: "RFC 7521 section 4.2",
        },
        ErrorCode::ClientSecretJwtUnsupported => PageText {
            why: "The assertion is signed with an HMAC of the secret.",
            see: None,
            mend: "Register a public key for the client and sign with the private one.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionClaimMissing => PageText {
            why: "A claim that ties the assertion to one client, one server and one moment is not there.",
            see: None,
            mend: "Write `iss`, `sub`, `aud`, `exp` and a fresh `jti`.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionClientMismatch => PageText {
            why: "Two of the three name different clients.",
            see: None,
            mend: "Set `iss` and `sub` to the client id.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionAudience => PageText {
            why: "`aud` names the token endpoint, another issuer, or is an array.",
            see: None,
            mend: "Set `aud` to the `issuer` of the metadata document, as a string.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionExpired => PageText {
            why: "An old assertion is used again, or the client's clock is behind.",
            see: None,
            mend: "Make a new assertion for each request; synchronise the clock.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionNotYetValid => PageText {
            why: "`nbf` or `iat` lies in the future: the client's clock is ahead.",
            see: None,
            mend: "Synchronise the clock.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionLivesTooLong => PageText {
            why: "`exp` is more than an hour away.",
            see: None,
            mend: "Let the assertion live a minute or so.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionReplayed => PageText {
            why: "The same assertion arrived twice: it is cached by the client, repeated by a library, or stolen.",
            see: None,
            mend: "Make a new `jti` for each request, also for a retry.",
            section: "RFC 7523 section 3",
        },
        ErrorCode::AssertionIdTooLong => {
            PageText { why: "The `jti` is longer than 512 bytes.", see: None, mend: "Use a UUID.", section: "RFC 7523 section 3" }
        }
        ErrorCode::TokenParameterMissing => PageText {
            why: "The body of an introspection or revocation has no `token`.",
            see: None,
            mend: "Send `token=` in a form body.",
            section: "RFC 7662 section 2.1",
        },
        ErrorCode::TooManyFailures => PageText {
            why: "Many attempts from this address failed, mostly a client with an old secret in a loop.",
            see: None,
            mend: "Wait for `Retry-After` seconds and mend the credentials first.",
            section: "RFC 6585 section 4",
        },
        ErrorCode::TooManyRequests => PageText {
            why: "A client that requests a token per call instead of keeping it is the usual reason.",
            see: None,
            mend: "Keep each token until shortly before it expires; wait for `Retry-After` seconds.",
            section: "RFC 6585 section 4",
        },
        ErrorCode::BodyMalformed => PageText {
            why: "The body was cut, or is not of the form that the header announces.",
            see: None,
            mend: "Let the HTTP library write body and Content-Type.",
            section: "RFC 6749 section 5.2",
        },
        ErrorCode::ParameterRepeated => PageText {
            why: "One name occurs twice; readers would differ in which counts.",
            see: Some(
                "curl -si http://localhost:8787/oauth2/default/v1/token -d grant_type=client_credentials -d grant_type=client_credentials",
            ),
            mend: "Send each parameter once.",
            section: "RFC 6749 section 3.2",
        },
        ErrorCode::ContentTypeUnsupported => PageText {
            why: "The OAuth endpoints read forms, the management API reads JSON.",
            see: Some("curl -si http://localhost:8787/oauth2/default/v1/token -H 'Content-Type: text/plain' -d x"),
            mend: "Set the Content-Type that the endpoint reads.",
            section: "RFC 6749 section 4.4.2",
        },
        ErrorCode::BodyTooLarge => PageText {
            why: "The body is over the limit of the endpoint.",
            see: None,
            mend: "Send a smaller body.",
            section: "RFC 9110 section 15.5.14",
        },
        ErrorCode::GrantTypeMissing => PageText {
            why: "The form has no `grant_type`; often the Content-Type is wrong too.",
            see: None,
            mend: "Send `grant_type=client_credentials`.",
            section: "RFC 6749 section 4.4.2",
        },
        ErrorCode::GrantTypeUnsupported => PageText {
            why: "This server does not serve that grant.",
            see: None,
            mend: "Use one of `grant_types_supported` of the metadata.",
            section: "RFC 6749 section 5.2",
        },
        ErrorCode::ScopeMalformed => PageText {
            why: "Scopes are separated by one space each; quotes and backslashes do not occur.",
            see: None,
            mend: "Send the scopes as one value with single spaces.",
            section: "RFC 6749 section 3.3",
        },
        ErrorCode::ScopeNotGranted => PageText {
            why: "The client asks for more than its grant holds. It is refused rather than given less.",
            see: None,
            mend: "Ask for less, or extend the grant (`countersign grant`).",
            section: "RFC 6749 section 5.2",
        },
        ErrorCode::AudienceNotGranted => PageText {
            why: "No such resource server, or no grant of this client for it. The answer does not tell which.",
            see: None,
            mend: "Check the spelling, and grant the client the resource server.",
            section: "RFC 8707 section 2",
        },
        ErrorCode::AudienceMissing => PageText {
            why: "The client has several grants here, and none is the default.",
            see: None,
            mend: "Send `audience`.",
            section: "RFC 8707 section 2",
        },
        ErrorCode::SeveralAudiences => PageText {
            why: "A token is for one audience; `audience` and `resource` name different ones.",
            see: None,
            mend: "Request one token per audience.",
            section: "RFC 8707 section 2",
        },
        ErrorCode::FieldInvalid => PageText {
            why: "`pointer` names the member, `detail` what is accepted.",
            see: None,
            mend: "Change that member.",
            section: "RFC 9457 section 3",
        },
        ErrorCode::AlreadyExists => PageText {
            why: "The identity is taken, or the request was carried out before.",
            see: None,
            mend: "Look at the present object; choose another identity, or update it.",
            section: "RFC 9110 section 15.5.10",
        },
        ErrorCode::NotFound => PageText {
            why: "It was deleted, never existed, or belongs to an organization that the caller does not see.",
            see: None,
            mend: "List the objects to find the id.",
            section: "RFC 9110 section 15.5.5",
        },
        ErrorCode::StateConflict => PageText {
            why: "The object was, for instance, disabled or revoked meanwhile.",
            see: None,
            mend: "Read the object, then decide again.",
            section: "RFC 9110 section 15.5.10",
        },
        ErrorCode::NoSuchPath => PageText {
            why: "The path is misspelt, or of another mount.",
            see: Some("curl -si http://localhost:8787/nothing"),
            mend: "Take the URLs from the metadata document or the OpenAPI document.",
            section: "RFC 9110 section 15.5.5",
        },
        ErrorCode::MethodNotAllowed => PageText {
            why: "The path exists and takes other methods; token requests, for one, are POST.",
            see: Some("curl -si http://localhost:8787/oauth2/default/v1/token"),
            mend: "Use a method that the header `Allow` names.",
            section: "RFC 9110 section 15.5.6",
        },
        ErrorCode::QueryInvalid => PageText {
            why: "A query parameter or header is unknown or has a bad value, such as a cursor that was changed.",
            see: None,
            mend: "Correct what `detail` names; begin a list again without a cursor.",
            section: "RFC 9457 section 3",
        },
        ErrorCode::VersionMismatch => PageText {
            why: "Someone else changed it after the ETag was read.",
            see: None,
            mend: "Read it again, apply the change to what is there now, and send the new ETag.",
            section: "RFC 9110 section 13.1.1",
        },
        ErrorCode::IdempotencyKeyReused => PageText {
            why: "The same `Idempotency-Key` came with a different request.",
            see: None,
            mend: "Make a new key for each new request.",
            section: "RFC 9110 section 15.5.10",
        },
        ErrorCode::ReplyNotKept => PageText {
            why: "A retry arrived after the request was carried out, or while it was, and there is no reply to send again.",
            see: None,
            mend: "Read the object; if a secret was lost, rotate it.",
            section: "RFC 9110 section 15.5.10",
        },
        ErrorCode::LimitedToOrganization => PageText {
            why: "The operation is about the whole instance, or another organization.",
            see: None,
            mend: "Use an operator without that limit.",
            section: "RFC 9110 section 15.5.4",
        },
        ErrorCode::ExceedsCaller => PageText {
            why: "Nobody can give away a right that they lack, or change who holds more.",
            see: None,
            mend: "Ask an operator who has the right.",
            section: "RFC 9110 section 15.5.4",
        },
        ErrorCode::LimitsUncounted => PageText {
            why: "Valkey, Redis or PostgreSQL, where the nodes count together, did not answer in time, and the limit's `on_unreachable` is `deny`. Or this node's memory for counters is full.",
            see: None,
            mend: "Try again. See `counters` in the configuration; `on_unreachable` may also be `allow` or `local`.",
            section: "RFC 9110 section 15.6.4",
        },
        ErrorCode::LimitUnknown => PageText {
            why: "A verification takes from limits by their names, and a name that is not known could let through what should be counted.",
            see: None,
            mend: "Give the key or its client a limit of this name, or send `limit` and `duration_seconds` with the name.",
            section: "RFC 9110 section 15.5.1",
        },
        ErrorCode::ImportedHashesBusy => PageText {
            why: "Many imported keys with a salted hash were presented for the first time at once, or somebody makes such keys up.",
            see: None,
            mend: "Try again after the seconds of `Retry-After`; more threads are `imported_keys.hash_threads`.",
            section: "RFC 9110 section 15.6.4",
        },
        ErrorCode::LeakReportUnsigned => PageText {
            why: "The headers `Github-Public-Key-Identifier` and `Github-Public-Key-Signature` are missing, or the signature is not over these bytes by that key.",
            see: None,
            mend: "Let nothing on the way change the body; check `leak_reports.public_keys_url`.",
            section: "RFC 9110 section 15.5.4",
        },
        ErrorCode::ReporterKeysUnavailable => PageText {
            why: "The URL of the reporter's public keys does not answer, or answers something else.",
            see: None,
            mend: "Let the server reach `leak_reports.public_keys_url`, or keep the keys in `leak_reports.public_keys_file`.",
            section: "RFC 9110 section 15.6.4",
        },
        ErrorCode::ApiKeyRefused => PageText {
            why: "The key was mistyped, its end has come, or somebody disabled, rotated or revoked it, or its client.",
            see: None,
            mend: "Look at the key with `countersign key show`; make another with `countersign key create`.",
            section: "RFC 6750 section 3.1",
        },
        ErrorCode::ApiKeyNotFromHere => PageText {
            why: "The key lists networks that it is accepted from, and the caller is in none of them.",
            see: None,
            mend: "Change `allowed_networks` of the key; behind a proxy, check `server.trusted_proxies`.",
            section: "RFC 9110 section 15.5.4",
        },
        ErrorCode::ApiKeyUsedUp => PageText {
            why: "An API key that calls this API is counted as every other: by its limits, those of its client, and its credits.",
            see: None,
            mend: "Wait for the seconds of `Retry-After`; where there are none, give the key credits.",
            section: "RFC 6585 section 4",
        },
        ErrorCode::Internal => PageText {
            why: "Something in the server failed. The request was not refused on its merits.",
            see: None,
            mend: "Find the request id of the answer in the server's log.",
            section: "RFC 9110 section 15.6.1",
        },
        ErrorCode::Unavailable => PageText {
            why: "The store, a signing key or a fetch is not there at the moment, or the server is overloaded.",
            see: None,
            mend: "Send the request again after a pause; see `GET /health/ready`.",
            section: "RFC 9110 section 15.6.4",
        },
        ErrorCode::ChangeNotApplied => PageText {
            why: "The change was committed, and the node that made it cannot read it back yet.",
            see: None,
            mend: "Read the object before you send the change again.",
            section: "RFC 9110 section 15.6.4",
        },
    }
}
