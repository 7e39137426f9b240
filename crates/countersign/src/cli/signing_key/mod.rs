//! `countersign signing-key`.

mod offline;

use anyhow::bail;
use clap::{Args, Subcommand};
use countersign_protocol::jose::Algorithm;
use serde_json::{Value, json};

use super::Printer;
use super::api::{Api, ApiArgs, Items, Path};
use super::authorization_server::{parse_algorithm, parse_id};
use super::instance::OfflineArgs;
use super::verbs::Members;
use crate::ids::AuthorizationServerId;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign signing-key list
  countersign signing-key rotate
  countersign signing-key rotate --authorization-server internal --signing-alg ES256
  countersign signing-key rotate --offline --config countersign.toml";

/// What a table of signing keys shows.
const COLUMNS: [&str; 5] = ["id", "authorization_server_id", "alg", "state", "published_at"];

/// The verbs of `signing-key`.
#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeyCommand {
    /// Publish the first key of an algorithm; it signs 300 seconds later
    Add(AlgorithmArgs),
    /// List the signing keys, the retired ones too
    List(ListArgs),
    /// Stop signing with an algorithm that nothing uses
    Remove(AlgorithmArgs),
    /// Make the published successor active and publish a new successor
    Rotate(RotateArgs),
}

/// Arguments of `signing-key add` and `signing-key remove`.
#[derive(Args, Debug)]
pub(crate) struct AlgorithmArgs {
    /// The authorization server
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    /// The algorithm
    #[arg(long, value_parser = parse_algorithm)]
    signing_alg: Algorithm,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `signing-key list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only those of this authorization server
    #[arg(long, value_parser = parse_id)]
    authorization_server: Option<AuthorizationServerId>,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    offline: OfflineArgs,
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
    /// The key to rotate; refused unless it is active, so that what is asked for twice
    /// happens once [default: the active one]
    #[arg(long, value_name = "ID", conflicts_with_all = ["authorization_server", "signing_alg"])]
    key: Option<String>,
    /// The key is compromised: withdraw it at once, whatever its state. Its tokens are
    /// refused, and for up to a minute some verifiers refuse tokens of its successor
    #[arg(long)]
    emergency: bool,
    /// Withdraw the published successor too
    #[arg(long, requires = "emergency")]
    successor_too: bool,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

pub(super) async fn run(command: SigningKeyCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        SigningKeyCommand::Add(arguments) => {
            if let Some(app) = arguments.offline.open().await? {
                return offline::add(&app, &arguments, printer).await;
            }
            let body = json!({ "alg": arguments.signing_alg.as_str() });
            let path = path(&arguments.authorization_server, &[])?;
            printer.object(&arguments.api.connect()?.post(&path, Some(&body)).await?);
            Ok(())
        }
        SigningKeyCommand::List(arguments) => list(&arguments, printer).await,
        SigningKeyCommand::Remove(arguments) => {
            if let Some(app) = arguments.offline.open().await? {
                return offline::remove(&app, &arguments, printer).await;
            }
            let algorithm = arguments.signing_alg.as_str();
            arguments.api.connect()?.delete(&path(&arguments.authorization_server, &[algorithm])?, None).await?;
            printer.result(&json!({ "removed": algorithm }), &format!("removed the keys of {algorithm}"));
            Ok(())
        }
        SigningKeyCommand::Rotate(arguments) => rotate(arguments, printer).await,
    }
}

async fn list(arguments: &ListArgs, printer: Printer) -> anyhow::Result<()> {
    if let Some(app) = arguments.offline.open().await? {
        return offline::list(&app, arguments.authorization_server.as_ref(), printer).await;
    }
    let api = arguments.api.connect()?;
    let servers = match &arguments.authorization_server {
        Some(server) => vec![server.clone()],
        None => every_server(&api).await?,
    };
    let mut items = Vec::new();
    for server in servers {
        items.extend(api.list(&path(&server, &[])?, None).await?.items);
    }
    printer.items(&Items { items, next_cursor: None }, &COLUMNS);
    Ok(())
}

async fn every_server(api: &Api) -> anyhow::Result<Vec<AuthorizationServerId>> {
    let servers = api.list(&Path::of(&["authorization-servers"])?, None).await?.items;
    Ok(servers.iter().filter_map(|server| server.get("id")?.as_str()).map(AuthorizationServerId::from_stored).collect())
}

async fn rotate(arguments: RotateArgs, printer: Printer) -> anyhow::Result<()> {
    if let Some(app) = arguments.offline.open().await? {
        return offline::rotate_key(&app, &arguments, printer).await;
    }
    let api = arguments.api.connect()?;
    let (server, algorithm) = match (&arguments.key, arguments.signing_alg) {
        (Some(key), _) => of_key(&api, key).await?,
        (None, Some(algorithm)) => (arguments.authorization_server, algorithm.as_str().to_owned()),
        (None, None) => {
            let algorithm = usual_algorithm(&api, &arguments.authorization_server).await?;
            (arguments.authorization_server, algorithm)
        }
    };
    let body = Members::default()
        .with("alg", algorithm)
        .given("expected_active", arguments.key)
        .given("emergency", arguments.emergency.then_some(true))
        .given("replace_successor", arguments.successor_too.then_some(true));
    printer.object(&api.post(&path(&server, &["rotate"])?, Some(&body.into_value())).await?);
    Ok(())
}

/// Whose key it is, and its algorithm.
async fn of_key(api: &Api, key: &str) -> anyhow::Result<(AuthorizationServerId, String)> {
    for server in every_server(api).await? {
        let keys = api.list(&path(&server, &[])?, None).await?.items;
        let found = keys.iter().find(|item| item.get("id").and_then(Value::as_str) == Some(key));
        if let Some(algorithm) = found.and_then(|item| item.get("alg")?.as_str()) {
            return Ok((server, algorithm.to_owned()));
        }
    }
    bail!("there is no signing key `{key}`")
}

async fn usual_algorithm(api: &Api, server: &AuthorizationServerId) -> anyhow::Result<String> {
    let found = api.get(&Path::of(&["authorization-servers", server.as_str()])?).await?.body;
    match found.get("signing_alg").and_then(Value::as_str) {
        Some(algorithm) => Ok(algorithm.to_owned()),
        None => bail!("the server does not say how `{server}` signs: name it with --signing-alg"),
    }
}

fn path(server: &AuthorizationServerId, more: &[&str]) -> anyhow::Result<Path> {
    Path::of(&[&["authorization-servers", server.as_str(), "signing-keys"], more].concat())
}
