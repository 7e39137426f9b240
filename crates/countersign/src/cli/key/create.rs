//! `countersign key create`, and what `key update` shares with it.

use clap::Args;
use countersign_protocol::ClientId;
use serde_json::{Map, Value, json};

use crate::cli::Printer;
use crate::cli::api::{ApiArgs, Path};
use crate::cli::authorization_server::parse_id;
use crate::cli::client::{parse_client_id, parse_object};
use crate::cli::limits::{parse_limit, parse_refill};
use crate::cli::resource_server;
use crate::cli::verbs::{self, Members};
use crate::ids::AuthorizationServerId;

/// Arguments of `key create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// For people
    name: String,
    /// The client that it is a key of
    #[arg(long, value_name = "CLIENT_ID", value_parser = parse_client_id)]
    client: ClientId,
    /// The resource server (API) that it is for, by its audience or id
    #[arg(long, value_name = "AUDIENCE|ID")]
    resource_server: String,
    /// The authorization server that an audience belongs to
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    /// What the key begins with: letters, digits and `_` [default: the server's]
    #[arg(long)]
    prefix: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// What a key is given, and what may be changed of it.
#[derive(Args, Debug)]
pub(crate) struct SettingsArgs {
    /// A permission it has, such as orders.read, or orders.* for all below; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Option<Vec<String>>,
    /// A role it has; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Option<Vec<String>>,
    /// A network that it may be used from, such as 203.0.113.0/24; may be repeated
    #[arg(long = "allowed-network", value_name = "CIDR")]
    allowed_networks: Option<Vec<String>>,
    /// How much it may be used in a time, such as reads=100/1m; may be repeated
    #[arg(long = "limit", value_name = "NAME=COUNT/TIME", value_parser = parse_limit)]
    limits: Option<Vec<Value>>,
    /// How often it may be used [default: without a bound]
    #[arg(long, value_name = "COUNT")]
    credits: Option<u64>,
    /// How the credits come back at midnight (UTC): daily:AMOUNT, or monthly:AMOUNT@DAY
    #[arg(long, value_name = "REFILL", value_parser = parse_refill, requires = "credits")]
    refill: Option<Value>,
    /// What its owner calls it elsewhere
    #[arg(long, value_name = "TEXT")]
    external_id: Option<String>,
    /// What its owner wants to know of it: a JSON object
    #[arg(long, value_name = "JSON", value_parser = parse_object)]
    metadata: Option<Map<String, Value>>,
    /// Not valid from this time on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

impl SettingsArgs {
    pub(super) fn add_to(self, members: Members) -> Members {
        members
            .given("permissions", self.permissions)
            .given("roles", self.roles)
            .given("allowed_networks", self.allowed_networks)
            .given("limits", self.limits)
            .given("credits", self.credits.map(|remaining| json!({ "remaining": remaining, "refill": self.refill })))
            .given("external_id", self.external_id)
            .given("metadata", self.metadata)
            .given("expires_at", self.expires_at)
    }
}

pub(super) async fn run(arguments: CreateArgs, printer: Printer) -> anyhow::Result<()> {
    let api = arguments.api.connect()?;
    let found = resource_server::find(&api, &arguments.resource_server, &arguments.authorization_server).await?;
    let members = Members::default()
        .with("name", arguments.name)
        .with("client_id", arguments.client.to_string())
        .with("resource_server_id", found.get("id").cloned().unwrap_or_default())
        .given("prefix", arguments.prefix);
    let body = arguments.settings.add_to(members).into_value();
    let reply = api.post(&Path::of(&["keys"])?, Some(&body)).await?;
    let id = reply.body.get("id").and_then(Value::as_str).unwrap_or_default();
    verbs::created_with(&reply, "key", &format!("make another with `countersign key rotate {id} --overlap-seconds 0`"), printer)
}
