//! Streams of security events, and the events that wait.

use countersign_protocol::{ClientId, Timestamp};

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::ids::SsfStreamId;
use crate::instance::HeldMasterKey;
use crate::management::resource_server_id;
use crate::ssf::{Delivery, EVENTS_SUPPORTED, LeasedSsfStream, SsfEvent, SsfStream, StreamStatus};

statements! {
    INSERT = "INSERT INTO ssf_streams (id, client_id, delivery_method, endpoint_url, sealed_authorization, events_requested, status, reason, \
              created_at, leased_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)";
    SET_DELIVERY = "UPDATE ssf_streams SET delivery_method = $2, endpoint_url = $3, sealed_authorization = $4 WHERE id = $1";
    SET_EVENTS = "UPDATE ssf_streams SET events_requested = $2 WHERE id = $1";
    SET_STATUS = "UPDATE ssf_streams SET status = $2, reason = $3 WHERE id = $1";
    DELETE_EVENTS_OF = "DELETE FROM ssf_events WHERE stream_id = $1";
    DELETE = "DELETE FROM ssf_streams WHERE id = $1";
    OF_CLIENT = "SELECT id, client_id, delivery_method, endpoint_url, sealed_authorization, events_requested, status, reason, created_at \
                 FROM ssf_streams WHERE client_id = $1";
    // Who was disabled, or is not allowed to receive any more, is sent nothing.
    TO_PUSH = "SELECT id FROM ssf_streams WHERE status = 'enabled' AND endpoint_url IS NOT NULL AND leased_until <= $1 \
               AND EXISTS (SELECT 1 FROM ssf_events WHERE stream_id = ssf_streams.id AND created_at > $2) ORDER BY id";
    LEASE = "UPDATE ssf_streams SET leased_until = $3 WHERE id = $1 AND leased_until <= $2 AND status = 'enabled' AND endpoint_url IS NOT NULL \
             AND EXISTS (SELECT 1 FROM clients WHERE id = ssf_streams.client_id AND disabled_at IS NULL AND organization_id IS NULL) \
             AND (EXISTS (SELECT 1 FROM client_grants WHERE client_id = ssf_streams.client_id AND resource_server_id = $4 \
                          AND ' ' || scope || ' ' LIKE '% ssf:manage %') \
                  OR EXISTS (SELECT 1 FROM api_keys WHERE client_id = ssf_streams.client_id AND resource_server_id = $4 \
                             AND disabled_at IS NULL AND revoked_at IS NULL)) \
             RETURNING id, client_id, delivery_method, endpoint_url, sealed_authorization, events_requested, status, reason, created_at";
    RELEASE = "UPDATE ssf_streams SET leased_until = $3 WHERE id = $1 AND leased_until = $2";
    INSERT_EVENT = "INSERT INTO ssf_events (stream_id, jti, number, event_type, claims, created_at) \
                    SELECT id, $1, $2, $3, $4, $2 FROM ssf_streams WHERE status <> 'disabled' \
                    AND ' ' || events_requested || ' ' LIKE '% ' || $3 || ' %' ON CONFLICT DO NOTHING";
    INSERT_EVENT_FOR = "INSERT INTO ssf_events (stream_id, jti, number, event_type, claims, created_at) VALUES ($1, $2, $3, $4, $5, $3) \
                        ON CONFLICT DO NOTHING";
    EVENTS = "SELECT jti, event_type, claims, created_at FROM ssf_events WHERE stream_id = $1 AND created_at > $2 \
              AND EXISTS (SELECT 1 FROM ssf_streams WHERE id = $1 AND status = 'enabled') ORDER BY number, jti LIMIT $3";
    DELETE_EVENTS_OF_TYPE = "DELETE FROM ssf_events WHERE stream_id = $1 AND event_type = $2";
    DELETE_EVENT = "DELETE FROM ssf_events WHERE stream_id = $1 AND jti = $2";
    DELETE_OLD_EVENTS = "DELETE FROM ssf_events WHERE created_at <= $1";
}

