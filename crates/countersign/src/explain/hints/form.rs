//! Mistakes in what is sent.

use countersign_verify::Aspect;

use super::{Facts, Hint, hint};
use crate::explain::pasted::Oddity;
use crate::explain::shape::Shape;

pub(super) fn bearer_twice(facts: &Facts<'_>) -> Option<Hint> {
    facts.has_oddity(Oddity::BearerTwice).then_some(())?;
    hint(
        Aspect::Format,
        "`Bearer` stands there twice: a program adds it to a value that begins with it already",
        "keep the token alone, without `Bearer`, and let one place add the word",
    )
}

pub(super) fn another_scheme(facts: &Facts<'_>) -> Option<Hint> {
    facts.has_oddity(Oddity::AnotherScheme).then_some(())?;
    hint(
        Aspect::Format,
        "another scheme stands where `Bearer` belongs: an API that takes bearer tokens does not look at the rest",
        "send `Authorization: Bearer` and the token",
    )
}

pub(super) fn no_bearer(facts: &Facts<'_>) -> Option<Hint> {
    facts.has_oddity(Oddity::NoBearer).then_some(())?;
    hint(
        Aspect::Format,
        "the header has no `Bearer`: an API sees no token in it",
        "send `Authorization: Bearer`, one space and the token",
    )
}

pub(super) fn quoted(facts: &Facts<'_>) -> Option<Hint> {
    facts.has_oddity(Oddity::Quoted).then_some(())?;
    hint(Aspect::Format, "the token is in quotes, and they are sent with it", "take the string out of the JSON (`jq -r`)")
}

pub(super) fn broken(facts: &Facts<'_>) -> Option<Hint> {
    facts.has_oddity(Oddity::Broken).then_some(())?;
    hint(
        Aspect::Format,
        "a line break or a space stands inside the token: it was wrapped when it was copied or stored",
        "store the token on one line",
    )
}

pub(super) fn not_a_token(facts: &Facts<'_>) -> Option<Hint> {
    match facts.examined.shape {
        Shape::ApiKey => hint(
            Aspect::Format,
            "this is an API key, not an access token: it is well formed, and its checksum is right",
            "send it where API keys are taken; for this API get an access token (`countersign token get`)",
        ),
        Shape::ClientSecret => hint(
            Aspect::Format,
            "this is a client secret, not an access token: an API that receives it can act as the client",
            "send it to the token endpoint alone and use the token that comes back; rotate it if it was sent to an API",
        ),
        Shape::CredentialWithTypo => hint(
            Aspect::Format,
            "this is a secret or API key in which a character is wrong or missing",
            "copy it again from where it is kept",
        ),
        Shape::JwtCut => hint(
            Aspect::Format,
            "a JWT begins like this and has three parts: the end is missing",
            "look for what cuts it: a column, a header limit, an environment variable, a double click",
        ),
        Shape::CountersignOpaque => hint(
            Aspect::Format,
            "this is an opaque token of Countersign: nothing can be read in it, and only its issuer can judge it",
            "let the API ask the introspection endpoint, or set the resource server's token format to `jwt`",
        ),
        Shape::Encrypted { .. } | Shape::Jwt | Shape::Opaque | Shape::Empty | Shape::Other => None,
    }
}

/// Auth0 answers a request without an audience with a token for itself alone.
pub(super) fn opaque_or_encrypted(facts: &Facts<'_>) -> Option<Hint> {
    let is_auth0 = facts.expected_issuer().is_some_and(|issuer| issuer.contains(".auth0.com"));
    let fix = "send `audience` (Auth0) or `resource` with the identifier of the API in the token request";
    match facts.examined.shape {
        Shape::Encrypted { direct: true } => hint(
            Aspect::Format,
            "this token is encrypted to its issuer: Auth0 issues such a one when the request names no audience",
            fix,
        ),
        Shape::Opaque if is_auth0 => hint(
            Aspect::Format,
            "this token is opaque: Auth0 issues such a one, for its own /userinfo alone, when the request names no audience",
            fix,
        ),
        Shape::Opaque => hint(
            Aspect::Format,
            "this token is opaque: nothing can be read in it, and only its issuer can judge it",
            "let the API ask the issuer's introspection endpoint; with Auth0, send `audience` in the token request",
        ),
        Shape::ApiKey
        | Shape::ClientSecret
        | Shape::CountersignOpaque
        | Shape::CredentialWithTypo
        | Shape::Empty
        | Shape::Encrypted { .. }
        | Shape::Jwt
        | Shape::JwtCut
        | Shape::Other => None,
    }
}

pub(super) fn hmac(facts: &Facts<'_>) -> Option<Hint> {
    let alg = facts.examined.unverified.header("alg").filter(|alg| matches!(*alg, "HS256" | "HS384" | "HS512"))?;
    hint(
        Aspect::Algorithm,
        format!("{alg} is an HMAC: whoever can check such a token can also make one"),
        "let the issuer sign with RS256, ES256 or EdDSA (Auth0: in the settings of the API, \"Signing Algorithm\")",
    )
}

pub(super) fn no_algorithm(facts: &Facts<'_>) -> Option<Hint> {
    facts.examined.unverified.header("alg").filter(|alg| alg.eq_ignore_ascii_case("none"))?;
    hint(Aspect::Algorithm, "the token is not signed at all", "if you did not make it for a test, treat it as an attack")
}
