//! `/manage/v1/keys/import`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::ClientId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::{Body, LargeBody};
use super::caller::Caller;
use super::idempotency::Attempt;
use super::limits::{CreditsBody, LimitBody, limits};
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::parse;
use crate::api_keys::{self, GivenHash, Hint, HintKind, ImportEntry, Imported, ImportedHash, MAX_ENTRIES, NewApiKey, Permission};
use crate::app::App;
use crate::change::{ChangeError, InvalidField};
use crate::config::Network;
use crate::ids::{ImportKeyId, ResourceServerId};
use crate::management::Right;

/// What a key is called that has no name.
const DEFAULT_NAME: &str = "imported";

/// Keys that another system hashed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyImport {
    /// Check everything and import nothing
    #[serde(default)]
    dry_run: bool,
    /// At most 1,000
    #[schema(value_type = Vec<KeyImportEntry>)]
    entries: Vec<Value>,
}

/// A key that another system hashed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyImportEntry {
    /// The hash: a digest in hex or base64, a bcrypt text, or a PHC text of Argon2 or scrypt
    hash: String,
    /// `sha256`, `sha512`, `hmac-sha256`, `hmac-sha512`, `bcrypt`, `argon2` or `scrypt` [default: what the hash tells]
    #[serde(default)]
    scheme: Option<String>,
    /// What was hashed: `whole`, or `long` for what follows the last `_` [default: whole]
    #[serde(default)]
    part: Option<String>,
    /// The import key of an HMAC
    #[serde(default)]
    import_key_id: Option<String>,
    /// The text of the key that finds a salted hash
    #[serde(default)]
    lookup: Option<String>,
    /// Which text that is: `start`, or `segment` for the one before the last `_` [default: start]
    #[serde(default)]
    lookup_by: Option<String>,
    /// Whose key it is
    client_id: String,
    /// The resource server that it is for
    resource_server_id: String,
    /// For people [default: imported]
    #[serde(default)]
    name: Option<String>,
    /// What its owner calls it elsewhere
    #[serde(default)]
    external_id: Option<String>,
    /// What its owner wants to know of it
    #[serde(default)]
    metadata: Map<String, Value>,
    /// What it may do
    #[serde(default)]
    permissions: Vec<String>,
    /// Its roles
    #[serde(default)]
    roles: Vec<String>,
    /// Addresses and networks that it is accepted from
    #[serde(default)]
    allowed_networks: Vec<String>,
    /// How much it may be used in a time
    #[serde(default)]
    limits: Vec<LimitBody>,
    /// How often it may be used; null: without a bound
    #[serde(default)]
    credits: Option<CreditsBody>,
    /// What the text of a secret begins with that is made for it later
    #[serde(default)]
    prefix: Option<String>,
    /// RFC 3339; not accepted from then on
    #[serde(default)]
    expires_at: Option<String>,
    /// Whether it is accepted [default: true]
    #[serde(default)]
    enabled: Option<bool>,
}

/// What became of an import.
#[derive(Serialize, ToSchema)]
struct KeyImportResult {
    /// How many are imported; or would be
    imported: usize,
    /// How many came in before
    exists: usize,
    /// How many are not imported
    failed: usize,
    /// Each entry in its place
    results: Vec<KeyImportOutcome>,
}

/// What became of an entry.
#[derive(Serialize, ToSchema)]
struct KeyImportOutcome {
    /// `imported`, `exists` or `failed`
    outcome: &'static str,
    /// The key
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The member of the entry that is not accepted
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Why
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Import keys that another system hashed
#[utoipa::path(post, path = "/manage/v1/keys/import", tag = "keys", request_body = KeyImport,
    responses((status = 200, description = "What became of each entry", body = KeyImportResult)),
    security(("management" = ["keys:write"])))]
