//! `keys.migrateKeys`: keys that come with the hash that another system made.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{end, permissions};
use crate::api_keys::{self, GivenHash, ImportEntry, Imported, ImportedHash, MAX_ENTRIES, NewApiKey};
use crate::http::manage::reachable_resource_server;
use crate::http::unkey::counted::{CreditsBody, RateLimit, rules};
use crate::http::unkey::operation::{Context, Reply};
use crate::http::unkey::owner::owner;
use crate::http::unkey::refusal::UnkeyRefusal;
use crate::http::unkey::view::UNNAMED;
use crate::management::Right;
use crate::resource_servers;

/// The migration whose hashes are of what follows the last `_` of a key.
const OF_LONG_PART: &str = "seamapi/prefixed-api-key";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http::unkey) struct Migration {
    /// [`OF_LONG_PART`]; every other says nothing here: the hash itself tells how it was made.
    migration_id: String,
    api_id: String,
    keys: Vec<MigratedKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MigratedKey {
    hash: String,
    name: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    meta: Map<String, Value>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, rename = "permissions")]
    slugs: Vec<String>,
    expires: Option<i64>,
    credits: Option<CreditsBody>,
    #[serde(default)]
    ratelimits: Vec<RateLimit>,
    enabled: Option<bool>,
}

/// What became of a migration.
#[derive(Default, Serialize)]
struct MigrationView {
    migrated: Vec<Migrated>,
    failed: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Migrated {
    hash: String,
    key_id: String,
}

pub(in crate::http::unkey) async fn migrate(context: Context, body: Migration) -> Result<Reply, UnkeyRefusal> {
    // The ways in which keys are found are the whole instance's.
    context.require_for_instance(Right::KeysWrite)?;
    if !(1..=MAX_ENTRIES).contains(&body.keys.len()) {
        return Err(UnkeyRefusal::member("keys", format!("1 to {MAX_ENTRIES} keys")));
    }
    let api = reachable_resource_server(&context.caller, &body.api_id)?;
    let api = resource_servers::find(&context.app, &api).await?;
    let part = (body.migration_id == OF_LONG_PART).then_some("long");
    let hashes: Vec<String> = body.keys.iter().map(|key| key.hash.clone()).collect();
    let mut entries = Vec::with_capacity(body.keys.len());
    for key in body.keys {
        let given = GivenHash { hash: &key.hash, scheme: None, part, import_key: None };
        let hash = ImportedHash::parse(&given);
        let name = key.name.as_deref().unwrap_or(UNNAMED);
        let new = NewApiKey {
            metadata: key.meta,
            permissions: permissions(&key.slugs)?,
            roles: key.roles,
            limits: rules(key.ratelimits)?,
            credits: key.credits.map(CreditsBody::checked).transpose()?.flatten(),
            expires_at: end(key.expires),
            ..NewApiKey::named(name, owner(&context, key.external_id.as_deref()).await?, api.id.clone())
        };
        let enabled = key.enabled.unwrap_or(true);
        entries.push(hash.map(|hash| ImportEntry { hash, hint: None, key: new, enabled }));
    }
    let outcomes = api_keys::import(&context.app, &context.actor(), entries, false).await?;
    let mut view = MigrationView::default();
    for (hash, outcome) in hashes.into_iter().zip(outcomes) {
        match outcome {
            Imported::New(Some(id)) => view.migrated.push(Migrated { hash, key_id: id.to_string() }),
            Imported::New(None) | Imported::Exists(_) | Imported::Failed(..) => view.failed.push(hash),
        }
    }
    Ok(Reply::of(&view))
}
