//! Revoking: the use-cases.

use std::sync::Arc;

use countersign_protocol::{Audience, ClientId, Timestamp};

use super::{Marked, RevokedToken, StoredMark, mark};
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::change::{ChangeError, InvalidField};
use crate::ids::{AuthorizationServerId, SigningKeyId, TokenKeyId};
use crate::management::{LockedClient, lock_client};
use crate::oauth::IssuedToken;
use crate::ssf::{self, SsfEvent};
use crate::store::{ChangeKind, StoreError};

/// Times that a mark is moved behind the tokens that were issued while it was being
/// committed. Each takes as long as a commit, and a second must end meanwhile.
const MAX_ROUNDS: usize = 10;
/// Longest subject, in characters.
const MAX_SUBJECT_LENGTH: usize = 512;

/// Revokes a client: it is disabled, and every token that was issued to it is dead.
/// Enabled again, it gets new tokens; the old ones stay dead.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`].
pub async fn revoke_client(app: &App, by: &Actor, id: &ClientId) -> Result<(), ChangeError> {
    let (marked, client_id, clock) = (Marked::Client(id.clone()), id.clone(), Arc::clone(&app.clock));
    let event = by.event("client.revoked", "client", id.as_str());
    let by = by.clone();
    let written = app.commit(move |tx| {
        Box::pin(async move {
            let LockedClient { client, authority } = lock_client(tx, &by, &client_id).await?;
            authority.check_not_own_end(&client_id)?;
            let now = clock.now();
            tx.disable_client(&client_id, now).await?;
            let not_before = mark(tx, &marked, now).await?;
            tx.record_event(event.in_organization(client.owner()), now);
            tx.record_change(ChangeKind::Client, client_id.as_str(), now);
            Ok(((), vec![(marked, not_before)]))
        })
    });
    outlast(app, written).await
}

/// Revokes every token about a subject. A client that is the subject gets new ones.
///
/// # Errors
/// [`ChangeError::Invalid`].
pub async fn revoke_subject(app: &App, by: &Actor, subject: &str) -> Result<(), ChangeError> {
    if subject.is_empty() || subject.chars().count() > MAX_SUBJECT_LENGTH {
        return Err(InvalidField::new("sub", subject.escape_debug(), "1 to 512 characters").into());
    }
    let event = by.event("subject.tokens_revoked", "subject", subject);
    revoke_marked(app, vec![Marked::Subject(subject.to_owned())], event).await
}

/// Revokes every token that an authorization server issued for an audience.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn revoke_audience(
    app: &App,
    by: &Actor,
    server: &AuthorizationServerId,
    audience: &Audience,
) -> Result<(), ChangeError> {
    let catalog = app.catalog();
    let resource_server = catalog.authorization_server(server).and_then(|server| server.find_audience(audience.as_str()));
    let resource_server =
        resource_server.ok_or_else(|| ChangeError::NotFound { kind: "resource server", id: audience.to_string() })?;
    let event = by.event("resource_server.tokens_revoked", "resource_server", resource_server.id.as_str());
    revoke_marked(app, vec![Marked::Audience(server.clone(), audience.clone())], event).await
}

/// Revokes every token that a signing key has signed, wherever it is now.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn revoke_key(app: &App, by: &Actor, id: &SigningKeyId) -> Result<(), ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.signing_key(&wanted).await }));
    if found.await.map_err(|error: StoreError| error)?.is_none() {
        return Err(ChangeError::NotFound { kind: "signing key", id: id.to_string() });
    }
    let event = by.event("signing_key.tokens_revoked", "signing_key", id.as_str());
    revoke_marked(app, vec![Marked::Key(id.clone())], event).await
}

/// Revokes every opaque token that a token key has sealed.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn revoke_token_key(app: &App, by: &Actor, id: &TokenKeyId) -> Result<(), ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.has_token_key(&wanted).await }));
    if !found.await.map_err(|error: StoreError| error)? {
        return Err(ChangeError::NotFound { kind: "token key", id: id.to_string() });
    }
    let event = by.event("token_key.tokens_revoked", "token_key", id.as_str());
    revoke_marked(app, vec![Marked::TokenKey(id.clone())], event).await
}

/// The marks in force.
///
/// # Errors
/// [`StoreError`].
pub async fn list_marks(app: &App) -> Result<Vec<StoredMark>, StoreError> {
    app.store.read(|session| Box::pin(async move { session.revocation_marks().await })).await
}

