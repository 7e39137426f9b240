//! `countersign credential`.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use countersign_protocol::ClientId;
use serde_json::json;

use super::client::parse_client_id;
use super::printer::table;
use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::clients::{Credential, create_secret, revoke_credential};
use crate::ids::CredentialId;

/// The verbs of `credential`.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Give a client another secret; it is shown once, and the others stay
    Create(CreateArgs),
    /// List the credentials of a client
    List(ListArgs),
    /// Revoke a credential for good
    Revoke(RevokeArgs),
}

/// Arguments of `credential create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    /// For people
    #[arg(long, default_value = "created by command line")]
    label: String,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// Arguments of `credential list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// Arguments of `credential revoke`.
#[derive(Args, Debug)]
pub(crate) struct RevokeArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    /// The credential, as `credential list` and the claim `cred` name it
    credential_id: String,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: CredentialCommand, printer: &Printer) -> anyhow::Result<()> {
    match command {
        CredentialCommand::Create(arguments) => {
            let app = arguments.instance.open().await?;
            let created = create_secret(&app, &Actor::command_line(), &arguments.client_id, arguments.label.as_str()).await?;
            let (id, secret) = (created.credential.id.as_str(), created.text.expose());
            printer.result(
                &json!({ "id": id, "client_id": arguments.client_id.as_str(), "client_secret": secret }),
                &format!("id             {id}\nclient_secret  {secret}"),
            );
            printer.note("Keep the secret: it is not shown again.");
        }
        CredentialCommand::List(arguments) => list(&arguments, printer).await?,
        CredentialCommand::Revoke(arguments) => {
            let app = arguments.instance.open().await?;
            let id = CredentialId::from_stored(&arguments.credential_id);
            revoke_credential(&app, &Actor::command_line(), &arguments.client_id, &id).await?;
            printer.result(&json!({ "id": id.as_str(), "revoked": true }), &format!("revoked {id}"));
        }
    }
    Ok(())
}

async fn list(arguments: &ListArgs, printer: &Printer) -> anyhow::Result<()> {
    let app = arguments.instance.open().await?;
    let client = app.find_client(&arguments.client_id).await?;
    let client = client.with_context(|| format!("there is no client `{}`", arguments.client_id))?;
    let now = app.clock.now();
    let state = |credential: &Credential| match credential.revoked_at {
        Some(_) => "revoked",
        None if credential.is_live(now) => "live",
        None => "not live",
    };
    let rows: Vec<[&str; 3]> = client
        .credentials
        .iter()
        .map(|credential| [credential.id.as_str(), credential.label.as_str(), state(credential)])
        .collect();
    let items: Vec<_> = rows.iter().map(|[id, label, state]| json!({ "id": id, "label": label, "state": state })).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
    printer.result(&json!({ "items": items }), &table(&["id", "label", "state"], &rows));
    Ok(())
}
