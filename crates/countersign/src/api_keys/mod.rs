//! API keys: the second credential of a client, for one resource server.

mod cache;
mod counted;
mod create;
mod credits;
mod import;
mod import_keys;
mod imported;
mod imported_hash;
mod imports;
mod key;
mod locked;
mod permission;
mod permission_expression;
pub mod permissions;
mod presented;
mod read;
mod rights;
pub mod roles;
mod rotate;
mod scanner_rules;
mod slow_hashes;
mod state;
mod text;
mod update;
mod uses;
mod verify;

pub(crate) use cache::{ApiKeyCache, EVERY_KEY};
pub use counted::{LimitAsk, LimitStanding};
pub use create::{CreatedApiKey, NewApiKey, create};
pub(crate) use create::{check_limits, check_lists};
pub use credits::change_credits;
pub(crate) use import::ImportedKey;
pub use import::{ImportEntry, Imported, MAX_ENTRIES, import};
pub use import_keys::{ImportKey, create_import_key, delete_import_key, list_import_keys};
pub(crate) use imported::OwnHash;
pub use imported_hash::{
    DigestAlgorithm, Form, GivenHash, Hint, HintKind, ImportKeys, ImportScheme, ImportSecret, ImportedHash, KeyPart,
};
pub use imports::Imports;
pub use key::{ApiKey, ApiKeyHash, ApiKeySecret, ApiKeyState};
pub use permission::{InvalidPermission, Permission};
pub use permission_expression::{ExpressionError, ExpressionProblem, PermissionExpression};
pub use presented::{FindKeyError, FoundKey, find_presented};
pub use read::{ApiKeyFilter, find, list, prefixes};
pub use rotate::{RotatedApiKey, rotate};
pub use scanner_rules::{ScannerFormat, scanner_rules};
pub use slow_hashes::{SlowHashes, TooManyHashes};
pub use state::{disable, enable, revoke};
pub use text::DEFAULT_PREFIX;
pub use update::{ApiKeyPatch, delete, update};
pub use uses::{ApiKeyUses, Use};
pub use verify::{KeyAudience, Verdict, VerdictCode, VerifyError, VerifyRequest, verify};
