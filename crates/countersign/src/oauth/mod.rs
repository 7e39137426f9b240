//! The protocol: authenticate a client, decide, issue.

mod account;
mod birth;
mod client_assertion;
mod client_auth;
mod decoy_keys;
mod explain;
pub mod grants;
mod inquiry;
mod introspect;
mod introspection_answer;
mod issue;
mod issued_token;
mod live_tokens;
mod own_credentials;
mod phantom_token;
mod read_tokens;
mod revoke;
mod token;

pub use client_auth::{AuthenticatedClient, ClientAuthError, RefusalReason, authenticate};
pub use decoy_keys::DecoyKeys;
pub use explain::{TokenQuestion, explain_token};
pub use inquiry::{TokenInquiry, TokenInquiryError};
pub use introspect::introspect;
pub use introspection_answer::{IntrospectionAnswer, IntrospectionFormat};
pub use issue::{AccessTokenSpec, IssueError};
pub use issued_token::{IssuedToken, read_issued};
pub use live_tokens::LiveTokens;
pub use own_credentials::rotate_own;
pub use phantom_token::PhantomTokens;
pub use read_tokens::ReadTokens;
pub use revoke::revoke;
pub use token::{TokenError, token};
