//! `countersign key scanner-rules`.

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::Value;

use crate::api_keys::ScannerFormat;
use crate::cli::Printer;
use crate::cli::api::{ApiArgs, Path};

/// Arguments of `key scanner-rules`.
#[derive(Args, Debug)]
pub(crate) struct ScannerRulesArgs {
    /// For which scanner: gitleaks, github, trufflehog
    #[arg(long, default_value = "gitleaks", value_parser = parse_format)]
    format: ScannerFormat,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(arguments: &ScannerRulesArgs, printer: Printer) -> anyhow::Result<()> {
    let path = Path::of(&["keys", "scanner-rules"])?.narrowed(&[("format", Some(arguments.format.as_str()))]);
    let reply = arguments.api.connect()?.get(&path).await?;
    let rules = reply.body.get("rules").and_then(Value::as_str).context("the server's answer has no rules")?;
    printer.result(&reply.body, rules.trim_end());
    Ok(())
}

fn parse_format(text: &str) -> anyhow::Result<ScannerFormat> {
    ScannerFormat::from_name(text).ok_or_else(|| anyhow!("accepted: {}", ScannerFormat::ALL.map(ScannerFormat::as_str).join(" ")))
}
