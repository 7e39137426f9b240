//! Authorization servers and the mounts through which they are reached.

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, Timestamp};

use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_name};
use crate::ids::AuthorizationServerId;
use crate::instance::hold_master_key;
use crate::signing_keys::{self, DEFAULT_ROTATION_INTERVAL_SECONDS, check_rotation_interval};
use crate::store::ChangeKind;

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
    /// When it was created.
    pub created_at: Timestamp,
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
        created_at: now,
    };
    let event = by
        .event("authorization_server.created", "authorization_server", server.id.as_str())
        .with_detail("signing_alg", server.signing_alg.as_str());
    let mounts = first_mounts(&server.id, new.default_audience);
    let stored = server.clone();
    let master_key = app.master_key.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            tx.insert_authorization_server(&stored).await?;
            for mount in &mounts {
                tx.insert_mount(mount, now).await?;
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

fn first_mounts(id: &AuthorizationServerId, default_audience: Option<Audience>) -> Vec<Mount> {
    let mount =
        |path: String, default_audience| Mount { base_url: None, path, authorization_server_id: id.clone(), default_audience };
    let mut mounts = vec![mount(format!("/oauth2/{id}"), default_audience)];
    if *id == AuthorizationServerId::default_server() {
        mounts.push(mount("/".to_owned(), None));
    }
    mounts
}

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
    if app.catalog().authorization_server(id).is_none() {
        return Err(ChangeError::NotFound { kind: "authorization server", id: id.to_string() });
    }
    if !app.bases.iter().any(|base| base.as_str() == base_url) {
        let known: Vec<&str> = app.bases.iter().map(crate::config::BaseUrl::as_str).collect();
        return Err(
            InvalidField::new("base_url", base_url, format!("one of the configured base URLs: {}", known.join(", "))).into()
        );
    }
    let now = app.clock.now();
    let mount =
        Mount { base_url: Some(base_url.to_owned()), path: "/".to_owned(), authorization_server_id: id.clone(), default_audience };
    let event = by.event("mount.created", "mount", &format!("{base_url}/")).with_detail("authorization_server_id", id.as_str());
    let stored = mount.clone();
    let written = app.write(move |tx| {
        Box::pin(async move {
            tx.insert_mount(&stored, now).await?;
            tx.record_event(event, now);
            tx.record_change(ChangeKind::Catalog, stored.authorization_server_id.as_str(), now);
            Ok(())
        })
    });
    written.await.map_err(|error: ChangeError| error.or_already_exists("mount", format_args!("{base_url}/")))?;
    Ok(mount)
}
