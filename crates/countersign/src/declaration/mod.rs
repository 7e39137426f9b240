//! One file that describes an instance: what there should be. A plan is the
//! difference to what there is, as calls of the management API.

mod file;
mod objects;
mod plan;

pub use file::{Declaration, DeclarationError};
pub use objects::{Current, Known};
pub use plan::{Action, Change, Plan, Step, plan};
