//! `countersign resource-server`.

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ScopeToken};
use serde_json::{Value, json};

use super::Printer;
use super::api::{Api, ApiArgs, Path};
use super::authorization_server::{parse_algorithm, parse_audience, parse_id};
use super::introspection::{self, AllowArgs, ForbidArgs};
use super::verbs::{self, DeleteArgs, ListArgs, Members, VersionArgs};
use crate::ids::AuthorizationServerId;
use crate::resource_servers::{Profile, TokenFormat};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign resource-server create https://api.example.com --scope \"list:users=List users\" --scope read:users
  countersign resource-server list
  countersign resource-server update https://api.example.com --token-lifetime-seconds 300
  countersign resource-server allow-introspection https://api.example.com";

/// The verbs of `resource-server`.
#[derive(Debug, Subcommand)]
pub(crate) enum ResourceServerCommand {
    /// Create a resource server: an API that tokens are for
    Create(CreateArgs),
    /// List the resource servers
    List(ListArgs),
    /// Show a resource server
    Show(ShowArgs),
    /// Change a resource server
    Update(UpdateArgs),
    /// Delete a resource server
    Delete(DeleteOneArgs),
    /// Let a client introspect the tokens for a resource server
    AllowIntrospection(AllowArgs),
    /// Take that leave back
    ForbidIntrospection(ForbidArgs),
}

/// Arguments of `resource-server create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The `aud` of its tokens, for example https://api.example.com
    #[arg(value_parser = parse_audience)]
    audience: Audience,
    /// For people [default: the audience]
    #[arg(long)]
    name: Option<String>,
    /// The authorization server that issues its tokens
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    /// A scope it knows, with an optional description; may be repeated
    #[arg(long = "scope", value_name = "SCOPE[=DESCRIPTION]", value_parser = parse_scope)]
    scopes: Vec<Value>,
    /// Claims beyond RFC 9068: rfc9068 (none), okta, auth0
    #[arg(long, value_name = "PROFILE", default_value = "rfc9068", value_parser = parse_profile)]
    token_profile: Profile,
    /// How its tokens are signed [default: as the authorization server says]
    #[arg(long, value_parser = parse_algorithm)]
    signing_alg: Option<Algorithm>,
    /// What its tokens look like: jwt, or opaque, which only introspection reads
    #[arg(long, value_name = "FORMAT", default_value = "jwt", value_parser = parse_token_format)]
    token_format: TokenFormat,
    /// A client that asks for a token that it holds gets that one again
    #[arg(long)]
    reuse_live_tokens: bool,
    /// Lifetime of its tokens, 60 to 86400 [default: 600]
    #[arg(long, value_name = "SECONDS")]
    token_lifetime_seconds: Option<i64>,
    /// Create a client that may introspect its tokens; the secret is shown once
    #[arg(long)]
    with_introspection_client: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// Which resource server.
#[derive(Args, Debug)]
pub(crate) struct WhichArgs {
    /// The resource server, by its audience or its id
    #[arg(value_name = "AUDIENCE|ID")]
    pub(super) resource_server: String,
    /// The authorization server that an audience belongs to
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
}

