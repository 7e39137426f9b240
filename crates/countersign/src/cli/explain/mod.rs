//! `countersign explain`.

mod request;
mod standing;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use countersign_protocol::jose::JwkSet;
use countersign_protocol::{Audience, Issuer};
use countersign_verify::SystemClock;

use super::Printer;
use super::api::ApiArgs;
use super::token::{read_argument, trusting};
use crate::dev::{DEFAULT_DATA, EnvFile};
use crate::explain::{Expectations, Keys, KeysMissing, Standing, Verdict, examine};
use crate::outbound::Outbound;
use crate::outside::{IssuerDocuments, IssuerFault, Observer, find_resource_metadata};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign token get | countersign explain -
  countersign explain - --issuer https://auth.example.com/oauth2/default --api https://api.example.com --need list:users < token.txt
  countersign explain - --issuer https://auth.example.com/ --api https://api.example.com --jwks keys.json < token.txt
  countersign explain --request 8UqfKxwnQ0yEJ8Zb

Exit codes: 0 accepted, 1 refused, 2 could not be judged.";

/// The token is refused.
const REFUSED: u8 = 1;
/// The refused request is not known, or nobody could be asked.
const FAILED: u8 = 1;
/// The token could not be judged.
const NOT_JUDGED: u8 = 2;

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The token, or the whole Authorization header; `-` reads it from standard input, where no shell keeps it
    #[arg(required_unless_present = "request")]
    token: Option<String>,
    /// The id of a refused request instead, the header `X-Request-Id` of the answer: the management API is asked
    #[arg(long, value_name = "ID", conflicts_with_all = ["token", "issuer", "api", "need", "accept_untyped", "jwks"])]
    request: Option<String>,
    /// The issuer that the API trusts, byte for byte [default: what the API's own metadata says, else that of `countersign dev`]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The audience that the API expects, or its URL if it publishes metadata (RFC 9728)
    #[arg(long, value_name = "AUDIENCE-OR-URL")]
    api: Option<String>,
    /// A scope that the request needs; may be repeated
    #[arg(long, value_name = "SCOPE")]
    need: Vec<String>,
    /// The API takes tokens whose `typ` is absent or `JWT`
    #[arg(long)]
    accept_untyped: bool,
    /// File with the issuer's keys (a JWK Set): nothing is fetched
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// PEM file of certificate authorities that are trusted besides Mozilla's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ask the management API whether the client and its credential are still accepted
    #[command(flatten)]
    api_profile: ApiArgs,
}

pub(super) async fn run(arguments: ExplainArgs, printer: Printer) -> ExitCode {
    let (outcome, failed) = match &arguments.request {
        Some(request_id) => (request::run(&arguments.api_profile, request_id, printer).await.map(|()| 0), FAILED),
        None => (explain(arguments, printer).await, NOT_JUDGED),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = printer.failure(&error);
            ExitCode::from(failed)
        }
    }
}

async fn explain(arguments: ExplainArgs, printer: Printer) -> anyhow::Result<u8> {
    let token = read_argument(arguments.token.as_deref().unwrap_or("-"))?;
    let asked = Asked::read(&arguments, printer).await?;
    let (keys, ahead_millis) = asked.keys(arguments.jwks).await?;
    let expected = Expectations {
        issuer: asked.issuer,
        audience: asked.audience,
        needs: arguments.need,
        accept_untyped: arguments.accept_untyped,
    };
    let examined = examine(&token, expected, keys, Arc::new(SystemClock)).await?;
    let standing = match examined.explanation().claims() {
        Some(claims) if arguments.api_profile.is_named() => {
            standing::ask(&arguments.api_profile, claims, examined.explanation().key_id()).await
        }
        Some(_) => Standing::NotAsked("nobody was asked: --profile NAME asks the management API"),
        None => Standing::NotAsked("which token it is, is not known"),
    };
    let report = examined.report(&standing, ahead_millis);
    printer.result(&report.to_json(), &text::of(&report));
    Ok(match report.verdict {
        Verdict::Accepted => 0,
        Verdict::Refused(_) => REFUSED,
        Verdict::NotJudged(_) | Verdict::Incomplete => NOT_JUDGED,
    })
}

/// By what the token is judged, and how to get keys.
struct Asked {
    issuer: Option<Issuer>,
    audience: Option<Audience>,
    outbound: Outbound,
}

impl Asked {
    async fn read(arguments: &ExplainArgs, printer: Printer) -> anyhow::Result<Self> {
        let (mut issuer, mut audience) = (arguments.issuer.clone(), arguments.api.clone());
        let mut ca_file = arguments.ca_file.clone();
        let is_silent = issuer.is_none() && audience.is_none() && arguments.jwks.is_none();
        if let Some(dev) =
            is_silent.then(|| PathBuf::from(DEFAULT_DATA).join(EnvFile::NAME)).and_then(|path| EnvFile::read(&path).ok())
        {
            printer.note("Judged as the demo API of `countersign dev` does; --issuer and --api name others.");
            issuer = dev.find("ROOT_ISSUER").map(str::to_owned);
            audience = dev.find("AUDIENCE").map(str::to_owned);
            ca_file = ca_file.or_else(|| dev.find("CA_FILE").map(PathBuf::from));
        }
        let outbound = Outbound::new(&trusting(ca_file)?)?;
        if issuer.is_none()
            && arguments.jwks.is_none()
            && let Some(url) = &audience
        {
            let observer = Observer { outbound: &outbound, clock: &SystemClock };
            if let Some(metadata) = find_resource_metadata(&observer, url).await {
                printer.note(&format!("{} names the issuer and the audience.", metadata.url));
                issuer = metadata.authorization_servers.first().cloned();
                audience = Some(metadata.resource);
            }
        }
        let parsed = issuer.map(|text| Issuer::try_from(text.as_str()).with_context(|| format!("--issuer {text}")));
        let audience = audience.map(|text| Audience::try_from(text.as_str()).with_context(|| format!("--api {text}")));
        Ok(Self { issuer: parsed.transpose()?, audience: audience.transpose()?, outbound })
    }

    async fn keys(&self, file: Option<PathBuf>) -> anyhow::Result<(Keys, Option<i64>)> {
        if let Some(path) = file {
            let document = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            JwkSet::parse(&document).with_context(|| path.display().to_string())?;
            return Ok((Keys { document: Ok(document), place: path.display().to_string() }, None));
        }
        let Some(issuer) = &self.issuer else {
            return Ok((Keys { document: Err(KeysMissing::NoIssuer), place: String::new() }, None));
        };
        let observer = Observer { outbound: &self.outbound, clock: &SystemClock };
        let documents = IssuerDocuments::fetch(&observer, issuer).await;
        let ahead_millis = documents.ahead_millis();
        Ok((usable(issuer, documents), ahead_millis))
    }
}

/// The keys that were fetched, if a verifier could use them.
fn usable(issuer: &Issuer, documents: IssuerDocuments) -> Keys {
    match (documents.keys, documents.fault) {
        (Some(answer), _) => match JwkSet::parse(&answer.body) {
            Ok(_) => Keys { document: Ok(answer.body.to_vec()), place: answer.url },
            Err(error) => Keys { document: Err(KeysMissing::Unusable(error.to_string())), place: answer.url },
        },
        (None, Some(IssuerFault::OtherIssuer { url, stated })) => {
            Keys { document: Err(KeysMissing::OtherIssuer(stated)), place: url }
        }
        (None, fault) => {
            let why = fault.map(|fault| fault.to_string()).unwrap_or_default();
            Keys { document: Err(KeysMissing::Unusable(why)), place: issuer.to_string() }
        }
    }
}
