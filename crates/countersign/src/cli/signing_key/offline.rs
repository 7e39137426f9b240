//! `countersign signing-key` on the database, for when no server runs.

use anyhow::Context as _;
use serde_json::json;

use super::{AlgorithmArgs, COLUMNS, Items, Printer, RotateArgs};
use crate::app::App;
use crate::audit::Actor;
use crate::ids::{AuthorizationServerId, SigningKeyId};
use crate::log::rfc3339;
use crate::signing_keys::{Rotated, StoredSigningKey, Withdrawn, add_algorithm, remove_algorithm, replace_compromised, rotate};
use crate::store::StoreError;

pub(super) async fn add(app: &App, arguments: &AlgorithmArgs, printer: Printer) -> anyhow::Result<()> {
    let added = add_algorithm(app, &Actor::command_line(), &arguments.authorization_server, arguments.signing_alg).await?;
    printer.result(
        &json!({ "published": added.published.as_str(), "signs_from": rfc3339(added.signs_from) }),
        &format!("published {}, which signs from {}", added.published, rfc3339(added.signs_from)),
    );
    Ok(())
}

pub(super) async fn remove(app: &App, arguments: &AlgorithmArgs, printer: Printer) -> anyhow::Result<()> {
    let removed = remove_algorithm(app, &Actor::command_line(), &arguments.authorization_server, arguments.signing_alg).await?;
    let removed: Vec<&str> = removed.iter().map(SigningKeyId::as_str).collect();
    printer.result(&json!({ "removed": removed }), &format!("removed {}", removed.join(" ")));
    Ok(())
}

pub(super) async fn list(app: &App, server: Option<&AuthorizationServerId>, printer: Printer) -> anyhow::Result<()> {
    let keys: Vec<StoredSigningKey> = app
        .store
        .read(|session| Box::pin(async move { session.all_signing_keys().await }))
        .await
        .map_err(|error: StoreError| error)?;
    let items = keys
        .iter()
        .filter(|key| server.is_none_or(|server| *server == key.authorization_server_id))
        .map(|key| {
            json!({
                "id": key.id.as_str(), "authorization_server_id": key.authorization_server_id.as_str(),
                "alg": key.algorithm.as_str(), "state": key.state.as_str(), "published_at": rfc3339(key.published_at),
                "activated_at": key.activated_at.map(rfc3339), "retiring_at": key.retiring_at.map(rfc3339),
                "retired_at": key.retired_at.map(rfc3339),
            })
        })
        .collect();
    printer.items(&Items { items, next_cursor: None }, &COLUMNS);
    Ok(())
}

pub(super) async fn rotate_key(app: &App, arguments: &RotateArgs, printer: Printer) -> anyhow::Result<()> {
    let (key, by) = (key_to_rotate(app, arguments)?, Actor::command_line());
    if arguments.emergency {
        print_withdrawn(printer, &replace_compromised(app, &by, &key, arguments.successor_too).await?);
    } else {
        print_rotated(printer, &rotate(app, &by, &key).await?);
    }
    Ok(())
}

fn key_to_rotate(app: &App, arguments: &RotateArgs) -> anyhow::Result<SigningKeyId> {
    if let Some(key) = &arguments.key {
        return Ok(SigningKeyId::from_stored(key));
    }
    let (catalog, id) = (app.catalog(), &arguments.authorization_server);
    let server = catalog.authorization_server(id).with_context(|| format!("there is no authorization server `{id}`"))?;
    let algorithm = arguments.signing_alg.unwrap_or(server.signing_alg);
    let active = server.keys.active(algorithm).with_context(|| format!("`{id}` does not sign with {algorithm}"))?;
    Ok(active.key_id().clone())
}

fn print_rotated(printer: Printer, rotated: &Rotated) {
    let Rotated { active, retiring, successor } = rotated;
    printer.result(
        &json!({ "active": active.as_str(), "retiring": retiring.as_str(), "published": successor.as_str() }),
        &format!("active     {active}\nretiring   {retiring}\npublished  {successor}"),
    );
}

fn print_withdrawn(printer: Printer, outcome: &Withdrawn) {
    let withdrawn: Vec<&str> = outcome.withdrawn.iter().map(SigningKeyId::as_str).collect();
    let name = |key: &Option<SigningKeyId>| key.as_ref().map(|key| key.as_str().to_owned());
    let (active, published) = (name(&outcome.active), name(&outcome.successor));
    let none = || "none".to_owned();
    let text = format!(
        "withdrawn  {}\nactive     {}\npublished  {}",
        withdrawn.join(" "),
        active.clone().unwrap_or_else(none),
        published.clone().unwrap_or_else(none)
    );
    printer.result(&json!({ "withdrawn": withdrawn, "active": active, "published": published }), &text);
}
