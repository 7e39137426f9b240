//! `countersign signing-key`.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use countersign_protocol::jose::Algorithm;
use serde_json::json;

use super::authorization_server::{parse_algorithm, parse_id};
use super::printer::table;
use super::{InstanceArgs, Printer};
use crate::app::App;
use crate::audit::Actor;
use crate::ids::{AuthorizationServerId, SigningKeyId};
use crate::log::rfc3339;
use crate::signing_keys::{Rotated, StoredSigningKey, Withdrawn, add_algorithm, remove_algorithm, replace_compromised, rotate};
use crate::store::StoreError;

/// The verbs of `signing-key`.
#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeyCommand {
    /// Publish the first key of an algorithm; it signs 300 seconds later
    Add(AlgorithmArgs),
    /// List the signing keys of every authorization server, the retired ones too
    List(InstanceArgs),
    /// Stop signing with an algorithm that nothing uses
    Remove(AlgorithmArgs),
    /// Make the published successor active and publish a new successor
    Rotate(RotateArgs),
}

/// Arguments of `signing-key add` and `signing-key remove`.
#[derive(Args, Debug)]
pub(crate) struct AlgorithmArgs {
    /// The authorization server
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    /// The algorithm
    #[arg(long, value_parser = parse_algorithm)]
    signing_alg: Algorithm,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// Arguments of `signing-key rotate`.
#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// The key to rotate; refused unless it is active, so that what is asked for twice
    /// happens once [default: the active one]
    #[arg(long, value_name = "ID", conflicts_with_all = ["authorization_server", "signing_alg"])]
    key: Option<String>,
    /// The authorization server
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    /// The algorithm [default: the authorization server's]
    #[arg(long, value_parser = parse_algorithm)]
    signing_alg: Option<Algorithm>,
    /// The key is compromised: withdraw it at once, whatever its state. Its tokens are
    /// refused, and for up to a minute some verifiers refuse tokens of its successor
    #[arg(long)]
    emergency: bool,
    /// Withdraw the published successor too
    #[arg(long, requires = "emergency")]
    successor_too: bool,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: SigningKeyCommand, printer: &Printer) -> anyhow::Result<()> {
    let by = Actor::command_line();
    match command {
        SigningKeyCommand::Add(arguments) => {
            let app = arguments.instance.open().await?;
            let added = add_algorithm(&app, &by, &arguments.authorization_server, arguments.signing_alg).await?;
            printer.result(
                &json!({ "published": added.published.as_str(), "signs_from": rfc3339(added.signs_from) }),
                &format!("published {}, which signs from {}", added.published, rfc3339(added.signs_from)),
            );
        }
        SigningKeyCommand::List(instance) => list(&instance, printer).await?,
        SigningKeyCommand::Remove(arguments) => {
            let app = arguments.instance.open().await?;
            let removed = remove_algorithm(&app, &by, &arguments.authorization_server, arguments.signing_alg).await?;
            let removed: Vec<&str> = removed.iter().map(SigningKeyId::as_str).collect();
            printer.result(&json!({ "removed": removed }), &format!("removed {}", removed.join(" ")));
        }
        SigningKeyCommand::Rotate(arguments) => {
            let app = arguments.instance.open().await?;
            let key = key_to_rotate(&app, &arguments)?;
            if arguments.emergency {
                print_withdrawn(printer, &replace_compromised(&app, &by, &key, arguments.successor_too).await?);
            } else {
                print_rotated(printer, &rotate(&app, &by, &key).await?);
            }
        }
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

fn print_rotated(printer: &Printer, rotated: &Rotated) {
    let Rotated { active, retiring, successor } = rotated;
    printer.result(
        &json!({ "active": active.as_str(), "retiring": retiring.as_str(), "published": successor.as_str() }),
        &format!("active     {active}\nretiring   {retiring}\npublished  {successor}"),
    );
}

fn print_withdrawn(printer: &Printer, outcome: &Withdrawn) {
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

async fn list(instance: &InstanceArgs, printer: &Printer) -> anyhow::Result<()> {
    let app = instance.open().await?;
    let keys: Vec<StoredSigningKey> = app
        .store
        .read(|session| Box::pin(async move { session.all_signing_keys().await }))
        .await
        .map_err(|error: StoreError| error)?;
    let items: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id.as_str(), "authorization_server": key.authorization_server_id.as_str(),
                "alg": key.algorithm.as_str(), "state": key.state.as_str(), "published_at": rfc3339(key.published_at),
                "activated_at": key.activated_at.map(rfc3339), "retiring_at": key.retiring_at.map(rfc3339),
                "retired_at": key.retired_at.map(rfc3339),
            })
        })
        .collect();
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            vec![
                key.id.to_string(),
                key.authorization_server_id.to_string(),
                key.algorithm.to_string(),
                key.state.as_str().to_owned(),
                rfc3339(key.published_at),
            ]
        })
        .collect();
    printer.result(&json!({ "items": items }), &table(&["id", "authorization_server", "alg", "state", "published_at"], &rows));
    Ok(())
}