impl Tx {
    /// Stores a new stream, while the master key that sealed its authorization is held.
    pub(crate) async fn insert_ssf_stream(&mut self, _held: &HeldMasterKey, stream: &SsfStream) -> Result<(), StoreError> {
        let (url, authorization) = parts(&stream.delivery);
        let values = [
            stream.id.as_str().into(),
            stream.client_id.as_str().into(),
            stream.delivery.method().into(),
            url.into(),
            authorization.into(),
            stream.events_requested.join(" ").into(),
            stream.status.as_str().into(),
            stream.reason.as_deref().into(),
            stream.created_at.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Sets how events are delivered, while the master key that sealed the authorization is held.
    pub(crate) async fn set_ssf_delivery(
        &mut self,
        _held: &HeldMasterKey,
        id: &SsfStreamId,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        let (url, authorization) = parts(delivery);
        let values = [id.as_str().into(), delivery.method().into(), url.into(), authorization.into()];
        self.query(&SET_DELIVERY, &values).await.map(drop)
    }

    /// Sets which events are delivered. Those that nobody asks for any more are gone.
    pub(crate) async fn set_ssf_events(&mut self, id: &SsfStreamId, requested: &[String]) -> Result<(), StoreError> {
        for unwanted in EVENTS_SUPPORTED.iter().filter(|event| !requested.iter().any(|wanted| wanted == *event)) {
            self.query(&DELETE_EVENTS_OF_TYPE, &[id.as_str().into(), (*unwanted).into()]).await?;
        }
        self.query(&SET_EVENTS, &[id.as_str().into(), requested.join(" ").into()]).await.map(drop)
    }

    pub(crate) async fn set_ssf_status(
        &mut self,
        id: &SsfStreamId,
        status: StreamStatus,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        self.query(&SET_STATUS, &[id.as_str().into(), status.as_str().into(), reason.into()]).await?;
        if status == StreamStatus::Disabled {
            self.query(&DELETE_EVENTS_OF, &[id.as_str().into()]).await?;
        }
        Ok(())
    }

    pub(crate) async fn delete_ssf_stream(&mut self, id: &SsfStreamId) -> Result<(), StoreError> {
        for statement in [&DELETE_EVENTS_OF, &DELETE] {
            self.query(statement, &[id.as_str().into()]).await?;
        }
        Ok(())
    }

    /// Leases a stream to this node until `until`; `None`: another node has had it since
    /// `held_until`, or it is not to be sent to.
    pub(crate) async fn lease_ssf_stream(
        &mut self,
        id: &SsfStreamId,
        held_until: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LeasedSsfStream>, StoreError> {
        let management = resource_server_id();
        let values = [id.as_str().into(), held_until.into(), until.into(), management.as_str().into()];
        let leased = self.query_optional(&LEASE, &values).await?;
        leased.map(|row| Ok(LeasedSsfStream { stream: read_stream(row)?, until })).transpose()
    }

    /// Lets others have it from `until` on, if it is this node's still.
    pub(crate) async fn release_ssf_stream(
        &mut self,
        id: &SsfStreamId,
        held_until: Timestamp,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(&RELEASE, &[id.as_str().into(), held_until.into(), until.into()]).await.map(drop)
    }

    /// Lets an event wait for every receiver whose stream is not disabled.
    pub(crate) async fn insert_ssf_event(&mut self, event: &SsfEvent) -> Result<(), StoreError> {
        let values =
            [event.id.as_str().into(), event.created_at.into(), event.event_type.as_str().into(), event.claims.to_string().into()];
        self.query(&INSERT_EVENT, &values).await.map(drop)
    }

    /// Lets an event wait for one receiver.
    pub(crate) async fn insert_ssf_event_for(&mut self, id: &SsfStreamId, event: &SsfEvent) -> Result<(), StoreError> {
        let values = [
            id.as_str().into(),
            event.id.as_str().into(),
            event.created_at.into(),
            event.event_type.as_str().into(),
            event.claims.to_string().into(),
        ];
        self.query(&INSERT_EVENT_FOR, &values).await.map(drop)
    }

    /// Lets an event wait for one receiver instead of those of its type.
    pub(crate) async fn replace_ssf_event_for(&mut self, id: &SsfStreamId, event: &SsfEvent) -> Result<(), StoreError> {
        self.query(&DELETE_EVENTS_OF_TYPE, &[id.as_str().into(), event.event_type.as_str().into()]).await?;
        self.insert_ssf_event_for(id, event).await
    }

    /// Deletes what a receiver has taken.
    pub(crate) async fn delete_ssf_events(&mut self, id: &SsfStreamId, taken: &[String]) -> Result<(), StoreError> {
        for jti in taken {
            self.query(&DELETE_EVENT, &[id.as_str().into(), jti.as_str().into()]).await?;
        }
        Ok(())
    }

    /// Deletes what nobody took until `time`.
    pub(crate) async fn delete_old_ssf_events(&mut self, time: Timestamp) -> Result<(), StoreError> {
        self.query(&DELETE_OLD_EVENTS, &[time.into()]).await.map(drop)
    }
}

impl Session {
    /// The stream of a client.
    pub(crate) async fn ssf_stream_of(&mut self, client: &ClientId) -> Result<Option<SsfStream>, StoreError> {
        self.query_optional(&OF_CLIENT, &[client.as_str().into()]).await?.map(read_stream).transpose()
    }

    /// The streams that no node has at `now` and whose events since `since` are to be sent.
    pub(crate) async fn ssf_streams_to_push(&mut self, now: Timestamp, since: Timestamp) -> Result<Vec<SsfStreamId>, StoreError> {
        let rows = self.query(&TO_PUSH, &[now.into(), since.into()]).await?;
        rows.into_iter().map(|mut row| Ok(SsfStreamId::from_stored(&row.text()?))).collect()
    }

    /// Up to `limit` events that wait, of those after `since`; none unless the stream is enabled.
    pub(crate) async fn ssf_events(&mut self, id: &SsfStreamId, since: Timestamp, limit: i64) -> Result<Vec<SsfEvent>, StoreError> {
        let rows = self.query(&EVENTS, &[id.as_str().into(), since.into(), limit.into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                let (jti, event_type, claims) = (row.text()?, row.text()?, row.text()?);
                let claims = serde_json::from_str(&claims).map_err(|_| corrupt("ssf_events", "claims", &jti))?;
                Ok(SsfEvent { id: jti, event_type, claims, created_at: row.time()? })
            })
            .collect()
    }
}

fn parts(delivery: &Delivery) -> (Option<&str>, Option<&str>) {
    match delivery {
        Delivery::Poll => (None, None),
        Delivery::Push { endpoint_url, sealed_authorization } => (Some(endpoint_url), sealed_authorization.as_deref()),
    }
}

fn read_stream(mut row: Row) -> Result<SsfStream, StoreError> {
    let id = row.text()?;
    let (client_id, _method) = (row.text()?, row.text()?);
    let (endpoint_url, sealed_authorization) = (row.optional_text()?, row.optional_text()?);
    let (events, status) = (row.text()?, row.text()?);
    Ok(SsfStream {
        client_id: ClientId::try_from(client_id.as_str()).map_err(|_| corrupt("ssf_streams", "client_id", &id))?,
        delivery: match endpoint_url {
            None => Delivery::Poll,
            Some(endpoint_url) => Delivery::Push { endpoint_url, sealed_authorization },
        },
        events_requested: events.split_whitespace().map(str::to_owned).collect(),
        status: StreamStatus::parse(&status).ok_or_else(|| corrupt("ssf_streams", "status", &id))?,
        reason: row.optional_text()?,
        created_at: row.time()?,
        id: SsfStreamId::from_stored(&id),
    })
}
