//! TLS: what clients and servers share, and the server's certificate, checked
//! before it is used and replaced while connections live on.

mod certificate;
mod client;
mod current;
mod expiry;
mod files;
mod server;

pub use certificate::{Certificate, CertificateError, CertificatePart};
pub use client::{public_roots, tls_config};
pub use current::CurrentCertificate;
pub(crate) use expiry::ExpiryNotice;
pub use files::{Reloaded, Reloader};
pub use server::{TlsTerms, server_config};
