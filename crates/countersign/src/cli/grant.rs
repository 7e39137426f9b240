//! `countersign grant`.

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use countersign_protocol::{ClientId, Scope};
use serde_json::Value;

use super::Printer;
use super::api::{Api, ApiArgs, Path};
use super::authorization_server::parse_id;
use super::client::parse_client_id;
use super::resource_server;
use super::verbs::{self, DeleteArgs, ListArgs, Members, VersionArgs};
use crate::ids::AuthorizationServerId;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign grant create partner-billing https://api.example.com --scope list:users
  countersign grant list partner-billing
  countersign grant update partner-billing https://api.example.com --scope \"list:users read:users\"
  countersign grant delete partner-billing https://api.example.com --yes";

/// The verbs of `grant`.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Let a client ask for tokens for a resource server
    Create(CreateArgs),
    /// List the grants of a client
    List(ListOfClientArgs),
    /// Show a grant
    Show(ShowArgs),
    /// Change what a client may ask for
    Update(UpdateArgs),
    /// Take a grant back; tokens that are out live until they expire
    Delete(DeleteOneArgs),
}

/// Arguments of `grant create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    /// The resource server, by its audience or its id
    #[arg(value_name = "AUDIENCE|ID")]
    resource_server: String,
    /// The authorization server that an audience belongs to
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    /// Scopes it may ask for, separated by spaces [default: all of the resource server's]
    #[arg(long, value_parser = parse_scope)]
    scope: Option<Scope>,
    /// Lifetime of its tokens, 60 to 86400 [default: the resource server's]
    #[arg(long, value_name = "SECONDS")]
    token_lifetime_seconds: Option<i64>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `grant list`.
#[derive(Args, Debug)]
pub(crate) struct ListOfClientArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    #[command(flatten)]
    list: ListArgs,
}

/// Which grant.
#[derive(Args, Debug)]
pub(crate) struct WhichArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    /// The grant, by its id, or by the audience or the id of its resource server
    #[arg(value_name = "GRANT|AUDIENCE")]
    grant: String,
    /// The authorization server that an audience belongs to
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
}

/// Arguments of `grant show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `grant update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Scopes it may ask for, separated by spaces; replaces all of them
    #[arg(long, value_parser = parse_scope)]
    scope: Option<Scope>,
    /// Lifetime of its tokens, 60 to 86400
    #[arg(long, value_name = "SECONDS")]
    token_lifetime_seconds: Option<i64>,
    /// Its tokens live as long as the resource server says
    #[arg(long, conflicts_with = "token_lifetime_seconds")]
    clear_token_lifetime_seconds: bool,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `grant delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteOneArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    delete: DeleteArgs,
}

pub(super) async fn run(command: GrantCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        GrantCommand::Create(arguments) => create(arguments, printer).await,
        GrantCommand::List(arguments) => {
            let path = Path::of(&["clients", arguments.client_id.as_str(), "grants"])?;
            let columns = ["id", "audience", "scope", "token_lifetime_seconds", "created_at"];
            verbs::list(&arguments.list, &path, &columns, printer).await
        }
        GrantCommand::Show(arguments) => {
            let api = arguments.api.connect()?;
            verbs::show(&api, &arguments.which.path(&api).await?, printer).await
        }
        GrantCommand::Update(arguments) => {
            let members = Members::default()
                .given("scope", arguments.scope.map(|scope| scope.to_string()))
                .given("token_lifetime_seconds", arguments.token_lifetime_seconds)
                .cleared("token_lifetime_seconds", arguments.clear_token_lifetime_seconds);
            let api = arguments.api.connect()?;
            verbs::update(&api, &arguments.which.path(&api).await?, members, &arguments.version, printer).await
        }
        GrantCommand::Delete(arguments) => {
            let path = arguments.which.path(&arguments.delete.api.connect()?).await?;
            let what = format!("the grant of {} for {}", arguments.which.client_id, arguments.which.grant);
            verbs::delete(&arguments.delete, &path, &what, printer).await
        }
    }
}

async fn create(arguments: CreateArgs, printer: Printer) -> anyhow::Result<()> {
    let api = arguments.api.connect()?;
    let resource_server = resource_server::find(&api, &arguments.resource_server, &arguments.authorization_server).await?;
    let scope = arguments.scope.map_or_else(|| every_scope(&resource_server), |scope| scope.to_string());
    let body = Members::default()
        .with("resource_server_id", resource_server.get("id").cloned().unwrap_or_default())
        .with("scope", scope)
        .given("token_lifetime_seconds", arguments.token_lifetime_seconds);
    let path = Path::of(&["clients", arguments.client_id.as_str(), "grants"])?;
    printer.object(&api.post(&path, Some(&body.into_value())).await?);
    Ok(())
}

fn every_scope(resource_server: &Value) -> String {
    let scopes = resource_server.get("scopes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = scopes.iter().filter_map(|scope| scope.get("scope")?.as_str()).collect();
    names.join(" ")
}

impl WhichArgs {
    async fn path(&self, api: &Api) -> anyhow::Result<Path> {
        let client = self.client_id.as_str();
        if self.grant.starts_with("gr_") {
            return Path::of(&["clients", client, "grants", &self.grant]);
        }
        let resource_server = resource_server::find(api, &self.grant, &self.authorization_server).await?;
        let grants = api.list(&Path::of(&["clients", client, "grants"])?, None).await?.items;
        let id = resource_server.get("id").cloned().unwrap_or_default();
        let found = grants.iter().find(|grant| grant.get("resource_server_id") == Some(&id));
        let grant = found.and_then(|grant| grant.get("id")?.as_str());
        let grant = grant.with_context(|| format!("`{client}` has no grant for {}", self.grant))?;
        Path::of(&["clients", client, "grants", grant])
    }
}

fn parse_scope(text: &str) -> anyhow::Result<Scope> {
    Scope::parse(text).map_err(|error| anyhow!(error))
}
