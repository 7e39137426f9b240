//! TLS of the server: its certificate, checked before it is used and replaced
//! while connections live on.

mod certificate;
mod current;
mod expiry;
mod files;
mod server;

pub use certificate::{Certificate, CertificateError, CertificatePart};
pub use current::CurrentCertificate;
pub(crate) use expiry::ExpiryNotice;
pub use files::{Reloaded, Reloader};
pub use server::{TlsTerms, server_config};
