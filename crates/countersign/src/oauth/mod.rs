//! The protocol: authenticate a client, decide, issue.

mod birth;
mod client_auth;
pub mod grants;
mod inquiry;
mod introspect;
mod issue;
mod issued_token;
mod revoke;
mod token;

pub use client_auth::{AuthenticatedClient, ClientAuthError, RefusalReason, authenticate};
pub use inquiry::{TokenInquiry, TokenInquiryError};
pub use introspect::introspect;
pub use issue::{AccessTokenSpec, IssueError};
pub use issued_token::{IssuedToken, read_issued};
pub use revoke::revoke;
pub use token::{TokenError, token};
