//! `countersign client`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use countersign_protocol::{ClientAuthMethod, ClientId};
use serde_json::{Map, Value};

use super::Printer;
use super::api::{ApiArgs, Path};
use super::credential::read_json;
use super::limits::parse_limit;
use super::verbs::{self, DeleteArgs, ListArgs, Members, VersionArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign client create \"Partner Ltd, billing\" --id partner-billing --organization org_06rgs5v97tzapyv6r0ykd59rv8
  countersign client list
  countersign client disable partner-billing
  countersign client usage partner-billing --days 7
  countersign client update partner-billing --external-id 4711 --metadata '{\"contact\": \"api@partner.example\"}'";

/// The verbs of `client`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Create a client; its secret is shown once
    Create(CreateArgs),
    /// List the clients
    List(NarrowedArgs),
    /// Show a client
    Show(OneArgs),
    /// Show what a client did: tokens, refusals by code, needless requests, by day
    Usage(UsageArgs),
    /// Change a client
    Update(UpdateArgs),
    /// Disable a client: it gets no token until it is enabled
    Disable(OneArgs),
    /// Enable a disabled client
    Enable(OneArgs),
    /// Delete a client with its credentials and grants
    Delete(DeleteOneArgs),
}

/// Arguments of `client create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// For people
    name: String,
    /// The client_id: 6 to 100 characters of A-Z a-z 0-9 _ - [default: one is made]
    #[arg(long, value_parser = parse_client_id)]
    id: Option<ClientId>,
    /// How it will authenticate [default: client_secret_basic, or private_key_jwt with keys]
    #[arg(long, value_parser = parse_method)]
    auth_method: Option<ClientAuthMethod>,
    /// Accept only that way
    #[arg(long)]
    enforce_auth_method: bool,
    #[command(flatten)]
    keys: KeysArgs,
    /// Make no secret: it cannot authenticate until it is given a credential
    #[arg(long, conflicts_with_all = ["jwks_file", "jwks_uri"])]
    no_secret: bool,
    #[command(flatten)]
    owner: OwnerArgs,
    #[command(flatten)]
    key_policy: KeyPolicyArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// The public keys of a client that signs its requests.
#[derive(Args, Debug)]
pub(crate) struct KeysArgs {
    /// Its public keys instead of a secret: a file with a JWK Set
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks_file: Option<PathBuf>,
    /// Where its public keys are kept, instead of a secret
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,
    /// What its assertions name as their audience: issuer, or token_endpoint
    #[arg(long, value_name = "AUDIENCE", value_parser = ["issuer", "token_endpoint"])]
    assertion_audience: Option<String>,
}

/// What all its API keys are given and bound by. A list replaces the one there is; one empty
/// text clears it.
#[derive(Args, Debug)]
pub(crate) struct KeyPolicyArgs {
    /// A permission that each of its API keys has; may be repeated, and '' clears
    #[arg(long = "key-permission", value_name = "PERMISSION")]
    permissions: Option<Vec<String>>,
    /// A role that each of its API keys has; may be repeated, and '' clears
    #[arg(long = "key-role", value_name = "ROLE")]
    roles: Option<Vec<String>>,
    /// A network that its API keys may be used from; may be repeated, and '' clears
    #[arg(long = "key-network", value_name = "CIDR")]
    networks: Option<Vec<String>>,
    /// How much its API keys together may be used in a time, such as reads=100/1m; may be repeated, and '' clears
    #[arg(long = "key-limit", value_name = "NAME=COUNT/TIME", value_parser = parse_key_limit)]
    limits: Option<Vec<Value>>,
}

impl KeyPolicyArgs {
    fn into_value(self) -> Option<Value> {
        let filled = |texts: Vec<String>| texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
        let limits = self.limits.map(|limits| limits.into_iter().filter(|limit| !limit.is_null()).collect::<Vec<_>>());
        let members = Members::default()
            .given("permissions", self.permissions.map(filled))
            .given("roles", self.roles.map(filled))
            .given("allowed_networks", self.networks.map(filled))
            .given("limits", limits)
            .into_value();
        members.as_object().is_some_and(|members| !members.is_empty()).then_some(members)
    }
}

