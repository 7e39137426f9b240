//! The protocol: authenticate a client, decide, issue.

mod client_auth;
pub mod grants;
mod issue;
mod issued_token;
mod token;

pub use client_auth::{AuthenticatedClient, ClientAuthError, RefusalReason, authenticate};
pub use issue::{AccessTokenSpec, IssueError};
pub use issued_token::{IssuedToken, read_issued};
pub use token::{TokenError, token};
