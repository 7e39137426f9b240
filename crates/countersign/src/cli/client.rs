//! `countersign client`.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use countersign_protocol::{ClientAuthMethod, ClientId};
use serde_json::json;

use super::printer::table;
use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::clients::{Client, NewClient, create, disable, enable};
use crate::store::Page;

/// The verbs of `client`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Create a client; its secret is shown once
    Create(CreateArgs),
    /// Disable a client: it gets no token until it is enabled
    Disable(OneClient),
    /// Enable a disabled client
    Enable(OneClient),
    /// List the clients
    List(InstanceArgs),
}

/// Arguments of `client create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// For people
    name: String,
    /// The client_id: 6 to 100 characters of A-Z a-z 0-9 _ - [default: one is made]
    #[arg(long, value_parser = parse_client_id)]
    id: Option<ClientId>,
    /// How it will send its secret: client_secret_basic or client_secret_post
    #[arg(long, default_value = "client_secret_basic", value_parser = parse_method)]
    auth_method: ClientAuthMethod,
    /// Accept only that way
    #[arg(long)]
    enforce_auth_method: bool,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// A client of an instance.
#[derive(Args, Debug)]
pub(crate) struct OneClient {
    /// The client_id
    #[arg(value_parser = parse_client_id)]
    id: ClientId,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: ClientCommand, printer: &Printer) -> anyhow::Result<()> {
    match command {
        ClientCommand::Create(arguments) => create_client(arguments, printer).await,
        ClientCommand::Disable(one) => {
            disable(&*one.instance.open().await?, &Actor::command_line(), &one.id).await?;
            printer.result(&json!({ "client_id": one.id.as_str(), "disabled": true }), &format!("disabled {}", one.id));
            Ok(())
        }
        ClientCommand::Enable(one) => {
            enable(&*one.instance.open().await?, &Actor::command_line(), &one.id).await?;
            printer.result(&json!({ "client_id": one.id.as_str(), "disabled": false }), &format!("enabled {}", one.id));
            Ok(())
        }
        ClientCommand::List(instance) => list(&instance, printer).await,
    }
}

async fn create_client(arguments: CreateArgs, printer: &Printer) -> anyhow::Result<()> {
    let app = arguments.instance.open().await?;
    let new = NewClient {
        id: arguments.id,
        name: arguments.name,
        auth_method: arguments.auth_method,
        auth_method_enforced: arguments.enforce_auth_method,
        ..NewClient::named("")
    };
    let created = create(&app, &Actor::command_line(), new).await?;
    let (id, secret) = (created.client.id.as_str(), created.secret.text.expose());
    printer.result(
        &json!({ "client_id": id, "client_secret": secret, "credential_id": created.secret.credential.id.as_str() }),
        &format!("client_id      {id}\nclient_secret  {secret}"),
    );
    printer.note("Keep the secret: it is not shown again.");
    Ok(())
}

async fn list(instance: &InstanceArgs, printer: &Printer) -> anyhow::Result<()> {
    /// Clients read at a time.
    const PAGE: usize = 500;
    let app = instance.open().await?;
    let mut clients: Vec<Client> = Vec::new();
    let mut page = Page::first(PAGE);
    loop {
        let found = crate::clients::list(&app, None, page.clone()).await?;
        let complete = found.len() < PAGE;
        clients.extend(found.iter().map(|summary| summary.client().clone()));
        match clients.last() {
            Some(last) if !complete => (page.after_time, page.after_id) = (last.created_at, last.id.to_string()),
            Some(_) | None => break,
        }
    }
    let items: Vec<_> = clients
        .iter()
        .map(|client| json!({ "client_id": client.id.as_str(), "name": client.name, "disabled": client.disabled_at.is_some() }))
        .collect();
    let state = |client: &Client| if client.disabled_at.is_some() { "disabled" } else { "enabled" };
    let rows: Vec<Vec<String>> =
        clients.iter().map(|client| vec![client.id.to_string(), client.name.clone(), state(client).to_owned()]).collect();
    printer.result(&json!({ "items": items }), &table(&["client_id", "name", "state"], &rows));
    Ok(())
}

pub(super) fn parse_client_id(text: &str) -> anyhow::Result<ClientId> {
    Ok(ClientId::try_from(text)?)
}

fn parse_method(text: &str) -> anyhow::Result<ClientAuthMethod> {
    let known = ClientAuthMethod::ALL.map(ClientAuthMethod::as_str).join(" ");
    ClientAuthMethod::from_name(text).ok_or_else(|| anyhow!("accepted: {known}"))
}