fn parse_key_limit(text: &str) -> anyhow::Result<Value> {
    if text.is_empty() { Ok(Value::Null) } else { parse_limit(text) }
}

/// Arguments of `client list`.
#[derive(Args, Debug)]
pub(crate) struct NarrowedArgs {
    /// Only what its owner calls this elsewhere
    #[arg(long, value_name = "TEXT")]
    external_id: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

/// Whose client it is, and what its owner says of it.
#[derive(Args, Debug)]
pub(crate) struct OwnerArgs {
    /// Whose client it is
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// What its owner calls it elsewhere
    #[arg(long, value_name = "TEXT")]
    external_id: Option<String>,
    /// What its owner wants to know of it: a JSON object; replaces what there is
    #[arg(long, value_name = "JSON", value_parser = parse_object)]
    metadata: Option<Map<String, Value>>,
}

/// Arguments of `client update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// The client_id
    #[arg(value_parser = parse_client_id)]
    id: ClientId,
    /// For people
    #[arg(long)]
    name: Option<String>,
    /// How it authenticates
    #[arg(long, value_parser = parse_method)]
    auth_method: Option<ClientAuthMethod>,
    /// Whether only that way is accepted
    #[arg(long, value_name = "true|false")]
    enforce_auth_method: Option<bool>,
    /// What its assertions name as their audience: issuer, or token_endpoint
    #[arg(long, value_name = "AUDIENCE", value_parser = ["issuer", "token_endpoint"])]
    assertion_audience: Option<String>,
    #[command(flatten)]
    owner: OwnerArgs,
    #[command(flatten)]
    key_policy: KeyPolicyArgs,
    /// Take it out of its organization
    #[arg(long, conflicts_with = "organization")]
    clear_organization: bool,
    /// Forget what its owner calls it elsewhere
    #[arg(long, conflicts_with = "external_id")]
    clear_external_id: bool,
    /// Forget its metadata
    #[arg(long, conflicts_with = "metadata")]
    clear_metadata: bool,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// A client.
#[derive(Args, Debug)]
pub(crate) struct OneArgs {
    /// The client_id
    #[arg(value_parser = parse_client_id)]
    id: ClientId,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `client usage`.
#[derive(Args, Debug)]
pub(crate) struct UsageArgs {
    /// The client_id
    #[arg(value_parser = parse_client_id)]
    id: ClientId,
    /// How many days, the present one included
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: u32,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `client delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteOneArgs {
    /// The client_id
    #[arg(value_parser = parse_client_id)]
    id: ClientId,
    #[command(flatten)]
    delete: DeleteArgs,
}

pub(super) async fn run(command: ClientCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        ClientCommand::Create(arguments) => create(arguments, printer).await,
        ClientCommand::List(arguments) => {
            let columns = ["client_id", "name", "state", "organization_id", "created_at"];
            let path = Path::of(&["clients"])?.narrowed(&[("external_id", arguments.external_id.as_deref())]);
            verbs::list(&arguments.list, &path, &columns, printer).await
        }
        ClientCommand::Show(one) => verbs::show(&one.api.connect()?, &path(&one.id)?, printer).await,
        ClientCommand::Usage(arguments) => usage(&arguments, printer).await,
        ClientCommand::Update(arguments) => update(arguments, printer).await,
        ClientCommand::Disable(one) => switch(&one, "disable", printer).await,
        ClientCommand::Enable(one) => switch(&one, "enable", printer).await,
        ClientCommand::Delete(arguments) => {
            let what = format!("client {} with its credentials and grants", arguments.id);
            verbs::delete(&arguments.delete, &path(&arguments.id)?, &what, printer).await
        }
    }
}

async fn create(arguments: CreateArgs, printer: Printer) -> anyhow::Result<()> {
    let has_keys = arguments.keys.jwks_file.is_some() || arguments.keys.jwks_uri.is_some();
    let method = arguments.auth_method.map(ClientAuthMethod::as_str).or_else(|| has_keys.then_some("private_key_jwt"));
    let members = Members::default()
        .with("name", arguments.name)
        .given("jwks", arguments.keys.jwks_file.as_deref().map(read_json).transpose()?)
        .given("jwks_uri", arguments.keys.jwks_uri)
        .given("assertion_audience", arguments.keys.assertion_audience)
        .given("client_id", arguments.id.map(|id| id.to_string()))
        .given("token_endpoint_auth_method", method)
        .with("token_endpoint_auth_method_enforced", arguments.enforce_auth_method)
        .given("make_secret", arguments.no_secret.then_some(false))
        .given("key_policy", arguments.key_policy.into_value());
    let body = arguments.owner.add_to(members).into_value();
    let reply = arguments.api.connect()?.post(&Path::of(&["clients"])?, Some(&body)).await?;
    if has_keys || arguments.no_secret {
        printer.object(&reply);
        return Ok(());
    }
    let id = reply.body.get("client_id").and_then(Value::as_str).unwrap_or_default();
    verbs::created(&reply, &format!("make another secret with `countersign credential create {id}`"), printer)
}

async fn update(arguments: UpdateArgs, printer: Printer) -> anyhow::Result<()> {
    let members = Members::default()
        .given("name", arguments.name)
        .given("token_endpoint_auth_method", arguments.auth_method.map(ClientAuthMethod::as_str))
        .given("token_endpoint_auth_method_enforced", arguments.enforce_auth_method)
        .given("assertion_audience", arguments.assertion_audience)
        .given("key_policy", arguments.key_policy.into_value());
    let members = arguments
        .owner
        .add_to(members)
        .cleared("organization_id", arguments.clear_organization)
        .cleared("external_id", arguments.clear_external_id)
        .cleared("metadata", arguments.clear_metadata);
    verbs::update(&arguments.api.connect()?, &path(&arguments.id)?, members, &arguments.version, printer).await
}

async fn usage(arguments: &UsageArgs, printer: Printer) -> anyhow::Result<()> {
    let days = arguments.days.to_string();
    let path = Path::of(&["clients", arguments.id.as_str(), "usage"])?.narrowed(&[("days", Some(&days))]);
    let tables: [(&str, &[&str]); 4] = [
        ("refusals", &["code", "requests", "last_at"]),
        ("credentials", &["credential_id", "issued", "reused", "needless", "refused", "last_seen_at"]),
        ("resource_servers", &["audience", "issued", "reused", "needless", "needless_since", "needless_last_at"]),
        ("days", &["day", "issued", "reused", "needless", "refused"]),
    ];
    printer.object_with_tables(&arguments.api.connect()?.get(&path).await?, &tables);
    Ok(())
}

async fn switch(one: &OneArgs, verb: &str, printer: Printer) -> anyhow::Result<()> {
    let path = Path::of(&["clients", one.id.as_str(), verb])?;
    printer.object(&one.api.connect()?.post(&path, None).await?);
    Ok(())
}

impl OwnerArgs {
    fn add_to(self, members: Members) -> Members {
        members.given("organization_id", self.organization).given("external_id", self.external_id).given("metadata", self.metadata)
    }
}

fn path(id: &ClientId) -> anyhow::Result<Path> {
    Path::of(&["clients", id.as_str()])
}

pub(super) fn parse_client_id(text: &str) -> anyhow::Result<ClientId> {
    Ok(ClientId::try_from(text)?)
}

fn parse_method(text: &str) -> anyhow::Result<ClientAuthMethod> {
    let known = ClientAuthMethod::ALL.map(ClientAuthMethod::as_str).join(" ");
    ClientAuthMethod::from_name(text).ok_or_else(|| anyhow!("accepted: {known}"))
}

pub(super) fn parse_object(text: &str) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|error| anyhow!("not a JSON object: {error}"))
}
