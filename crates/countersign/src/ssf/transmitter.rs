//! Who signs: the authorization server `default`, as its tokens are signed.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{SsfEvent, SsfStream};
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::ids::AuthorizationServerId;
use crate::oauth::{IssueError, sign_as};

/// The `typ` of a security event token (RFC 8417 section 2.3).
const SET_TYPE: &str = "secevent+jwt";

/// Why an event is not signed.
#[derive(Debug, thiserror::Error)]
pub enum TransmitterError {
    /// The signature was not made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// There is no authorization server `default`.
    #[error("there is no authorization server `default`")]
    Missing,
}

/// Signs events as one issuer.
pub(crate) struct Transmitter {
    mount: Arc<ResolvedMount>,
}

impl Transmitter {
    /// The mount of `default` below the first base URL.
    pub(crate) fn of(app: &App) -> Result<Self, TransmitterError> {
        let base = app.bases.first().ok_or(TransmitterError::Missing)?;
        let path = format!("/oauth2/{}", AuthorizationServerId::DEFAULT);
        Ok(Self { mount: app.catalog().mount(base, &path).ok_or(TransmitterError::Missing)? })
    }

    /// The `iss` of its events.
    pub(crate) fn issuer(&self) -> &str {
        self.mount.issuer.as_str()
    }

    /// Where its keys are.
    pub(crate) fn jwks_uri(&self) -> String {
        format!("{}/v1/keys", self.issuer())
    }

    /// A security event token for the receiver of a stream.
    pub(super) async fn sign(&self, stream: &SsfStream, event: &SsfEvent) -> Result<String, TransmitterError> {
        let server = &self.mount.server;
        Ok(sign_as(SET_TYPE, server, server.signing_alg, &self.claims(stream, event)).await?)
    }

    fn claims(&self, stream: &SsfStream, event: &SsfEvent) -> Value {
        let member = |name: &str| event.claims.get(name).cloned().unwrap_or_default();
        let mut subject = member("sub_id");
        // A subject is one of every issuer of the instance: it is named by the transmitter's.
        let is_subject = subject.get("format").and_then(Value::as_str) == Some("iss_sub");
        if let (true, Some(members)) = (is_subject, subject.as_object_mut()) {
            members.insert("iss".to_owned(), json!(self.issuer()));
        }
        let mut events = Map::new();
        events.insert(event.event_type.clone(), member("event"));
        json!({
            "iss": self.issuer(), "iat": event.created_at.as_seconds(), "jti": event.id, "aud": stream.client_id.as_str(),
            "sub_id": subject, "events": events,
        })
    }
}
