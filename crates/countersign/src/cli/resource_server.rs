//! `countersign resource-server`.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ScopeToken};
use serde_json::{Value, json};

use super::authorization_server::{parse_algorithm, parse_audience, parse_id};
use super::printer::table;
use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::ids::AuthorizationServerId;
use crate::resource_servers::{
    DEFAULT_TOKEN_LIFETIME_SECONDS, NewResourceServer, Profile, ScopeDefinition, create, create_introspection_client,
};

/// The verbs of `resource-server`.
#[derive(Debug, Subcommand)]
pub(crate) enum ResourceServerCommand {
    /// Create a resource server: an API that tokens are for
    Create(CreateArgs),
    /// List the resource servers
    List(InstanceArgs),
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
    scopes: Vec<ScopeDefinition>,
    /// Claims beyond RFC 9068: rfc9068 (none), okta, auth0
    #[arg(long, default_value = "rfc9068", value_parser = parse_profile)]
    profile: Profile,
    /// How its tokens are signed [default: as the authorization server says]
    #[arg(long, value_parser = parse_algorithm)]
    signing_alg: Option<Algorithm>,
    /// Lifetime of its tokens, 60 to 86400
    #[arg(long, default_value_t = DEFAULT_TOKEN_LIFETIME_SECONDS)]
    token_lifetime_seconds: i64,
    /// Create a client that may introspect its tokens; the secret is shown once
    #[arg(long)]
    with_introspection_client: bool,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: ResourceServerCommand, printer: &Printer) -> anyhow::Result<()> {
    match command {
        ResourceServerCommand::Create(arguments) => {
            let app = arguments.instance.open().await?;
            let new = NewResourceServer {
                authorization_server_id: arguments.authorization_server,
                name: arguments.name.unwrap_or_else(|| arguments.audience.to_string()),
                audience: arguments.audience,
                profile: arguments.profile,
                signing_alg: arguments.signing_alg,
                token_lifetime_seconds: arguments.token_lifetime_seconds,
                scopes: arguments.scopes,
            };
            let made = create(&app, &Actor::command_line(), new).await?;
            let mut text = format!("created {} for {}", made.id, made.audience);
            let mut introspection_client = Value::Null;
            if arguments.with_introspection_client {
                let created = create_introspection_client(&app, &Actor::command_line(), &made.id).await?;
                let (id, secret) = (created.client.id.as_str(), created.secret.text.expose());
                text = format!("{text}\nclient_id      {id}\nclient_secret  {secret}");
                introspection_client = json!({ "client_id": id, "client_secret": secret });
                printer.note("Keep the secret: it is not shown again.");
            }
            let value = json!({
                "id": made.id.as_str(), "audience": made.audience.as_str(), "token_lifetime_seconds": made.token_lifetime_seconds,
                "introspection_client": introspection_client,
            });
            printer.result(&value, &text);
            Ok(())
        }
        ResourceServerCommand::List(instance) => list(&instance, printer).await,
    }
}

async fn list(instance: &InstanceArgs, printer: &Printer) -> anyhow::Result<()> {
    let app = instance.open().await?;
    let catalog = app.catalog();
    let mut found: Vec<_> = catalog.resource_servers().collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let scopes = |scopes: &[ScopeDefinition]| scopes.iter().map(|definition| definition.scope.to_string()).collect::<Vec<_>>();
    let items: Vec<_> = found
        .iter()
        .map(|server| {
            json!({
                "id": server.id.as_str(), "audience": server.audience.as_str(), "name": server.name,
                "authorization_server": server.authorization_server_id.as_str(), "profile": server.profile.as_str(),
                "scopes": scopes(&server.scopes), "token_lifetime_seconds": server.token_lifetime_seconds,
            })
        })
        .collect();
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|server| {
            vec![
                server.id.to_string(),
                server.audience.to_string(),
                server.authorization_server_id.to_string(),
                scopes(&server.scopes).join(" "),
            ]
        })
        .collect();
    printer.result(&json!({ "items": items }), &table(&["id", "audience", "authorization_server", "scopes"], &rows));
    Ok(())
}

fn parse_scope(text: &str) -> anyhow::Result<ScopeDefinition> {
    let (scope, description) = text.split_once('=').unwrap_or((text, ""));
    Ok(ScopeDefinition { scope: ScopeToken::try_from(scope)?, description: description.to_owned() })
}

fn parse_profile(text: &str) -> anyhow::Result<Profile> {
    Profile::from_name(text).ok_or_else(|| anyhow!("accepted: {}", Profile::ALL.map(Profile::as_str).join(" ")))
}
