//! Refusals that are not written yet.

use std::sync::{Mutex, PoisonError};

use countersign_protocol::{ErrorCode, Timestamp};
use http::{Method, StatusCode};

use super::admission::{Admission, NotAdmitted};
use super::detail::Detail;
use crate::config::RefusalsConfig;
use crate::metrics::RefusalMetrics;
use crate::source_address::SourceAddress;

/// Most refusals that wait to be written: more come together only while the database
/// is away.
const MAX_PENDING: usize = 5_000;

/// A refusal at the moment of its answer.
#[derive(Debug)]
pub struct NewRefusal {
    /// `X-Request-Id` of the answer.
    pub request_id: String,
    /// When.
    pub occurred_at: Timestamp,
    /// The method.
    pub method: Method,
    /// The route's pattern, never what was asked for.
    pub route: String,
    /// The status of the answer.
    pub status: StatusCode,
    /// Why, in the answer's words.
    pub code: ErrorCode,
    /// What the answer did not say.
    pub(crate) detail: Option<Detail>,
    /// The client that was named, if it exists.
    pub client_id: Option<String>,
    /// The credential that authenticated it; `None`: it was not authenticated.
    pub credential_id: Option<String>,
    /// Where the request came from.
    pub source: SourceAddress,
}

/// A refusal as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRefusal {
    /// `X-Request-Id` of the answer.
    pub request_id: String,
    /// When.
    pub occurred_at: Timestamp,
    /// The method; `other` for one that no route takes.
    pub method: String,
    /// The route's pattern.
    pub route: String,
    /// The status of the answer.
    pub status: i64,
    /// The stable code, `CS-nnnn`.
    pub code: String,
    /// What the answer did not say.
    pub detail: Option<String>,
    /// The client that was named, if it exists.
    pub client_id: Option<String>,
    /// The credential that authenticated it; `None`: it was not authenticated.
    pub credential_id: Option<String>,
    /// Where the request came from.
    pub source_address: Option<String>,
}

/// What waits to be written, and how much of what comes is noted.
pub struct Refusals {
    /// The bounds.
    pub config: RefusalsConfig,
    admission: Option<Admission>,
    pending: Mutex<Vec<NewRefusal>>,
    /// Held while what was taken is written: who asks meanwhile waits for it.
    pub(crate) writing: tokio::sync::Mutex<()>,
    pub(crate) metrics: RefusalMetrics,
}

impl Refusals {
    /// Nothing noted.
    pub fn new(config: RefusalsConfig, metrics: RefusalMetrics) -> Self {
        Self {
            admission: Admission::new(config.max_per_second),
            config,
            pending: Mutex::default(),
            writing: tokio::sync::Mutex::new(()),
            metrics,
        }
    }

    /// Notes a refusal, if there is room.
    pub fn record(&self, refusal: NewRefusal) {
        let Some(admission) = &self.admission else { return };
        let client = refusal.client_id.as_deref().filter(|_| refusal.credential_id.is_some());
        match admission.take(client, refusal.source, refusal.occurred_at) {
            Ok(()) => {}
            Err(not_admitted) => {
                let dropped = match not_admitted {
                    NotAdmitted::Each => &self.metrics.too_many_of_one,
                    NotAdmitted::All => &self.metrics.too_many,
                };
                dropped.inc();
                return;
            }
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() < MAX_PENDING {
            pending.push(refusal);
        } else {
            self.metrics.not_written.inc();
        }
    }

    /// Takes what waits, in words.
    pub(crate) fn take(&self) -> Vec<RecordedRefusal> {
        let taken = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        taken.into_iter().map(NewRefusal::into_recorded).collect()
    }
}

impl NewRefusal {
    fn into_recorded(self) -> RecordedRefusal {
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        RecordedRefusal {
            method: if known.contains(&self.method) { self.method.to_string() } else { "other".to_owned() },
            status: self.status.as_u16().into(),
            code: self.code.as_str().to_owned(),
            detail: self.detail.map(|detail| detail.render(self.occurred_at)),
            source_address: Some(self.source).filter(|source| *source != SourceAddress::NONE).map(|source| source.to_string()),
            request_id: self.request_id,
            occurred_at: self.occurred_at,
            route: self.route,
            client_id: self.client_id,
            credential_id: self.credential_id,
        }
    }
}
