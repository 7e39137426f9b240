//! `countersign credential`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use countersign_protocol::{ClientId, Secret};
use serde_json::Value;

use super::Printer;
use super::api::{Api, ApiArgs, Path, Reply};
use super::client::parse_client_id;
use super::verbs::{self, ListArgs, Members, VersionArgs};
use crate::config::ProcessEnvironment;
use crate::profiles::{Origin, ProfileFile, change};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign credential create partner-billing --label \"second secret\"
  countersign credential list partner-billing
  countersign credential rotate partner-billing cred_06rgs5v97tzapyv6r0ykd59rv8 --overlap-seconds 86400
  countersign credential revoke partner-billing cred_06rgs5v97tzapyv6r0ykd59rv8";

/// What a table of credentials shows.
const COLUMNS: [&str; 7] = ["id", "label", "kind", "state", "created_at", "expires_at", "last_used"];

/// The verbs of `credential`.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Give a client another credential; a secret is shown once, and the others stay
    Create(CreateArgs),
    /// List the credentials of a client
    List(ListOfClientArgs),
    /// Show a credential
    Show(OneArgs),
    /// Change a credential's label or times
    Update(UpdateArgs),
    /// Make a new secret in place of a credential, which stays valid for a while
    Rotate(RotateArgs),
    /// Make a new secret for the client of the profile, and keep it there
    RotateOwn(RotateOwnArgs),
    /// Revoke a credential for good
    Revoke(OneArgs),
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
    /// Register these public keys instead of making a secret: a file with a JWK Set
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks_file: Option<PathBuf>,
    /// Take the public keys from this URL instead of making a secret
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,
    /// Not valid before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Not valid from this time on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `credential list`.
#[derive(Args, Debug)]
pub(crate) struct ListOfClientArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    #[command(flatten)]
    list: ListArgs,
}

/// A credential of a client.
#[derive(Args, Debug)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Which credential.
#[derive(Args, Debug)]
pub(crate) struct CredentialArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    /// The credential, as `credential list` and the claim `cred` name it
    credential_id: String,
}

/// Arguments of `credential update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    /// For people
    #[arg(long)]
    label: Option<String>,
    /// Not valid before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Not valid from this time on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Valid at once
    #[arg(long, conflicts_with = "not_before")]
    clear_not_before: bool,
    /// Valid until it is revoked
    #[arg(long, conflicts_with = "expires_at")]
    clear_expires_at: bool,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `credential rotate`.
#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    credential: CredentialArgs,
    /// How long the old one stays valid [default: the server's]
    #[arg(long, value_name = "SECONDS")]
    overlap_seconds: Option<u64>,
    /// For people [default: that of the old one]
    #[arg(long)]
    label: Option<String>,
    /// The new one is not valid from this time on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `credential rotate-own`.
#[derive(Args, Debug)]
pub(crate) struct RotateOwnArgs {
    /// How long the old one stays valid [default: the server's]
    #[arg(long, value_name = "SECONDS")]
    overlap_seconds: Option<u64>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(command: CredentialCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        CredentialCommand::Create(arguments) => create(arguments, printer).await,
        CredentialCommand::List(arguments) => {
            let path = Path::of(&["clients", arguments.client_id.as_str(), "credentials"])?;
            verbs::list(&arguments.list, &path, &COLUMNS, printer).await
        }
        CredentialCommand::Show(one) => verbs::show(&one.api.connect()?, &one.credential.path(&[])?, printer).await,
        CredentialCommand::Update(arguments) => update(arguments, printer).await,
        CredentialCommand::Rotate(arguments) => rotate(arguments, printer).await,
        CredentialCommand::RotateOwn(arguments) => rotate_own(&arguments, printer).await,
        CredentialCommand::Revoke(one) => {
            one.api.connect()?.delete(&one.credential.path(&[])?, None).await?;
            let id = one.credential.credential_id;
            printer.result(&serde_json::json!({ "id": id, "revoked": true }), &format!("revoked {}", super::view::clean(&id)));
            Ok(())
        }
    }
}

