//! Streams: who receives events, and how.

use countersign_protocol::{ClientId, Secret, Timestamp};
use http::header::HeaderValue;

use super::SsfEvent;
use super::event::EVENTS_SUPPORTED;
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::change::{ChangeError, InvalidField};
use crate::ids::SsfStreamId;
use crate::instance::hold_master_key;
use crate::store::{StoreError, Tx};

/// Events that nobody took for so long are deleted, in seconds.
pub const RETENTION_SECONDS: i64 = 7 * 86_400;
/// Longest `state` of a verification, in bytes.
const MAX_STATE_BYTES: usize = 1_024;

/// A stream.
#[derive(Clone, Debug)]
pub struct SsfStream {
    /// `stream_id`.
    pub id: SsfStreamId,
    /// Who receives, and manages, it.
    pub client_id: ClientId,
    /// How.
    pub delivery: Delivery,
    /// `events_requested`, as far as they exist.
    pub events_requested: Vec<String>,
    /// Whether events are delivered.
    pub status: StreamStatus,
    /// Why not.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A stream that is one node's for a while.
#[derive(Clone, Debug)]
pub struct LeasedSsfStream {
    /// The stream as it is.
    pub stream: SsfStream,
    /// Until when.
    pub until: Timestamp,
}

/// How events are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// RFC 8936.
    Poll,
    /// RFC 8935.
    Push {
        /// Where.
        endpoint_url: String,
        /// The `Authorization` that the receiver wants, sealed for the stream.
        sealed_authorization: Option<String>,
    },
}

impl Delivery {
    /// `delivery.method`.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Poll => "urn:ietf:rfc:8936",
            Self::Push { .. } => "urn:ietf:rfc:8935",
        }
    }
}

/// SSF 1.0 section 8.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStatus {
    /// Events are kept and delivered.
    Enabled,
    /// They are kept.
    Paused,
    /// They are lost.
    Disabled,
}

impl StreamStatus {
    /// As in documents and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Enabled, Self::Paused, Self::Disabled].into_iter().find(|status| status.as_str() == text)
    }
}

/// How a receiver wants its events.
#[derive(Debug)]
pub struct NewDelivery {
    /// Where they are sent; `None`: the receiver polls.
    pub endpoint_url: Option<String>,
    /// The `Authorization` that it wants.
    pub authorization: Option<Secret<String>>,
}

/// What a new stream is to be.
#[derive(Debug)]
pub struct NewStream {
    /// See [`SsfStream::delivery`].
    pub delivery: NewDelivery,
    /// What it asks for; empty: everything.
    pub events_requested: Vec<String>,
}

/// What of a stream is to change; `None` keeps.
#[derive(Debug, Default)]
pub struct StreamUpdate {
    /// See [`NewStream::delivery`].
    pub delivery: Option<NewDelivery>,
    /// See [`NewStream::events_requested`].
    pub events_requested: Option<Vec<String>>,
}

/// Why a stream is not made or changed.
pub type SsfError = ChangeError;

/// Makes the stream of a client.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`].
pub async fn create(app: &App, by: &Actor, client_id: &ClientId, new: NewStream) -> Result<SsfStream, SsfError> {
    let now = app.clock.now();
    let id = SsfStreamId::generate(now, app.entropy.as_ref());
    let delivery = delivery_of(app, &id, new.delivery)?;
    let event = event(by, "ssf_stream.created", &id).with_detail("delivery_method", delivery.method());
    let stream = SsfStream {
        id,
        client_id: client_id.clone(),
        delivery,
        events_requested: supported(new.events_requested),
        status: StreamStatus::Enabled,
        reason: None,
        created_at: now,
    };
    let (stored, master_key) = (stream.clone(), app.master_key.clone());
    let written = app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            tx.insert_ssf_stream(&held, &stored).await?;
            tx.record_event(event, now);
            Ok(())
        })
    });
    written.await.map_err(|error: ChangeError| error.or_already_exists("stream of", client_id))?;
    Ok(stream)
}

fn event(by: &Actor, action: &'static str, id: &SsfStreamId) -> AuditEvent {
    by.event(action, "ssf_stream", id.as_str())
}

fn delivery_of(app: &App, id: &SsfStreamId, wanted: NewDelivery) -> Result<Delivery, ChangeError> {
    match wanted.endpoint_url {
        None => Ok(Delivery::Poll),
        Some(url) => push_to(app, id, url, wanted.authorization.as_ref()),
    }
}

fn push_to(app: &App, id: &SsfStreamId, url: String, authorization: Option<&Secret<String>>) -> Result<Delivery, ChangeError> {
    if authorization.is_some_and(|text| HeaderValue::from_str(text.expose()).is_err()) {
        return Err(InvalidField::new("delivery.authorization_header", "(not shown)", "the value of a header").into());
    }
    if let Err(error) = app.outbound.guarded().check_url(&url) {
        return Err(InvalidField::new("delivery.endpoint_url", url.escape_debug(), error.to_string()).into());
    }
    let seal = |text: &Secret<String>| app.master_key.seal(id.as_str(), &Secret::new(text.expose().clone().into_bytes()));
    Ok(Delivery::Push { endpoint_url: url, sealed_authorization: authorization.map(seal).transpose()? })
}

