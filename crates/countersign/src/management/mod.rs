//! The management API as a resource server of the instance itself: its audience,
//! the rights that are its scopes, and the operators who hold them.

mod operators;
mod resource_server;
mod rights;

pub use operators::create_operator;
pub use resource_server::{ensure_resource_server, resource_server_id};
pub use rights::Right;
