//! Mistakes about whose token it is.

use countersign_protocol::ErrorCode;
use countersign_verify::Aspect;

use super::{Facts, Hint, difference, hint};
use crate::explain::KeysMissing;

/// Most keys that are listed.
const MAX_LISTED_KEYS: usize = 8;

pub(super) fn id_token(facts: &Facts<'_>) -> Option<Hint> {
    let claims = facts.claims()?;
    let names_client =
        ["client_id", "cid", "azp"].into_iter().filter_map(|name| facts.claim(name)).any(|id| claims.audience.names(id));
    let is_of_login = ["nonce", "at_hash", "c_hash", "auth_time"].into_iter().any(|name| claims.all.contains_key(name));
    let is_refused = facts.code(Aspect::Type).is_some() || facts.code(Aspect::Audience).is_some();
    (is_refused && (names_client || is_of_login)).then_some(())?;
    hint(
        Aspect::Type,
        "this is an ID token: it tells a client who logged in, and is not for an API",
        "send `access_token` of the token response instead of `id_token`",
    )
}

pub(super) fn untyped(facts: &Facts<'_>) -> Option<Hint> {
    facts.code(Aspect::Type)?;
    let typ = facts.examined.explanation.token_type();
    if typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) || id_token(facts).is_some() {
        return None;
    }
    hint(
        Aspect::Type,
        "many servers give access tokens no type of their own, so they cannot be told from ID tokens by it",
        "where the API takes them knowingly (`accept_untyped_tokens()`), say --accept-untyped; else let the issuer set `at+jwt`",
    )
}

pub(super) fn other_issuers_metadata(facts: &Facts<'_>) -> Option<Hint> {
    let Err(KeysMissing::OtherIssuer(stated)) = &facts.examined.keys.document else { return None };
    let named = facts.expected_issuer()?;
    hint(
        Aspect::Key,
        format!("the metadata there says that its issuer is \"{stated}\", not \"{named}\": {}", difference(named, stated)),
        format!("name the issuer exactly as it calls itself: {stated}"),
    )
}

/// Its own words are not repeated: nobody has checked them.
pub(super) fn key_of_another_issuer(facts: &Facts<'_>) -> Option<Hint> {
    let (said, expected) = (facts.examined.unverified.issuer()?, facts.expected_issuer()?);
    let is_about_key = facts.code(Aspect::Key).is_some() || facts.code(Aspect::Signature).is_some();
    (is_about_key && said != expected).then_some(())?;
    hint(
        Aspect::Key,
        format!(
            "the token says that it is of another issuer than \"{expected}\": {}. Mostly it is a token of another \
             environment, such as staging",
            difference(expected, said)
        ),
        "get the token from the issuer that the API trusts, or name the other issuer",
    )
}

pub(super) fn key_rotated_out(facts: &Facts<'_>) -> Option<Hint> {
    facts.code(Aspect::Key).filter(|code| *code == ErrorCode::UnknownKey)?;
    if facts.examined.unverified.issuer() != facts.expected_issuer() {
        return None;
    }
    let set = facts.key_set()?;
    let mut ids: Vec<&str> = set.key_ids().filter(|id| !id.is_empty()).collect();
    ids.sort_unstable();
    let more = if ids.len() > MAX_LISTED_KEYS { ", ..." } else { "" };
    let ids = ids.into_iter().take(MAX_LISTED_KEYS).collect::<Vec<_>>().join(", ");
    if facts.examined.explanation.key_id().is_none() {
        return hint(
            Aspect::Key,
            format!("the token names no key, and the issuer has several: {ids}{more}"),
            "let the issuer write `kid` into the header",
        );
    }
    hint(
        Aspect::Key,
        format!(
            "the issuer's key set has no such key. It has {ids}{more}. The key was rotated out since, or the token comes \
             from another instance that bears the same name"
        ),
        "get a new token; if a fresh one is refused too, compare the key set with the instance that issues",
    )
}

pub(super) fn bad_signature(facts: &Facts<'_>) -> Option<Hint> {
    facts.code(Aspect::Signature).filter(|code| *code == ErrorCode::BadSignature)?;
    if key_of_another_issuer(facts).is_some() {
        return None;
    }
    hint(
        Aspect::Signature,
        "the issuer has a key of this name, and it did not make this signature: the token was changed on its way, or was \
         signed by somebody else",
        "get a new token and compare the two byte for byte",
    )
}
