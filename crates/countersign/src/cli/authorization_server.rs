//! `countersign authorization-server`.

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use countersign_protocol::Audience;
use countersign_protocol::jose::Algorithm;
use serde_json::json;

use super::Printer;
use super::api::{ApiArgs, Path};
use super::instance::OfflineArgs;
use super::verbs::{self, DeleteArgs, ListArgs, Members, VersionArgs};
use crate::audit::Actor;
use crate::authorization_servers::set_rotation_interval;
use crate::ids::AuthorizationServerId;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign authorization-server create internal --signing-alg ES256
  countersign authorization-server list
  countersign authorization-server mount internal --base-url https://auth.internal.example.com
  countersign authorization-server mounts internal";

/// The verbs of `authorization-server`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthorizationServerCommand {
    /// Create an authorization server with its signing keys and its mount `/oauth2/ID`
    Create(CreateArgs),
    /// List the authorization servers
    List(ListArgs),
    /// Show an authorization server
    Show(ShowArgs),
    /// Change an authorization server
    Update(UpdateArgs),
    /// Delete an authorization server with its mounts and signing keys
    Delete(DeleteOneArgs),
    /// Reach an authorization server at the root of one base URL
    Mount(MountArgs),
    /// List where an authorization server is reached
    Mounts(MountsArgs),
    /// Take back a mount at the root of a base URL
    Unmount(UnmountArgs),
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
    /// Give each JWT a place in a status list
    #[arg(long)]
    status_lists: bool,
    /// The audience of token requests that name none
    #[arg(long, value_parser = parse_audience)]
    default_audience: Option<Audience>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `authorization-server show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The authorization server
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `authorization-server update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// The authorization server
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    /// For people
    #[arg(long)]
    name: Option<String>,
    /// How its tokens are signed: an algorithm that it has keys for
    #[arg(long, value_parser = parse_algorithm)]
    signing_alg: Option<Algorithm>,
    /// Days for which a key signs until its successor takes over: 1 to 3650; a new
    /// authorization server has 90
    #[arg(long, value_name = "DAYS")]
    rotation_interval_days: Option<i64>,
    /// Whether each new JWT gets a place in a status list; those that have one keep it
    #[arg(long, value_name = "BOOL")]
    status_lists: Option<bool>,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `authorization-server delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteOneArgs {
    /// The authorization server
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    #[command(flatten)]
    delete: DeleteArgs,
}

/// Arguments of `authorization-server mount`.
#[derive(Args, Debug)]
pub(crate) struct MountArgs {
    /// The authorization server
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    /// One of the configured base URLs
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// The audience of token requests that name none
    #[arg(long, value_parser = parse_audience)]
    default_audience: Option<Audience>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `authorization-server mounts`.
#[derive(Args, Debug)]
pub(crate) struct MountsArgs {
    /// The authorization server
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    #[command(flatten)]
    list: ListArgs,
}

/// Arguments of `authorization-server unmount`.
#[derive(Args, Debug)]
pub(crate) struct UnmountArgs {
    /// The authorization server
    #[arg(value_parser = parse_id)]
    id: AuthorizationServerId,
    /// The mount's base URL
    #[arg(long, value_name = "URL")]
    base_url: String,
    #[command(flatten)]
    delete: DeleteArgs,
}

pub(super) async fn run(command: AuthorizationServerCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        AuthorizationServerCommand::Create(arguments) => create(arguments, printer).await,
        AuthorizationServerCommand::List(arguments) => {
            let columns = ["id", "name", "signing_alg", "created_at"];
            verbs::list(&arguments, &Path::of(&["authorization-servers"])?, &columns, printer).await
        }
        AuthorizationServerCommand::Show(one) => verbs::show(&one.api.connect()?, &path(&one.id, &[])?, printer).await,
        AuthorizationServerCommand::Update(arguments) => update(arguments, printer).await,
        AuthorizationServerCommand::Delete(one) => {
            let what = format!("authorization server {} with its mounts and signing keys", one.id);
            verbs::delete(&one.delete, &path(&one.id, &[])?, &what, printer).await
        }
        AuthorizationServerCommand::Mount(arguments) => mount(arguments, printer).await,
        AuthorizationServerCommand::Mounts(arguments) => {
            let columns = ["issuers", "default_audience", "built_in", "created_at"];
            verbs::list(&arguments.list, &path(&arguments.id, &["mounts"])?, &columns, printer).await
        }
        AuthorizationServerCommand::Unmount(arguments) => {
            let path = path(&arguments.id, &["mounts", &arguments.base_url])?;
            verbs::delete(&arguments.delete, &path, &format!("the mount of {} at {}", arguments.id, arguments.base_url), printer)
                .await
        }
    }
}

async fn create(arguments: CreateArgs, printer: Printer) -> anyhow::Result<()> {
    let body = Members::default()
        .with("id", arguments.id.as_str())
        .with("name", arguments.name.unwrap_or_else(|| arguments.id.to_string()))
        .with("signing_alg", arguments.signing_alg.as_str())
        .with("status_lists", arguments.status_lists)
        .given("default_audience", arguments.default_audience.map(|audience| audience.to_string()));
    printer.object(&arguments.api.connect()?.post(&Path::of(&["authorization-servers"])?, Some(&body.into_value())).await?);
    Ok(())
}

async fn update(arguments: UpdateArgs, printer: Printer) -> anyhow::Result<()> {
    let seconds = arguments.rotation_interval_days.map(|days| days.saturating_mul(86_400));
    if let Some(app) = arguments.offline.open().await? {
        let only = arguments.name.is_none() && arguments.signing_alg.is_none() && arguments.status_lists.is_none();
        let Some(seconds) = seconds.filter(|_| only) else { bail!("only --rotation-interval-days works on the database") };
        set_rotation_interval(&app, &Actor::command_line(), &arguments.id, seconds).await?;
        let value = json!({ "id": arguments.id.as_str(), "rotation_interval_seconds": seconds });
        printer.result(&value, &format!("a signing key of {} signs for {seconds} seconds", arguments.id));
        return Ok(());
    }
    let members = Members::default()
        .given("name", arguments.name)
        .given("signing_alg", arguments.signing_alg.map(Algorithm::as_str))
        .given("rotation_interval_seconds", seconds)
        .given("status_lists", arguments.status_lists);
    verbs::update(&arguments.api.connect()?, &path(&arguments.id, &[])?, members, &arguments.version, printer).await
}

async fn mount(arguments: MountArgs, printer: Printer) -> anyhow::Result<()> {
    let body = Members::default()
        .with("base_url", arguments.base_url)
        .given("default_audience", arguments.default_audience.map(|audience| audience.to_string()));
    let path = path(&arguments.id, &["mounts"])?;
    printer.object(&arguments.api.connect()?.post(&path, Some(&body.into_value())).await?);
    Ok(())
}

fn path(id: &AuthorizationServerId, more: &[&str]) -> anyhow::Result<Path> {
    Path::of(&[&["authorization-servers", id.as_str()], more].concat())
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
