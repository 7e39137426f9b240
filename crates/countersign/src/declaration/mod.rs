//! One file that describes an instance: what there should be. A plan is the
//! difference to what there is, as calls of the management API.

mod credential;
mod file;
mod key_policy;
mod objects;
mod pairing;
mod plan;
mod step;
#[cfg(test)]
mod tests;

pub use credential::{Credential, Jwks, Moment};
pub use file::{Declaration, DeclarationError};
pub use key_policy::{KeyPolicy, Limit, Role};
pub use objects::{Current, KeysState, Known, KnownClient, KnownKeys, ListedClient};
pub use plan::plan;
pub use step::{Action, Change, Plan, Step, Unable};
