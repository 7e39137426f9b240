//! API keys: the second credential of a client, for one resource server.

mod permission;
mod permission_expression;
mod scanner_rules;

pub use permission::{InvalidPermission, Permission};
pub use permission_expression::{ExpressionError, ExpressionProblem, PermissionExpression};
pub use scanner_rules::{ScannerFormat, scanner_rules};