async fn create(arguments: CreateArgs, printer: Printer) -> anyhow::Result<()> {
    let jwks = arguments.jwks_file.as_deref().map(read_json).transpose()?;
    let kind = match (&jwks, &arguments.jwks_uri) {
        (Some(_), _) => "jwks",
        (None, Some(_)) => "jwks_uri",
        (None, None) => "secret",
    };
    let body = Members::default()
        .with("label", arguments.label)
        .with("kind", kind)
        .given("jwks", jwks)
        .given("jwks_uri", arguments.jwks_uri)
        .given("not_before", arguments.not_before)
        .given("expires_at", arguments.expires_at);
    let path = Path::of(&["clients", arguments.client_id.as_str(), "credentials"])?;
    let reply = arguments.api.connect()?.post(&path, Some(&body.into_value())).await?;
    if kind == "secret" {
        return verbs::created(&reply, "revoke it and create another one", printer);
    }
    printer.object(&reply);
    Ok(())
}

async fn update(arguments: UpdateArgs, printer: Printer) -> anyhow::Result<()> {
    let members = Members::default()
        .given("label", arguments.label)
        .given("not_before", arguments.not_before)
        .given("expires_at", arguments.expires_at)
        .cleared("not_before", arguments.clear_not_before)
        .cleared("expires_at", arguments.clear_expires_at);
    let path = arguments.credential.path(&[])?;
    verbs::update(&arguments.api.connect()?, &path, members, &arguments.version, printer).await
}

async fn rotate(arguments: RotateArgs, printer: Printer) -> anyhow::Result<()> {
    let body = Members::default()
        .given("overlap_seconds", arguments.overlap_seconds)
        .given("label", arguments.label)
        .given("expires_at", arguments.expires_at);
    let path = arguments.credential.path(&["rotate"])?;
    let reply = arguments.api.connect()?.post(&path, Some(&body.into_value())).await?;
    verbs::created(&reply, "rotate the new credential", printer)
}

async fn rotate_own(arguments: &RotateOwnArgs, printer: Printer) -> anyhow::Result<()> {
    let body = Members::default().given("overlap_seconds", arguments.overlap_seconds).into_value();
    let api = arguments.api.connect()?;
    let reply = api.post(&Path::of(&["credentials", "rotate-own"])?, Some(&body)).await?;
    let Origin::Named(profile) = &api.chosen().origin else {
        return verbs::created(&reply, "rotate it again before the old one expires", printer);
    };
    keep_secret(&api, profile, &reply)?;
    printer.object(&without_secret(reply));
    printer.note(&format!("The new secret is in the profile `{profile}`."));
    Ok(())
}

/// Whoever else holds the profile's file keeps what the profile was changed to meanwhile.
fn keep_secret(api: &Api, profile: &str, reply: &Reply) -> anyhow::Result<()> {
    let secret = reply.body.get("client_secret").and_then(Value::as_str);
    let secret =
        secret.context("the reply that held the new secret was lost on the way: rotate again before the old one expires")?;
    let path = ProfileFile::path(&ProcessEnvironment)?;
    change(&path, |file| {
        let kept = file.profiles.entry(profile.to_owned()).or_insert_with(|| api.chosen().profile.clone());
        kept.client_secret = Secret::new(secret.to_owned());
        Ok(())
    })
    .with_context(|| {
        format!("the secret was rotated, but cannot be kept: the old one is valid for the overlap; {}", path.display())
    })
}

fn without_secret(mut reply: Reply) -> Reply {
    if let Some(members) = reply.body.as_object_mut() {
        members.remove("client_secret");
    }
    reply
}

impl CredentialArgs {
    fn path(&self, more: &[&str]) -> anyhow::Result<Path> {
        Path::of(&[&["clients", self.client_id.as_str(), "credentials", &self.credential_id], more].concat())
    }
}

pub(super) fn read_json(path: &std::path::Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}
