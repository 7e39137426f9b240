//! Shared Signals (OpenID SSF 1.0) for partners: what is revoked, as security event tokens
//! (RFC 8417) that a receiver polls for (RFC 8936) or is sent (RFC 8935).

mod event;
mod poll;
mod push;
mod streams;
mod transmitter;

pub use event::{EVENTS_SUPPORTED, SsfEvent, VERIFICATION};
pub use poll::{PollError, Polled, poll};
pub use push::{delete_old_events, push_due};
pub(crate) use streams::note;
pub use streams::{
    Delivery, LeasedSsfStream, NewDelivery, NewStream, RETENTION_SECONDS, SsfError, SsfStream, StreamStatus, StreamUpdate, create,
    delete, find, set_status, update, verify,
};
pub(crate) use transmitter::{Transmitter, TransmitterError};
