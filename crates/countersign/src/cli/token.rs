//! `countersign token`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use countersign_protocol::Timestamp;
use countersign_protocol::jose::base64url;
use countersign_protocol::jose::json::strict_object;
use serde_json::{Map, Value, json};

use super::Printer;
use crate::config::{Disk, NamedFile, Place};
use crate::dev::{DEFAULT_DATA, EnvFile};
use crate::log::rfc3339;
use crate::outbound::{Outbound, OutboundOptions};

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
    /// The token endpoint [default: /oauth/token of BASE_URL of the env file]
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// File with BASE_URL, AUDIENCE, CLIENT_ID and CLIENT_SECRET, as `countersign dev` writes it
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

/// Arguments of `token decode`.
#[derive(Args, Debug)]
pub(crate) struct DecodeArgs {
    /// The token; `-` reads it from standard input
    token: String,
}

pub(super) async fn run(command: TokenCommand, printer: &Printer) -> anyhow::Result<()> {
    match command {
        TokenCommand::Get(arguments) => get(arguments, printer).await,
        TokenCommand::Decode(arguments) => decode(&arguments.token, printer),
    }
}

async fn get(arguments: GetArgs, printer: &Printer) -> anyhow::Result<()> {
    let path = arguments.env_file.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA).join(EnvFile::NAME));
    let known = EnvFile::read(&path).with_context(|| {
        format!("cannot read {}: start `countersign dev` here, or name its env file with --env-file", path.display())
    })?;
    let value = |name: &str| known.find(name).with_context(|| format!("{} has no {name}", path.display()));
    let token_url =
        arguments.token_url.map_or_else(|| Ok::<_, anyhow::Error>(format!("{}/oauth/token", value("BASE_URL")?)), Ok)?;
    let audience = arguments.audience.map_or_else(|| value("AUDIENCE").map(str::to_owned), Ok)?;
    let mut form = vec![("grant_type", "client_credentials"), ("audience", audience.as_str())];
    if let Some(scope) = &arguments.scope {
        form.push(("scope", scope));
    }
    let secret = countersign_protocol::Secret::new(value("CLIENT_SECRET")?.to_owned());
    let body =
        Outbound::new(&trusting(known.find("CA_FILE"))?)?.request_token(&token_url, value("CLIENT_ID")?, &secret, &form).await?;
    let response: Value = serde_json::from_slice(&body).context("the token response is not JSON")?;
    let Some(token) = response.get("access_token").and_then(Value::as_str) else { bail!("the token response has no access_token") };
    printer.result(&response, token);
    Ok(())
}

/// Trusts the development authority of the env file too, for a token endpoint of `dev --tls`.
fn trusting(ca_file: Option<&str>) -> anyhow::Result<OutboundOptions> {
    let Some(ca_file) = ca_file else { return Ok(OutboundOptions::default()) };
    let file = NamedFile { key: "CA_FILE", path: PathBuf::from(ca_file), place: Place::Default };
    Ok(OutboundOptions { extra_roots: file.read_certificates(&Disk)?, ..OutboundOptions::default() })
}

fn decode(token: &str, printer: &Printer) -> anyhow::Result<()> {
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
