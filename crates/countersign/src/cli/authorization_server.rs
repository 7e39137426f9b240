//! `countersign authorization-server`.

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use countersign_protocol::Audience;
use countersign_protocol::jose::Algorithm;
use serde_json::json;

use super::printer::table;
use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::authorization_servers::{NewAuthorizationServer, create, mount_at_host, set_rotation_interval};
use crate::ids::AuthorizationServerId;

/// The verbs of `authorization-server`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthorizationServerCommand {
    /// Create an authorization server with its signing keys and its mount `/oauth2/ID`
    Create(CreateArgs),
    /// List the authorization servers
    List(InstanceArgs),
    /// Reach an authorization server at the root of one base URL
    Mount(MountArgs),
    /// Change how long its signing keys sign
    Update(UpdateArgs),
}

/// Arguments of `authorization-server create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Part of the issuer URL: a-z 0-9 _ -, 2 to 63 characters
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    /// For people [default: the id]
    #[arg(long)]
    name: Option<String>,
    /// How its tokens are signed
    #[arg(long, default_value = "RS256", value_parser = parse_algorithm)]
    signing_alg: Algorithm,
    /// The audience of token requests that name none
    #[arg(long, value_parser = parse_audience)]
    default_audience: Option<Audience>,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// Arguments of `authorization-server mount`.
#[derive(Args, Debug)]
pub(crate) struct MountArgs {
    /// The authorization server
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    /// One of the configured base URLs
    #[arg(long)]
    base_url: String,
    /// The audience of token requests that name none
    #[arg(long, value_parser = parse_audience)]
    default_audience: Option<Audience>,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// Arguments of `authorization-server update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// The authorization server
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    /// Days for which a key signs until its successor takes over: 1 to 3650; a new
    /// authorization server has 90
    #[arg(long, value_name = "DAYS")]
    rotation_interval_days: i64,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: AuthorizationServerCommand, printer: &Printer) -> anyhow::Result<()> {
    match command {
        AuthorizationServerCommand::Create(arguments) => {
            let app = arguments.instance.open().await?;
            let name = arguments.name.unwrap_or_else(|| arguments.id.to_string());
            let new = NewAuthorizationServer {
                id: arguments.id,
                name,
                signing_alg: arguments.signing_alg,
                default_audience: arguments.default_audience,
            };
            let server = create(&app, &Actor::command_line(), new).await?;
            let issuer = app.bases.first().context("no base URL is configured")?.issuer(&format!("/oauth2/{}", server.id));
            let issuer = issuer.context("the base URL makes no issuer")?;
            printer.result(
                &json!({ "id": server.id.as_str(), "issuer": issuer.as_str(), "signing_alg": server.signing_alg.as_str() }),
                &format!("created {} with issuer {issuer}", server.id),
            );
        }
        AuthorizationServerCommand::Update(arguments) => {
            let app = arguments.instance.open().await?;
            let seconds = arguments.rotation_interval_days.saturating_mul(86_400);
            set_rotation_interval(&app, &Actor::command_line(), &arguments.id, seconds).await?;
            printer.result(
                &json!({ "id": arguments.id.as_str(), "rotation_interval_seconds": seconds }),
                &format!("a signing key of {} signs for {} days", arguments.id, arguments.rotation_interval_days),
            );
        }
        AuthorizationServerCommand::List(instance) => list(&instance, printer).await?,
        AuthorizationServerCommand::Mount(arguments) => {
            let app = arguments.instance.open().await?;
            let mount =
                mount_at_host(&app, &Actor::command_line(), &arguments.id, &arguments.base_url, arguments.default_audience).await?;
            let issuer = format!("{}{}", arguments.base_url, mount.path);
            printer.result(&json!({ "id": arguments.id.as_str(), "issuer": issuer }), &format!("{} is now {issuer}", arguments.id));
        }
    }
    Ok(())
}

async fn list(instance: &InstanceArgs, printer: &Printer) -> anyhow::Result<()> {
    let app = instance.open().await?;
    let catalog = app.catalog();
    let mut servers: Vec<_> = catalog.authorization_servers().collect();
    servers.sort_by(|a, b| a.id.cmp(&b.id));
    let items: Vec<_> =
        servers.iter().map(|server| json!({ "id": server.id.as_str(), "signing_alg": server.signing_alg.as_str() })).collect();
    let rows: Vec<Vec<String>> = servers.iter().map(|server| vec![server.id.to_string(), server.signing_alg.to_string()]).collect();
    printer.result(&json!({ "items": items }), &table(&["id", "signing_alg"], &rows));
    Ok(())
}

pub(super) fn parse_id(text: &str) -> anyhow::Result<AuthorizationServerId> {
    AuthorizationServerId::parse(text)
        .ok_or_else(|| anyhow!("an id has 2 to 63 characters of a-z 0-9 _ -, begins with a letter or digit, and is not `v1`"))
}

pub(super) fn parse_algorithm(text: &str) -> anyhow::Result<Algorithm> {
    let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
    Algorithm::from_name(text).ok_or_else(|| anyhow!("accepted: {}", known.join(" ")))
}

pub(super) fn parse_audience(text: &str) -> anyhow::Result<Audience> {
    Ok(Audience::try_from(text)?)
}
