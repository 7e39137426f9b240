//! Authorization servers and the mounts through which they are reached.

mod list;
mod mounts;
mod update;

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, Timestamp};

use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, check_name};
use crate::ids::AuthorizationServerId;
use crate::instance::hold_master_key;
use crate::signing_keys::{self, DEFAULT_ROTATION_INTERVAL_SECONDS, check_rotation_interval};
use crate::store::ChangeKind;

pub use list::{find, list, list_mounts};
pub use mounts::{mount_at_host, unmount};
pub use update::{AuthorizationServerPatch, delete, update};

/// An issuer with its own signing keys.
#[derive(Clone, Debug)]
pub struct AuthorizationServer {
    /// Its id, part of its issuer URL.
    pub id: AuthorizationServerId,
    /// For people.
    pub name: String,
    /// How its tokens are signed unless a resource server says otherwise.
    pub signing_alg: Algorithm,
    /// How long a key of it signs until its successor takes over, in seconds.
    pub rotation_interval_seconds: i64,
    /// Since when its JWTs have a place in a status list; `None`: they have none.
    pub status_lists_since: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A path, below one base URL or below every one, at which an authorization
/// server is an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The base URL it is bound to; `None`: every configured one.
    pub base_url: Option<String>,
    /// `/`, or `/oauth2/{id}`.
    pub path: String,
    /// The authorization server.
    pub authorization_server_id: AuthorizationServerId,
    /// The audience of requests that name none.
    pub default_audience: Option<Audience>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What a new authorization server is to be.
#[derive(Clone, Debug)]
pub struct NewAuthorizationServer {
    /// See [`AuthorizationServer::id`].
    pub id: AuthorizationServerId,
    /// See [`AuthorizationServer::name`].
    pub name: String,
    /// See [`AuthorizationServer::signing_alg`].
    pub signing_alg: Algorithm,
    /// Whether its JWTs have a place in a status list.
    pub status_lists: bool,
    /// The audience of requests at its own mount that name none.
    pub default_audience: Option<Audience>,
}

/// Creates an authorization server with its signing keys (one active, one
/// published as successor) and its mount `/oauth2/{id}`; `default` is mounted at
/// `/` too.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`].
pub async fn create(app: &App, by: &Actor, new: NewAuthorizationServer) -> Result<AuthorizationServer, ChangeError> {
    check_name("name", &new.name)?;
    let now = app.clock.now();
    let keys = signing_keys::make_pair(app, &new.id, new.signing_alg).await?;
    let server = AuthorizationServer {
        id: new.id,
        name: new.name,
        signing_alg: new.signing_alg,
        rotation_interval_seconds: DEFAULT_ROTATION_INTERVAL_SECONDS,
        status_lists_since: new.status_lists.then_some(now),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let event = by
        .event("authorization_server.created", "authorization_server", server.id.as_str())
        .with_detail("signing_alg", server.signing_alg.as_str());
    let mounts = first_mounts(&server, new.default_audience);
    let stored = server.clone();
    let master_key = app.master_key.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            tx.insert_authorization_server(&stored).await?;
            for mount in &mounts {
                tx.insert_mount(mount).await?;
            }
            for key in &keys {
                tx.insert_signing_key(&held, key).await?;
            }
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, stored.id.as_str(), now);
            Ok(())
        })
    });
    written.await.map_err(|error: ChangeError| error.or_already_exists("authorization server", &server.id))?;
    Ok(server)
}

/// Sets how long a key of an authorization server signs until its successor takes
/// over: 86,400 to 315,360,000 seconds.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`].
pub async fn set_rotation_interval(app: &App, by: &Actor, id: &AuthorizationServerId, seconds: i64) -> Result<(), ChangeError> {
    let seconds = check_rotation_interval(seconds)?;
    let event = by
        .event("authorization_server.updated", "authorization_server", id.as_str())
        .with_detail("rotation_interval_seconds", seconds);
    let (id, now) = (id.clone(), app.clock.now());
    app.write(move |tx| {
        Box::pin(async move {
            if !tx.set_rotation_interval(&id, seconds, now).await? {
                return Err(ChangeError::NotFound { kind: "authorization server", id: id.to_string() });
            }
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, id.as_str(), now);
            Ok(())
        })
    })
    .await
}

fn first_mounts(server: &AuthorizationServer, default_audience: Option<Audience>) -> Vec<Mount> {
    let mount = |path: String, default_audience| Mount {
        base_url: None,
        path,
        authorization_server_id: server.id.clone(),
        default_audience,
        created_at: server.created_at,
    };
    let mut mounts = vec![mount(format!("/oauth2/{}", server.id), default_audience)];
    if server.id == AuthorizationServerId::default_server() {
        mounts.push(mount("/".to_owned(), None));
    }
    mounts
}
