//! Mounts that operators make: an authorization server at the root of one base URL.

use countersign_protocol::Audience;

use super::Mount;
use super::list::not_found;
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::change::{ChangeError, InvalidField};
use crate::ids::AuthorizationServerId;
use crate::store::ChangeKind;

/// Mounts an authorization server at the root of one base URL, so that it can be
/// selected by host name.
///
/// # Errors
/// [`ChangeError::Invalid`] when the base URL is not one that this instance is
/// configured with, [`ChangeError::AlreadyExists`], [`ChangeError::NotFound`].
pub async fn mount_at_host(
    app: &App,
    by: &Actor,
    id: &AuthorizationServerId,
    base_url: &str,
    default_audience: Option<Audience>,
) -> Result<Mount, ChangeError> {
    if !app.bases.iter().any(|base| base.as_str() == base_url) {
        let known: Vec<&str> = app.bases.iter().map(crate::config::BaseUrl::as_str).collect();
        return Err(
            InvalidField::new("base_url", base_url, format!("one of the configured base URLs: {}", known.join(", "))).into()
        );
    }
    let now = app.clock.now();
    let mount = Mount {
        base_url: Some(base_url.to_owned()),
        path: "/".to_owned(),
        authorization_server_id: id.clone(),
        default_audience,
        created_at: now,
    };
    let event = event(by, "mount.created", id, base_url);
    let stored = mount.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            let id = &stored.authorization_server_id;
            tx.lock_authorization_server(id).await?.ok_or_else(|| not_found(id))?;
            tx.insert_mount(&stored).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(())
        })
    });
    written.await.map_err(|error: ChangeError| error.or_already_exists("mount", format_args!("{base_url}/")))?;
    Ok(mount)
}

/// Takes an authorization server away from the root of a base URL. Its tokens from
/// there are no longer of an issuer of this instance.
///
/// # Errors
/// [`ChangeError::NotFound`] when it is not mounted there by [`mount_at_host`].
pub async fn unmount(app: &App, by: &Actor, id: &AuthorizationServerId, base_url: &str) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let event = event(by, "mount.deleted", id, base_url);
    let (id, base_url) = (id.clone(), base_url.to_owned());
    app.write(move |tx| {
        Box::pin(async move {
            tx.lock_authorization_server(&id).await?.ok_or_else(|| not_found(&id))?;
            if !tx.delete_mount(&id, &base_url).await? {
                return Err(ChangeError::NotFound { kind: "mount", id: format!("{base_url}/") });
            }
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(())
        })
    })
    .await
}

fn event(by: &Actor, action: &'static str, id: &AuthorizationServerId, base_url: &str) -> AuditEvent {
    by.event(action, "mount", &format!("{base_url}/")).with_detail("authorization_server_id", id.as_str())
}
