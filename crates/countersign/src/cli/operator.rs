//! `countersign operator`: on the database, because without an operator nobody may
//! call the management API.

use clap::{Args, Subcommand};
use countersign_protocol::{ClientId, Scope};
use serde_json::json;

use super::api::Items;
use super::client::parse_client_id;
use super::new_profile::NewProfileArgs;
use super::{InstanceArgs, Printer};
use crate::app::App;
use crate::audit::Actor;
use crate::log::rfc3339;
use crate::management::{create_operator, resource_server_id};
use crate::store::StoreError;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign operator create --profile production
  countersign operator create \"Second operator\" --data .countersign
  countersign operator list --config /etc/countersign.toml

These work on the database of the configuration, not through a server.";

/// The verbs of `operator`.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Create a client with every right on the management API
    Create(CreateArgs),
    /// List the clients that have rights on the management API
    List(InstanceArgs),
}

/// Arguments of `operator create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// For people
    #[arg(default_value = "Operator")]
    name: String,
    /// The client_id [default: one is made]
    #[arg(long, value_parser = parse_client_id)]
    id: Option<ClientId>,
    #[command(flatten)]
    profile: NewProfileArgs,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: OperatorCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Create(arguments) => create(arguments, printer).await,
        OperatorCommand::List(instance) => list(&*instance.open().await?, printer).await,
    }
}

async fn create(arguments: CreateArgs, printer: Printer) -> anyhow::Result<()> {
    arguments.profile.check()?;
    let app = arguments.instance.open().await?;
    let created = create_operator(&app, &Actor::command_line(), arguments.id, &arguments.name).await?;
    let (id, secret) = (created.client.id.as_str(), created.secret.text.expose());
    if arguments.profile.keep(&app, id, secret)? {
        printer.result(&json!({ "client_id": id }), &format!("client_id  {id}"));
        return arguments.profile.say_kept(printer);
    }
    let value = json!({ "client_id": id, "client_secret": secret });
    printer.result(&value, &format!("client_id      {id}\nclient_secret  {secret}"));
    printer.note("Keep the secret: it is not shown again.");
    Ok(())
}

async fn list(app: &App, printer: Printer) -> anyhow::Result<()> {
    let id = resource_server_id();
    let granted: Vec<(String, Scope)> = app
        .store
        .read(move |session| Box::pin(async move { session.granted_scopes(&id).await }))
        .await
        .map_err(|error: StoreError| error)?;
    let mut items = Vec::new();
    for (id, scope) in granted {
        let client = app.find_client(&ClientId::try_from(id.as_str())?).await?;
        items.push(json!({
            "client_id": id,
            "name": client.as_ref().map(|client| client.name.as_str()),
            "disabled_at": client.as_ref().and_then(|client| client.disabled_at).map(rfc3339),
            "scope": scope.to_string(),
        }));
    }
    printer.items(&Items { items, next_cursor: None }, &["client_id", "name", "state", "scope"]);
    Ok(())
}
