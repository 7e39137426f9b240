//! `countersign doctor`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use countersign_protocol::{Clock as _, Issuer};
use countersign_verify::SystemClock;

use super::Printer;
use super::token::{read_argument, trusting};
use super::view::clean;
use crate::doctor::{ApiQuestion, Finding, Findings, Level, examine_api, examine_issuer};
use crate::outbound::Outbound;
use crate::outside::{Observer, find_resource_metadata};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign doctor --issuer https://auth.example.com/oauth2/default
  countersign token get | countersign doctor --issuer http://localhost:8787/ --api http://localhost:8788/users --token -

It sends about a hundred forged tokens to the API: point it at APIs of your own.
Exit codes: 0 all is well, 1 there is something to mend, 2 something could not be reached.";

/// There is something to mend.
const PROBLEMS: u8 = 1;
/// Something could not be reached.
const UNREACHABLE: u8 = 2;

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// The issuer to look at [default: the one that the API's own metadata names]
    #[arg(long, value_name = "URL", required_unless_present = "api")]
    issuer: Option<String>,
    /// A path of an API that takes GET and needs a token
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// A token that this path accepts; `-` reads it from standard input
    #[arg(long, value_name = "TOKEN", requires = "api")]
    token: Option<String>,
    /// PEM file of certificate authorities that are trusted besides Mozilla's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: DoctorArgs, printer: Printer) -> ExitCode {
    match examine(arguments).await {
        Ok(findings) => {
            let lines: Vec<String> = findings.0.iter().map(line).collect();
            printer.result(&findings.to_json(), &format!("{}\n\n{}", lines.join("\n"), summary(&findings)));
            ExitCode::from(code(&findings))
        }
        Err(error) => {
            let _ = printer.failure(&error);
            ExitCode::from(UNREACHABLE)
        }
    }
}

async fn examine(arguments: DoctorArgs) -> anyhow::Result<Findings> {
    let token = arguments.token.as_deref().map(read_argument).transpose()?;
    let token = token.as_deref().map(str::trim);
    if token.is_some_and(|token| token.is_empty() || token.contains(char::is_whitespace)) {
        bail!("--token is one token");
    }
    let outbound = Outbound::new(&trusting(arguments.ca_file)?)?;
    let observer = Observer { outbound: &outbound, clock: &SystemClock };
    let named = match (arguments.issuer, &arguments.api) {
        (Some(issuer), _) => Some(issuer),
        (None, Some(url)) => {
            let metadata = find_resource_metadata(&observer, url).await;
            metadata.and_then(|metadata| metadata.authorization_servers.into_iter().next())
        }
        (None, None) => None,
    };
    let issuer = named.map(|text| Issuer::try_from(text.as_str()).with_context(|| format!("the issuer {text}"))).transpose()?;
    let mut findings = Findings::default();
    let keys = match &issuer {
        Some(issuer) => examine_issuer(&observer, issuer, &mut findings).await,
        None => None,
    };
    if let Some(url) = &arguments.api {
        let keys = keys.as_ref().map(|answer| &answer.body);
        let question = ApiQuestion { url, token, issuer: issuer.as_ref(), keys, now: SystemClock.now() };
        examine_api(&observer, &question, &mut findings).await;
    }
    Ok(findings)
}

fn line(finding: &Finding) -> String {
    let mark = match finding.level {
        Level::Fine => "ok",
        Level::Problem => "X",
        Level::Unreachable => "-",
    };
    let text = format!("  {mark:<3} {:<18} {}", finding.check, clean(&finding.text));
    match &finding.fix {
        Some(fix) => format!("{text}\n      {:<18} Fix: {}", "", clean(fix)),
        None => text,
    }
}

fn summary(findings: &Findings) -> String {
    let count = |level| findings.0.iter().filter(|finding| finding.level == level).count();
    let (problems, unreachable) = (count(Level::Problem), count(Level::Unreachable));
    match (problems, unreachable) {
        (0, 0) => "All is well.".to_owned(),
        (_, 0) => format!("{problems} to mend."),
        _ => format!("{problems} to mend, {unreachable} could not be looked at."),
    }
}

fn code(findings: &Findings) -> u8 {
    if findings.has(Level::Problem) {
        PROBLEMS
    } else if findings.has(Level::Unreachable) {
        UNREACHABLE
    } else {
        0
    }
}
