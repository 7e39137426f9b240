//! Security events: what happened, to what.

use aws_lc_rs::digest::{SHA256, digest};
use countersign_protocol::Timestamp;
use countersign_protocol::jose::base64url;
use countersign_protocol::status::mark_kind;
use serde_json::{Value, json};

use crate::revocation::{Marked, RevokedToken};

/// CAEP 1.0 section 3.1.
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
/// CAEP 1.0 section 3.3.
const CREDENTIAL_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
/// SSF 1.0 section 8.1.4.1.
pub const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
/// SSF 1.0 section 8.1.5.
pub(super) const STREAM_UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";
/// What a receiver may ask for.
pub const EVENTS_SUPPORTED: [&str; 2] = [SESSION_REVOKED, CREDENTIAL_CHANGE];

/// Bytes of the digest that names an event.
const ID_BYTES: usize = 18;

/// An event as it waits for its receivers.
#[derive(Clone, Debug, PartialEq)]
pub struct SsfEvent {
    /// `jti`: the same for each receiver, and for the same event twice.
    pub id: String,
    /// The member of `events`.
    pub event_type: String,
    /// What it is about and what happened, without the issuer.
    pub claims: Value,
    /// When.
    pub created_at: Timestamp,
}

impl SsfEvent {
    /// A mark was set.
    pub(crate) fn of_mark(marked: &Marked, now: Timestamp) -> Self {
        let (kind, value) = (marked.kind(), marked.value());
        let subject = match kind {
            mark_kind::CLIENT => json!({ "format": "complex", "application": opaque(value) }),
            // Who issued it is known where it is signed.
            mark_kind::SUBJECT => json!({ "format": "iss_sub", "sub": value }),
            mark_kind::ALL => json!({ "format": "complex", "tenant": opaque(marked.authorization_server()) }),
            mark_kind::AUDIENCE => {
                json!({ "format": "complex", "tenant": opaque(marked.authorization_server()), "application": opaque(value) })
            }
            _ => opaque(value),
        };
        let is_credential = kind == mark_kind::CREDENTIAL;
        let (event_type, more) = match is_credential {
            true => (CREDENTIAL_CHANGE, json!({ "credential_type": "app", "change_type": "revoke" })),
            false => (SESSION_REVOKED, json!({})),
        };
        Self::new(event_type, &subject, more, now)
    }

    /// A token of `issuer` was revoked.
    pub(crate) fn of_token(token: &RevokedToken, issuer: &str, now: Timestamp) -> Self {
        let subject = json!({ "format": "jwt_id", "iss": issuer, "jti": token.token_id });
        Self::new(SESSION_REVOKED, &subject, json!({}), now)
    }

    /// The receiver asked for it.
    pub(super) fn verification(stream_id: &str, state: Option<&str>, now: Timestamp) -> Self {
        let mut event = json!({});
        if let (Some(state), Some(members)) = (state, event.as_object_mut()) {
            members.insert("state".to_owned(), json!(state));
        }
        Self::of_stream(VERIFICATION, stream_id, &event, now)
    }

    /// The status of the stream is another.
    pub(super) fn stream_updated(stream_id: &str, status: &str, reason: Option<&str>, now: Timestamp) -> Self {
        Self::of_stream(STREAM_UPDATED, stream_id, &json!({ "status": status, "reason": reason }), now)
    }

    fn of_stream(event_type: &str, stream_id: &str, event: &Value, now: Timestamp) -> Self {
        let claims = json!({ "sub_id": opaque(stream_id), "event": event });
        Self::named(event_type, claims, now)
    }

    fn new(event_type: &str, subject: &Value, mut event: Value, now: Timestamp) -> Self {
        if let Some(members) = event.as_object_mut() {
            members.insert("event_timestamp".to_owned(), json!(now.as_seconds()));
            members.insert("initiating_entity".to_owned(), json!("admin"));
        }
        Self::named(event_type, json!({ "sub_id": subject, "event": event }), now)
    }

    fn named(event_type: &str, claims: Value, now: Timestamp) -> Self {
        let bytes = digest(&SHA256, format!("{event_type} {claims} {}", now.as_millis()).as_bytes());
        let id = base64url::encode(bytes.as_ref().get(..ID_BYTES).unwrap_or_default());
        Self { id, event_type: event_type.to_owned(), claims, created_at: now }
    }
}

fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}
