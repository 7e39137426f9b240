//! `countersign token`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use countersign_protocol::jose::base64url;
use countersign_protocol::jose::json::strict_object;
use countersign_protocol::{Secret, Timestamp};
use serde_json::{Map, Value, json};

use super::Printer;
use super::profile::read_secret;
use crate::config::{Disk, NamedFile, Place};
use crate::dev::{DEFAULT_DATA, EnvFile};
use crate::log::rfc3339;
use crate::outbound::{Outbound, OutboundOptions};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign token get --scope list:users
  countersign token get --token-url https://auth.example.com/oauth/token --client-id partner-billing --audience https://api.example.com --secret-file secret.txt
  countersign token decode -";

/// The verbs of `token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Get an access token with client credentials and print it
    Get(GetArgs),
    /// Show what an access token says, without checking it
    Decode(DecodeArgs),
}

/// Arguments of `token get`.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// Scopes to ask for, separated by spaces [default: all that are granted]
    #[arg(long)]
    scope: Option<String>,
    /// The audience to ask for [default: AUDIENCE of the env file]
    #[arg(long)]
    audience: Option<String>,
    /// The token endpoint; needed with --client-id [default: /oauth/token of BASE_URL of the env file]
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// File with BASE_URL, AUDIENCE, CLIENT_ID and CLIENT_SECRET, as `countersign dev` writes it
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// The client that asks, instead of the one of the env file
    #[arg(long, value_name = "ID", requires = "token_url", conflicts_with = "env_file")]
    client_id: Option<String>,
    /// File with that client's secret [default: one line of standard input]
    #[arg(long, value_name = "FILE", requires = "client_id")]
    secret_file: Option<PathBuf>,
    /// PEM file of certificate authorities that are trusted besides Mozilla's [default: CA_FILE of the env file]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Arguments of `token decode`.
#[derive(Args, Debug)]
pub(crate) struct DecodeArgs {
    /// The token; `-` reads it from standard input
    token: String,
}

pub(super) async fn run(command: TokenCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        TokenCommand::Get(arguments) => get(arguments, printer).await,
        TokenCommand::Decode(arguments) => decode(&arguments.token, printer),
    }
}

async fn get(arguments: GetArgs, printer: Printer) -> anyhow::Result<()> {
    let scope = arguments.scope.clone();
    let caller = match arguments.client_id.clone() {
        Some(client_id) => Caller {
            token_url: arguments.token_url.context("--token-url is missing")?,
            client_id,
            client_secret: read_secret(arguments.secret_file.as_deref(), printer)?,
            audience: arguments.audience,
            ca_file: arguments.ca_file,
        },
        None => Caller::of_env_file(arguments)?,
    };
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(caller.audience.as_deref().map(|audience| ("audience", audience)));
    form.extend(scope.as_deref().map(|scope| ("scope", scope)));
    let outbound = Outbound::new(&trusting(caller.ca_file)?)?;
    let body = outbound.request_token(&caller.token_url, &caller.client_id, &caller.client_secret, &form).await?;
    let response: Value = serde_json::from_slice(&body).context("the token response is not JSON")?;
    let Some(token) = response.get("access_token").and_then(Value::as_str) else { bail!("the token response has no access_token") };
    printer.result(&response, token);
    Ok(())
}

/// Who asks for a token, where, and for what.
struct Caller {
    token_url: String,
    client_id: String,
    client_secret: Secret<String>,
    audience: Option<String>,
    ca_file: Option<PathBuf>,
}

/// Trusts another certificate authority too, such as that of `dev --tls`.
pub(super) fn trusting(ca_file: Option<PathBuf>) -> anyhow::Result<OutboundOptions> {
    let Some(path) = ca_file else { return Ok(OutboundOptions::default()) };
    let file = NamedFile { key: "CA_FILE", path, place: Place::Default };
    Ok(OutboundOptions { extra_roots: file.read_certificates(&Disk)?, ..OutboundOptions::default() })
}

impl Caller {
    fn of_env_file(arguments: GetArgs) -> anyhow::Result<Self> {
        let path = arguments.env_file.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA).join(EnvFile::NAME));
        let known = EnvFile::read(&path).with_context(|| {
            format!("cannot read {}: start `countersign dev` here, or name its env file with --env-file", path.display())
        })?;
        let value = |name: &str| known.find(name).with_context(|| format!("{} has no {name}", path.display()));
        Ok(Self {
            token_url: match arguments.token_url {
                Some(url) => url,
                None => format!("{}/oauth/token", value("BASE_URL")?),
            },
            client_id: value("CLIENT_ID")?.to_owned(),
            client_secret: Secret::new(value("CLIENT_SECRET")?.to_owned()),
            audience: Some(arguments.audience.map_or_else(|| value("AUDIENCE").map(str::to_owned), Ok)?),
            ca_file: arguments.ca_file.or_else(|| known.find("CA_FILE").map(PathBuf::from)),
        })
    }
}

fn decode(token: &str, printer: Printer) -> anyhow::Result<()> {
    let token = read_argument(token)?;
    // Whatever its algorithm: a token that no verifier accepts is worth a look too.
    let parts: Vec<&str> = token.trim().split('.').collect();
    let &[header, claims, signature] = parts.as_slice() else {
        bail!("a JWT in compact form has three parts joined by dots, this has {}", parts.len());
    };
    let (header, claims) = (decode_part("header", header)?, decode_part("payload", claims)?);
    base64url::decode(signature).context("the signature is not strict base64url")?;
    let text = format!("header {:#}\nclaims {:#}{}", Value::Object(header.clone()), Value::Object(claims.clone()), times(&claims));
    printer.result(&json!({ "header": header, "claims": claims }), &text);
    printer.note("The signature was not checked: this shows what the token says, not whether it is true.");
    Ok(())
}

/// An argument that `-` takes from standard input, where the list of processes does
/// not show it.
pub(super) fn read_argument(argument: &str) -> anyhow::Result<String> {
    let mut input = argument.to_owned();
    if argument == "-" {
        input.clear();
        std::io::stdin().read_to_string(&mut input).context("cannot read standard input")?;
    }
    Ok(input)
}

fn decode_part(name: &str, part: &str) -> anyhow::Result<Map<String, Value>> {
    let bytes = base64url::decode(part).with_context(|| format!("the {name} is not strict base64url"))?;
    strict_object(&bytes).with_context(|| format!("the {name} is not one JSON object without repeated members"))
}

fn times(claims: &Map<String, Value>) -> String {
    let line = |name: &str| {
        let seconds = claims.get(name)?.as_i64()?;
        Some(format!("\n{name} is {}", rfc3339(Timestamp::from_seconds(seconds))))
    };
    ["iat", "nbf", "exp"].into_iter().filter_map(line).collect()
}