/// What is asked for, as far as it exists (SSF 1.0 section 8.1.1).
fn supported(requested: Vec<String>) -> Vec<String> {
    if requested.is_empty() {
        return EVENTS_SUPPORTED.map(str::to_owned).to_vec();
    }
    requested.into_iter().filter(|event| EVENTS_SUPPORTED.contains(&event.as_str())).collect()
}

/// The stream of a client.
///
/// # Errors
/// [`ChangeError::NotFound`], also for one of another client.
pub async fn find(app: &App, client_id: &ClientId, id: Option<&str>) -> Result<SsfStream, SsfError> {
    let of = client_id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.ssf_stream_of(&of).await }));
    let found: Option<SsfStream> = found.await.map_err(|error: StoreError| error)?;
    let found = found.filter(|stream| id.is_none_or(|id| id == stream.id.as_str()));
    found.ok_or_else(|| ChangeError::NotFound { kind: "stream", id: id.unwrap_or_default().to_owned() })
}

/// Changes a stream.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`].
pub async fn update(
    app: &App,
    by: &Actor,
    client_id: &ClientId,
    stream_id: &str,
    change: StreamUpdate,
) -> Result<SsfStream, SsfError> {
    let stream = find(app, client_id, Some(stream_id)).await?;
    let delivery = change.delivery.map(|wanted| delivery_of(app, &stream.id, wanted)).transpose()?;
    let requested = change.events_requested.map(supported);
    let (id, master_key, now) = (stream.id, app.master_key.clone(), app.clock.now());
    let event = event(by, "ssf_stream.updated", &id);
    let event = match &delivery {
        Some(delivery) => event.with_detail("delivery_method", delivery.method()),
        None => event,
    };
    app.write(move |tx| {
        Box::pin(async move {
            let held = hold_master_key::<ChangeError>(tx, &master_key).await?;
            if let Some(delivery) = &delivery {
                tx.set_ssf_delivery(&held, &id, delivery).await?;
            }
            if let Some(requested) = &requested {
                tx.set_ssf_events(&id, requested).await?;
            }
            tx.record_event(event, now);
            Ok::<_, ChangeError>(())
        })
    })
    .await?;
    find(app, client_id, Some(stream_id)).await
}

/// Deletes a stream, and what waits for its receiver.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn delete(app: &App, by: &Actor, client_id: &ClientId, id: &str) -> Result<(), SsfError> {
    let stream = find(app, client_id, Some(id)).await?;
    let (event, now) = (event(by, "ssf_stream.deleted", &stream.id), app.clock.now());
    app.write(move |tx| {
        Box::pin(async move {
            tx.record_event(event, now);
            tx.delete_ssf_stream(&stream.id).await.map_err(ChangeError::from)
        })
    })
    .await
}

/// Enables, pauses or disables a stream. Its receiver hears of it by an event, as long as events are kept.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn set_status(
    app: &App,
    by: &Actor,
    client_id: &ClientId,
    id: &str,
    status: StreamStatus,
    reason: Option<String>,
) -> Result<SsfStream, SsfError> {
    let stream = find(app, client_id, Some(id)).await?;
    let changed = SsfStream { status, reason, ..stream };
    let (audited, now) = (event(by, "ssf_stream.updated", &changed.id).with_detail("status", status.as_str()), app.clock.now());
    let event = SsfEvent::stream_updated(changed.id.as_str(), status.as_str(), changed.reason.as_deref(), app.clock.now());
    let stored = changed.clone();
    app.write(move |tx| {
        Box::pin(async move {
            tx.record_event(audited, now);
            tx.set_ssf_status(&stored.id, status, stored.reason.as_deref()).await?;
            if status == StreamStatus::Disabled {
                return Ok(());
            }
            Ok::<_, ChangeError>(tx.insert_ssf_event_for(&stored.id, &event).await?)
        })
    })
    .await?;
    Ok(changed)
}

/// Sends a verification event with the receiver's `state` (SSF 1.0 section 8.1.4). One that
/// waits is replaced: who asks often makes nothing grow.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`].
pub async fn verify(app: &App, client_id: &ClientId, id: &str, state: Option<&str>) -> Result<(), SsfError> {
    if let Some(state) = state.filter(|state| state.len() > MAX_STATE_BYTES) {
        return Err(InvalidField::new("state", state.len(), "at most 1,024 bytes").into());
    }
    let stream = find(app, client_id, Some(id)).await?;
    let event = SsfEvent::verification(stream.id.as_str(), state, app.clock.now());
    app.write(move |tx| Box::pin(async move { tx.replace_ssf_event_for(&stream.id, &event).await.map_err(ChangeError::from) }))
        .await
}

/// Lets an event wait for every receiver that is to hear of it.
pub(crate) async fn note(tx: &mut Tx, event: &SsfEvent) -> Result<(), StoreError> {
    tx.insert_ssf_event(event).await
}