/// Revokes every token of an authorization server, or of all of them.
///
/// # Errors
/// [`ChangeError::NotFound`] when there is no such authorization server.
pub async fn revoke_all(app: &App, by: &Actor, server: Option<&AuthorizationServerId>) -> Result<(), ChangeError> {
    let catalog = app.catalog();
    let mut servers: Vec<_> = catalog.authorization_servers().map(|server| server.id.clone()).collect();
    servers.retain(|id| server.is_none_or(|only| only == id));
    // One order, so that two at once do not wait for each other.
    servers.sort();
    if servers.is_empty() {
        let id = server.map_or_else(String::new, ToString::to_string);
        return Err(ChangeError::NotFound { kind: "authorization server", id });
    }
    let names: Vec<&str> = servers.iter().map(AuthorizationServerId::as_str).collect();
    let event = by.event("authorization_server.tokens_revoked", "authorization_server", &names.join(" "));
    revoke_marked(app, servers.into_iter().map(Marked::All).collect(), event).await
}

/// Revokes any client's token, for an operator.
///
/// # Errors
/// [`ChangeError::State`] when no key of this instance made it, or when it has
/// expired.
pub async fn revoke_any_token(app: &App, by: &Actor, token: &str) -> Result<RevokedToken, ChangeError> {
    let catalog = app.catalog();
    let found = catalog.authorization_servers().find_map(|server| IssuedToken::read(server, token).ok());
    let own = found.ok_or_else(|| ChangeError::State("no key of this instance signed this token".to_owned()))?;
    let revoked = RevokedToken::of(&own);
    if revoked.expires_at <= app.clock.now() {
        return Err(ChangeError::State("the token has expired".to_owned()));
    }
    revoke_token(app, by, &own).await?;
    app.habits.forget(&own.credential_id);
    Ok(revoked)
}

/// Revokes a token that was `issued`. Doing it again changes nothing, and neither does an
/// expired one: it is dead already.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn revoke_token(app: &App, by: &Actor, issued: &IssuedToken) -> Result<(), StoreError> {
    let (token, now) = (RevokedToken::of(issued), app.clock.now());
    if token.expires_at <= now || app.revocations.tokens.contains(&token.server, &token.token_id, token.expires_at) {
        return Ok(());
    }
    let (client, issuer, revoked) = (issued.client_id.clone(), issued.claims.issuer.clone(), token.clone());
    let event = by.event("token.revoked", "token", &token.token_id).with_detail("client_id", client.as_str());
    let written = app.write(move |tx| {
        Box::pin(async move {
            if tx.insert_revoked_token(&token, &client, now).await? {
                ssf::note(tx, &SsfEvent::of_token(&token, &issuer, now)).await?;
                tx.record_event(event, now);
                tx.record_change(ChangeKind::RevokedToken, &token.to_string(), now);
            }
            Ok::<_, StoreError>(())
        })
    });
    written.await?;
    // Another node may have been first, and this one not have heard of it yet.
    app.revocations.tokens.add(&revoked);
    Ok(())
}

/// What a change has marked, and where each mark stands.
pub(crate) type StandingMarks = Vec<(Marked, Timestamp)>;

async fn revoke_marked(app: &App, marked: Vec<Marked>, event: AuditEvent) -> Result<(), ChangeError> {
    outlast(app, async { Ok((((), set_marks(app, marked, Some(event)).await?), Ok(()))) }).await
}

async fn set_marks(app: &App, marked: Vec<Marked>, event: Option<AuditEvent>) -> Result<StandingMarks, ChangeError> {
    let clock = Arc::clone(&app.clock);
    app.write(move |tx| {
        Box::pin(async move {
            let now = clock.now();
            let mut standing = Vec::with_capacity(marked.len());
            for marked in marked {
                let not_before = mark(tx, &marked, now).await?;
                standing.push((marked, not_before));
            }
            if let Some(event) = event {
                tx.record_event(event, now);
            }
            Ok(standing)
        })
    })
    .await
}

/// What a change that sets marks has made, and whether this node follows it.
pub(crate) type Marking<T> = ((T, StandingMarks), Result<(), StoreError>);

/// Commits a change that sets marks, and makes them cover every token that this node
/// issued until then: if a second ended during the commit, tokens of the new second
/// are not older than the mark, and it moves on. Returns what else came of the change.
///
/// # Errors
/// [`ChangeError::MarksOvertaken`] when commits take so long that it never catches up.
pub(crate) async fn outlast<T>(app: &App, change: impl Future<Output = Result<Marking<T>, ChangeError>>) -> Result<T, ChangeError> {
    let ((made, mut standing), applied) = change.await?;
    for _ in 0..MAX_ROUNDS {
        let newest_possible = app.clock.now().plus_seconds(-app.backdate_seconds);
        let overtaken: Vec<Marked> =
            standing.into_iter().filter(|(_, mark)| newest_possible >= *mark).map(|(marked, _)| marked).collect();
        if overtaken.is_empty() {
            applied?;
            return Ok(made);
        }
        standing = set_marks(app, overtaken, None).await?;
    }
    Err(ChangeError::MarksOvertaken)
}
