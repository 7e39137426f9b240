//! `countersign grant`.

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use countersign_protocol::{Audience, ClientId, Scope};
use serde_json::json;

use super::authorization_server::{parse_audience, parse_id};
use super::client::parse_client_id;
use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::clients::{NewClientGrant, grant};
use crate::ids::AuthorizationServerId;

/// The verbs of `grant`.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Let a client ask for tokens for a resource server
    Create(CreateArgs),
}

/// Arguments of `grant create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    /// The resource server, by its audience
    #[arg(value_parser = parse_audience)]
    audience: Audience,
    /// Scopes it may ask for, separated by spaces [default: all of the resource server's]
    #[arg(long, value_parser = parse_scope)]
    scope: Option<Scope>,
    /// Lifetime of its tokens, 60 to 86400 [default: the resource server's]
    #[arg(long)]
    token_lifetime_seconds: Option<i64>,
    /// The authorization server that the resource server belongs to
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: GrantCommand, printer: &Printer) -> anyhow::Result<()> {
    let GrantCommand::Create(arguments) = command;
    let app = arguments.instance.open().await?;
    let catalog = app.catalog();
    let resource_server = catalog
        .resource_servers()
        .find(|found| found.audience == arguments.audience && found.authorization_server_id == arguments.authorization_server)
        .with_context(|| format!("there is no resource server `{}` of `{}`", arguments.audience, arguments.authorization_server))?;
    let all = || Scope::from_tokens(resource_server.scopes.iter().map(|definition| definition.scope.as_str()));
    let new = NewClientGrant {
        client_id: arguments.client_id,
        resource_server_id: resource_server.id.clone(),
        scope: arguments.scope.map_or_else(all, Ok).map_err(|error| anyhow!(error))?,
        token_lifetime_seconds: arguments.token_lifetime_seconds,
    };
    let client_id = new.client_id.clone();
    let made = grant(&app, &Actor::command_line(), new).await?;
    printer.result(
        &json!({ "id": made.id.as_str(), "client_id": client_id.as_str(), "audience": arguments.audience.as_str(), "scope": made.scope.to_string() }),
        &format!("{client_id} may ask for `{}` of {}", made.scope, arguments.audience),
    );
    Ok(())
}

fn parse_scope(text: &str) -> anyhow::Result<Scope> {
    Ok(Scope::parse(text)?)
}
