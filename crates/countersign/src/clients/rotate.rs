//! Rotating a secret: a new one, and a deadline for the old.

use countersign_protocol::{ClientId, Timestamp};

use super::credentials::{insert, not_found};
use super::secrets::{CreatedSecret, NewSecret, make_secret};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField};
use crate::ids::CredentialId;
use crate::store::Tx;

/// How long both secrets are accepted unless said otherwise.
pub const DEFAULT_OVERLAP_SECONDS: i64 = 24 * 3_600;
/// The longest time for which both may be accepted.
pub const MAX_OVERLAP_SECONDS: i64 = 30 * 24 * 3_600;

/// How to rotate.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The secret that takes over.
    pub new: NewSecret,
    /// How long the old one is accepted on; 0: not at all.
    pub overlap_seconds: i64,
}

/// What came of a rotation.
#[derive(Debug)]
pub struct RotatedSecret {
    /// The new secret.
    pub created: CreatedSecret,
    /// When the old one ends.
    pub previous_expires_at: Timestamp,
}

/// Replaces a secret. Of several rotations of one credential exactly one happens.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], and [`ChangeError::State`] for a
/// credential that is no secret, was rotated before, is revoked or has expired.
pub async fn rotate_secret(
    app: &App,
    by: &Actor,
    client_id: &ClientId,
    credential_id: &CredentialId,
    rotation: Rotation,
) -> Result<RotatedSecret, ChangeError> {
    let overlap = rotation.overlap_seconds;
    if !(0..=MAX_OVERLAP_SECONDS).contains(&overlap) {
        return Err(InvalidField::new("overlap_seconds", overlap, format!("0 to {MAX_OVERLAP_SECONDS}")).into());
    }
    let now = app.clock.now();
    let created = make_secret(app, by, rotation.new, now)?;
    let (new, client_id, id) = (created.credential.clone(), client_id.clone(), credential_id.clone());
    let event = by
        .event("credential.rotated", "credential", id.as_str())
        .with_detail("client_id", client_id.as_str())
        .with_detail("new_credential_id", new.id.as_str())
        .with_detail("overlap_seconds", overlap);
    let previous_expires_at = app
        .write(move |tx| {
            Box::pin(async move {
                insert(tx, &client_id, &new).await?;
                match tx.rotate_credential(&client_id, &id, now, now.plus_seconds(overlap)).await? {
                    Some(end) => {
                        tx.record_event(event, now);
                        Ok(end)
                    }
                    None => Err(why_not(tx, &client_id, &id).await?),
                }
            })
        })
        .await?;
    Ok(RotatedSecret { created, previous_expires_at })
}

/// The conditional statement found nothing to rotate.
async fn why_not(tx: &mut Tx, client_id: &ClientId, id: &CredentialId) -> Result<ChangeError, ChangeError> {
    let Some(credential) = tx.find_credential(client_id, id).await? else { return Ok(not_found(id)) };
    let kind = credential.kind.name();
    let reason = match credential.kind {
        _ if credential.revoked_at.is_some() => "the credential is revoked".to_owned(),
        _ if credential.rotated_at.is_some() => "the credential was rotated already: rotate its successor".to_owned(),
        super::CredentialKind::Secret { .. } => "the credential has expired".to_owned(),
        super::CredentialKind::Keys(_) | super::CredentialKind::JwksUri(_) => {
            format!("the credential is a {kind}: only secrets are rotated, keys are added and revoked")
        }
    };
    Ok(ChangeError::State(reason))
}
