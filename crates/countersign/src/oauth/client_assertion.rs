//! `private_key_jwt` (RFC 7523): the signature, the claims, and last of all the id,
//! which is used up only by an assertion that is right in everything else.

use aws_lc_rs::digest;
use countersign_protocol::jose::{AudienceClaim, Claims, Header, JwsError, VerificationKey, base64url, meant_by};
use countersign_protocol::{
    AcceptableAssertion, AssertionError, ClientAuthMethod, ClientId, Timestamp, UnverifiedAssertion, VerifiedAssertion,
};

use super::client_auth::{AuthenticatedClient, ClientAuthError, Match, RefusalReason, find_client, settle};
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::clients::{AssertionAudience, Client, Credential, CredentialKind};
use crate::ids::CredentialId;
use crate::limits::Lookup;
use crate::log::rfc3339;
use crate::refusals::shown;
use crate::store::StoreError;

/// Most keys that one assertion is tried with.
const MAX_TRIED_KEYS: usize = 32;
/// What the used ids are kept apart by.
const PURPOSE: &str = "client_assertion";

/// Authenticates a client by its signature.
pub(super) async fn authenticate(
    app: &App,
    mount: &ResolvedMount,
    assertion: &UnverifiedAssertion<'_>,
    lookup: Lookup,
    now: Timestamp,
) -> Result<AuthenticatedClient, ClientAuthError> {
    let client = find_client(app, assertion.client_id(), lookup).await?;
    let credentials = client.as_deref().map_or(&[][..], |client| &client.credentials);
    let signed = find_signer(app, credentials, assertion, lookup, now).await?;
    let (credential_id, verified) = signed.unzip();
    let matched = Match::of_live(credential_id);
    let authenticated = settle(client, matched, ClientAuthMethod::PrivateKeyJwt, RefusalReason::SignatureNotAccepted)?;
    let verified = verified.ok_or(AssertionError::Malformed(JwsError::BadSignature))?;
    // Whoever signed holds the key: from here on the answer may say what is wrong.
    let client_id = &authenticated.client().id;
    let acceptable = verified.check(&audiences(mount, authenticated.client()), now).map_err(|error| {
        let found = found(error, verified.claims());
        ClientAuthError::AssertionOf { by: authenticated.clone(), issuer: mount.issuer.clone(), error, found }
    })?;
    if !use_id(app, client_id, acceptable).await? {
        return Err(ClientAuthError::AssertionReplayed { by: authenticated });
    }
    Ok(authenticated)
}

/// What the assertion says where it should say something else.
fn found(error: AssertionError, claims: &Claims) -> Option<String> {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "absent".to_owned(), rfc3339);
    match error {
        AssertionError::Audience => Some(match &claims.audience {
            AudienceClaim::One(audience) => format!("aud is {}", shown(audience)),
            AudienceClaim::Several(_) => "aud is an array".to_owned(),
        }),
        AssertionError::Expired | AssertionError::LivesTooLong => Some(format!("exp is {}", rfc3339(claims.expires_at))),
        AssertionError::NotYetValid => Some(format!("nbf is {}, iat is {}", time(claims.not_before), time(claims.issued_at))),
        AssertionError::Claims(_)
        | AssertionError::ClientMismatch
        | AssertionError::ClientSecretJwt
        | AssertionError::IdTooLong
        | AssertionError::Malformed(_)
        | AssertionError::Type => None,
    }
}

fn audiences<'a>(mount: &'a ResolvedMount, client: &Client) -> Vec<&'a str> {
    match client.assertion_audience {
        AssertionAudience::Issuer => vec![mount.issuer.as_str()],
        AssertionAudience::TokenEndpoint => vec![mount.issuer.as_str(), &mount.token_endpoint],
    }
}

/// The live credential whose key made the signature. Where no key can be tried, one of
/// ours is, so that a client that does not exist costs as much as one that does.
async fn find_signer(
    app: &App,
    credentials: &[Credential],
    assertion: &UnverifiedAssertion<'_>,
    lookup: Lookup,
    now: Timestamp,
) -> Result<Option<(CredentialId, VerifiedAssertion)>, ClientAuthError> {
    let mut tries = Tries { assertion, left: MAX_TRIED_KEYS };
    let mut unavailable = None;
    for credential in credentials.iter().filter(|credential| credential.is_live(now)) {
        let verified = match &credential.kind {
            CredentialKind::Secret { .. } => None,
            CredentialKind::Keys(keys) => tries.with(keys.iter()).flatten(),
            CredentialKind::JwksUri(uri) => match (app.client_keys.at(uri), lookup) {
                (Some(keys), Lookup::Anywhere) => {
                    let judged = keys.judge(assertion.header().key_id.as_deref(), |set| tries.with(set.iter())).await;
                    judged.unwrap_or_else(|error| {
                        unavailable = Some(error);
                        None
                    })
                }
                (Some(keys), Lookup::InMemory(_)) => keys.judge_at_hand(|set| tries.with(set.iter())),
                (None, _) => None,
            }
            .flatten(),
        };
        if let Some(verified) = verified {
            return Ok(Some((credential.id.clone(), verified)));
        }
    }
    // The key may be one of those that could not be had: nothing was judged.
    if let Some(error) = unavailable {
        return Err(error.into());
    }
    if tries.left == MAX_TRIED_KEYS {
        let _ = app.decoy_keys.find(assertion.header().algorithm).and_then(|key| assertion.verify(key));
    }
    Ok(None)
}

/// Tries keys, but not without end.
struct Tries<'a> {
    assertion: &'a UnverifiedAssertion<'a>,
    left: usize,
}

impl Tries<'_> {
    /// `None`: there is no key that the header may mean. `Some(None)`: none of those fits.
    fn with<'k>(&mut self, keys: impl Iterator<Item = (&'k str, &'k VerificationKey)>) -> Option<Option<VerifiedAssertion>> {
        let keys: Vec<_> = keys.collect();
        let header: &Header = self.assertion.header();
        let mut any = false;
        for key in meant_by(header, keys.into_iter()) {
            any = true;
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            if let Some(verified) = self.assertion.verify(key) {
                return Some(Some(verified));
            }
        }
        any.then_some(None)
    }
}

/// Whether the id was not used before. Kept for as long as the assertion would be
/// accepted, by every node and through every restart.
async fn use_id(app: &App, client_id: &ClientId, assertion: AcceptableAssertion) -> Result<bool, StoreError> {
    // Any text, of any length: its hash is neither.
    let hash = base64url::encode(digest::digest(&digest::SHA256, assertion.id.as_bytes()).as_ref());
    let (owner, useless_at) = (client_id.to_string(), assertion.useless_at);
    let used = app.store.write(move |tx| Box::pin(async move { tx.use_jti(PURPOSE, &owner, &hash, useless_at).await }));
    Ok(used.await?.value)
}
