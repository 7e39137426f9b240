//! The management API as a resource server of the instance itself: its audience,
//! the rights that are its scopes, and the operators who hold them.

mod authority;
mod operators;
mod resource_server;
mod rights;

pub(crate) use authority::{Authority, LockedClient, lock_client};
pub use operators::create_operator;
pub use resource_server::{ensure_resource_server, resource_server_id};
pub use rights::Right;
