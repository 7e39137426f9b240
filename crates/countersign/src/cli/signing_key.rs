//! `countersign signing-key`.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use countersign_protocol::jose::Algorithm;
use serde_json::json;

use super::authorization_server::{parse_algorithm, parse_id};
use super::printer::table;
use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::ids::AuthorizationServerId;
use crate::log::rfc3339;
use crate::signing_keys::{StoredSigningKey, rotate};
use crate::store::StoreError;

/// The verbs of `signing-key`.
#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeyCommand {
    /// List the signing keys of every authorization server
    List(InstanceArgs),
    /// Make the published successor active and publish a new successor
    Rotate(RotateArgs),
}

/// Arguments of `signing-key rotate`.
#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// The authorization server
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    /// The algorithm [default: the authorization server's]
    #[arg(long, value_parser = parse_algorithm)]
    signing_alg: Option<Algorithm>,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: SigningKeyCommand, printer: &Printer) -> anyhow::Result<()> {
    match command {
        SigningKeyCommand::List(instance) => list(&instance, printer).await,
        SigningKeyCommand::Rotate(arguments) => {
            let app = arguments.instance.open().await?;
            let catalog = app.catalog();
            let server = catalog
                .authorization_server(&arguments.authorization_server)
                .with_context(|| format!("there is no authorization server `{}`", arguments.authorization_server))?;
            let algorithm = arguments.signing_alg.unwrap_or(server.signing_alg);
            let rotated = rotate(&app, &Actor::command_line(), &arguments.authorization_server, algorithm).await?;
            printer.result(
                &json!({
                    "active": rotated.active.as_str(), "retiring": rotated.retiring.as_str(), "published": rotated.successor.as_str(),
                }),
                &format!("active     {}\nretiring   {}\npublished  {}", rotated.active, rotated.retiring, rotated.successor),
            );
            Ok(())
        }
    }
}

async fn list(instance: &InstanceArgs, printer: &Printer) -> anyhow::Result<()> {
    let app = instance.open().await?;
    let keys: Vec<StoredSigningKey> =
        app.store.read(|session| Box::pin(async move { session.signing_keys().await })).await.map_err(|error: StoreError| error)?;
    let items: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id.as_str(), "authorization_server": key.authorization_server_id.as_str(),
                "alg": key.algorithm.as_str(), "state": key.state.as_str(), "published_at": rfc3339(key.published_at),
                "activated_at": key.activated_at.map(rfc3339), "retiring_at": key.retiring_at.map(rfc3339),
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