/// Arguments of `resource-server show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `resource-server update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// For people
    #[arg(long)]
    name: Option<String>,
    /// A scope it knows, with an optional description; may be repeated; replaces all of them
    #[arg(long = "scope", value_name = "SCOPE[=DESCRIPTION]", value_parser = parse_scope)]
    scopes: Vec<Value>,
    /// It knows no scope any more
    #[arg(long, conflicts_with = "scopes")]
    clear_scopes: bool,
    /// Claims beyond RFC 9068: rfc9068 (none), okta, auth0
    #[arg(long, value_name = "PROFILE", value_parser = parse_profile)]
    token_profile: Option<Profile>,
    /// How its tokens are signed
    #[arg(long, value_parser = parse_algorithm)]
    signing_alg: Option<Algorithm>,
    /// Its tokens are signed as the authorization server says
    #[arg(long, conflicts_with = "signing_alg")]
    clear_signing_alg: bool,
    /// What its tokens look like: jwt, or opaque, which only introspection reads
    #[arg(long, value_name = "FORMAT", value_parser = parse_token_format)]
    token_format: Option<TokenFormat>,
    /// Whether a client that asks for a token that it holds gets that one again
    #[arg(long, value_name = "true|false")]
    reuse_live_tokens: Option<bool>,
    /// Lifetime of its tokens, 60 to 86400
    #[arg(long, value_name = "SECONDS")]
    token_lifetime_seconds: Option<i64>,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `resource-server delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteOneArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    delete: DeleteArgs,
}

pub(super) async fn run(command: ResourceServerCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        ResourceServerCommand::Create(arguments) => create(arguments, printer).await,
        ResourceServerCommand::List(arguments) => {
            let columns = ["id", "audience", "name", "authorization_server_id", "scopes"];
            verbs::list(&arguments, &Path::of(&["resource-servers"])?, &columns, printer).await
        }
        ResourceServerCommand::Show(arguments) => {
            let api = arguments.api.connect()?;
            let id = arguments.which.id(&api).await?;
            verbs::show(&api, &Path::of(&["resource-servers", &id])?, printer).await
        }
        ResourceServerCommand::Update(arguments) => update(arguments, printer).await,
        ResourceServerCommand::AllowIntrospection(arguments) => introspection::allow(arguments, printer).await,
        ResourceServerCommand::ForbidIntrospection(arguments) => introspection::forbid(arguments, printer).await,
        ResourceServerCommand::Delete(arguments) => {
            let id = arguments.which.id(&arguments.delete.api.connect()?).await?;
            let what = format!("resource server {}", arguments.which.resource_server);
            verbs::delete(&arguments.delete, &Path::of(&["resource-servers", &id])?, &what, printer).await
        }
    }
}

async fn create(arguments: CreateArgs, printer: Printer) -> anyhow::Result<()> {
    let body = Members::default()
        .with("name", arguments.name.unwrap_or_else(|| arguments.audience.to_string()))
        .with("audience", arguments.audience.as_str())
        .with("authorization_server_id", arguments.authorization_server.as_str())
        .with("scopes", arguments.scopes)
        .with("profile", arguments.token_profile.as_str())
        .with("token_format", arguments.token_format.as_str())
        .with("reuse_live_tokens", arguments.reuse_live_tokens)
        .given("signing_alg", arguments.signing_alg.map(Algorithm::as_str))
        .given("token_lifetime_seconds", arguments.token_lifetime_seconds);
    let api = arguments.api.connect()?;
    let made = api.post(&Path::of(&["resource-servers"])?, Some(&body.into_value())).await?;
    if arguments.with_introspection_client {
        return introspection::create_beside(&api, made, printer).await;
    }
    printer.object(&made);
    Ok(())
}

async fn update(arguments: UpdateArgs, printer: Printer) -> anyhow::Result<()> {
    let replaces_scopes = !arguments.scopes.is_empty() || arguments.clear_scopes;
    let members = Members::default()
        .given("name", arguments.name)
        .given("scopes", replaces_scopes.then_some(arguments.scopes))
        .given("profile", arguments.token_profile.map(Profile::as_str))
        .given("signing_alg", arguments.signing_alg.map(Algorithm::as_str))
        .cleared("signing_alg", arguments.clear_signing_alg)
        .given("token_format", arguments.token_format.map(TokenFormat::as_str))
        .given("reuse_live_tokens", arguments.reuse_live_tokens)
        .given("token_lifetime_seconds", arguments.token_lifetime_seconds);
    let api = arguments.api.connect()?;
    let id = arguments.which.id(&api).await?;
    verbs::update(&api, &Path::of(&["resource-servers", &id])?, members, &arguments.version, printer).await
}

impl WhichArgs {
    pub(super) async fn id(&self, api: &Api) -> anyhow::Result<String> {
        let found = find(api, &self.resource_server, &self.authorization_server).await?;
        Ok(found.get("id").and_then(Value::as_str).unwrap_or_default().to_owned())
    }
}

/// The resource server with this audience or id.
pub(super) async fn find(api: &Api, named: &str, server: &AuthorizationServerId) -> anyhow::Result<Value> {
    if named.starts_with("rs_") {
        return Ok(api.get(&Path::of(&["resource-servers", named])?).await?.body);
    }
    let is_it = |item: &Value| {
        item.get("audience") == Some(&json!(named)) && item.get("authorization_server_id") == Some(&json!(server.as_str()))
    };
    match api.list(&Path::of(&["resource-servers"])?, None).await?.items.into_iter().find(is_it) {
        Some(found) => Ok(found),
        None => bail!("there is no resource server `{named}` of `{server}`"),
    }
}

fn parse_scope(text: &str) -> anyhow::Result<Value> {
    let (scope, description) = text.split_once('=').unwrap_or((text, ""));
    Ok(json!({ "scope": ScopeToken::try_from(scope)?.as_str(), "description": description }))
}

fn parse_token_format(text: &str) -> anyhow::Result<TokenFormat> {
    TokenFormat::from_name(text).ok_or_else(|| anyhow!("accepted: {}", TokenFormat::ALL.map(TokenFormat::as_str).join(" ")))
}

fn parse_profile(text: &str) -> anyhow::Result<Profile> {
    Profile::from_name(text).ok_or_else(|| anyhow!("accepted: {}", Profile::ALL.map(Profile::as_str).join(" ")))
}
