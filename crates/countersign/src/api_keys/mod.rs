//! API keys: the second credential of a client, for one resource server.

mod cache;
mod create;
mod key;
mod locked;
mod permission;
mod permission_expression;
mod read;
mod rights;
pub mod roles;
mod rotate;
mod scanner_rules;
mod state;
mod text;
mod update;
mod uses;
mod verify;

pub(crate) use cache::{ApiKeyCache, EVERY_KEY};
pub use create::{CreatedApiKey, NewApiKey, create};
pub use key::{ApiKey, ApiKeyHash, ApiKeySecret, ApiKeyState};
pub use permission::{InvalidPermission, Permission};
pub use permission_expression::{ExpressionError, ExpressionProblem, PermissionExpression};
pub use read::{ApiKeyFilter, find, list, prefixes};
pub use rotate::{RotatedApiKey, rotate};
pub use scanner_rules::{ScannerFormat, scanner_rules};
pub use state::{disable, enable, revoke};
pub use text::DEFAULT_PREFIX;
pub use update::{ApiKeyPatch, delete, update};
pub use uses::{ApiKeyUses, Use};
pub use verify::{KeyAudience, Verdict, VerdictCode, VerifyRequest, verify};