pub(super) async fn import_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    LargeBody(body): LargeBody<KeyImport>,
) -> Result<Response, Refusal> {
    // The ways in which keys are found are the whole instance's.
    caller.require_for_instance(Right::KeysWrite)?;
    let Body { value: KeyImport { dry_run, entries }, bytes } = body;
    if entries.is_empty() || entries.len() > MAX_ENTRIES {
        return Err(
            InvalidField::new("entries", format!("{} entries", entries.len()), format!("1 to {MAX_ENTRIES} entries")).into()
        );
    }
    let checked: Vec<_> = entries.into_iter().map(entry).collect();
    let work = async |by| {
        let outcomes = api_keys::import(&app, &by, checked, dry_run).await?;
        Ok::<_, ChangeError>(Reply::plain(StatusCode::OK, &KeyImportResult::of(&outcomes)))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// An entry that cannot be read fails by itself.
fn entry(value: Value) -> Result<ImportEntry, InvalidField> {
    let read: KeyImportEntry =
        serde_path_to_error::deserialize(value).map_err(|error| unreadable(&error.path().to_string(), error.inner()))?;
    read.checked()
}

fn unreadable(path: &str, error: &serde_json::Error) -> InvalidField {
    let member = path.split(['.', '[']).next().unwrap_or_default();
    let known = ["hash", "scheme", "part", "import_key_id", "lookup", "lookup_by", "client_id", "resource_server_id", "name"];
    let more = ["external_id", "metadata", "permissions", "roles", "allowed_networks", "limits", "credits", "prefix"];
    let state = ["expires_at", "enabled"];
    let field = known.into_iter().chain(more).chain(state).find(|name| *name == member).unwrap_or("entry");
    InvalidField::new(field, "not of its type", error.to_string())
}

impl KeyImportEntry {
    fn checked(self) -> Result<ImportEntry, InvalidField> {
        let import_key = self.import_key_id.as_deref().map(ImportKeyId::from_stored);
        let given = GivenHash {
            hash: &self.hash,
            scheme: self.scheme.as_deref(),
            part: self.part.as_deref(),
            import_key: import_key.as_ref(),
        };
        let hash = ImportedHash::parse(&given)?;
        let hint = match (&self.lookup, self.lookup_by.as_deref()) {
            (None, None) => None,
            (None, Some(_)) => return Err(InvalidField::new("lookup", "absent", "the text that `lookup_by` speaks of")),
            (Some(text), kind) => {
                let kind = kind.map_or(Some(HintKind::Start), HintKind::from_name);
                let kind = kind.ok_or_else(|| InvalidField::new("lookup_by", "another word", "`start` or `segment`"))?;
                Some(Hint::parse(kind, text)?)
            }
        };
        let client_id = ClientId::try_from(self.client_id.as_str())
            .map_err(|_| InvalidField::new("client_id", self.client_id.escape_debug(), "the id of a client"))?;
        let time =
            |text: &String| parse(text).ok_or_else(|| InvalidField::new("expires_at", text.escape_debug(), "an RFC 3339 time"));
        let expires_at = self.expires_at.as_ref().map(time).transpose()?;
        let permissions = self.permissions.iter().map(|text| permission(text)).collect::<Result<_, _>>()?;
        let allowed_networks = self.allowed_networks.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
        let key = NewApiKey {
            prefix: self.prefix,
            external_id: self.external_id,
            metadata: self.metadata,
            permissions,
            roles: self.roles,
            allowed_networks,
            limits: limits(self.limits)?,
            credits: self.credits.map(CreditsBody::checked).transpose()?,
            expires_at,
            ..NewApiKey::named(
                self.name.as_deref().unwrap_or(DEFAULT_NAME),
                client_id,
                ResourceServerId::from_stored(&self.resource_server_id),
            )
        };
        Ok(ImportEntry { hash, hint, key, enabled: self.enabled.unwrap_or(true) })
    }
}

fn permission(text: &str) -> Result<Permission, InvalidField> {
    Permission::parse(text).map_err(|error| InvalidField::new("permissions", text.escape_debug(), error.to_string()))
}

fn network(text: &str) -> Result<Network, InvalidField> {
    let accepted = "addresses, or networks such as `192.0.2.0/24`";
    Network::from_text(text).ok_or_else(|| InvalidField::new("allowed_networks", text.escape_debug(), accepted))
}

impl KeyImportResult {
    fn of(outcomes: &[Imported]) -> Self {
        let count = |is: fn(&Imported) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
        Self {
            imported: count(|outcome| matches!(outcome, Imported::New(_))),
            exists: count(|outcome| matches!(outcome, Imported::Exists(_))),
            failed: count(|outcome| matches!(outcome, Imported::Failed(..))),
            results: outcomes.iter().map(KeyImportOutcome::of).collect(),
        }
    }
}

impl KeyImportOutcome {
    fn of(outcome: &Imported) -> Self {
        let plain = |outcome, id: Option<String>| Self { outcome, id, field: None, detail: None };
        match outcome {
            Imported::New(id) => plain("imported", id.as_ref().map(ToString::to_string)),
            Imported::Exists(id) => plain("exists", Some(id.clone())),
            Imported::Failed(field, detail) => {
                Self { outcome: "failed", id: None, field: Some((*field).to_owned()), detail: Some(detail.clone()) }
            }
        }
    }
}
