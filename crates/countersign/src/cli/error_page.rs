//! `countersign error-page`.

use anyhow::Context;
use clap::Args;

use super::Printer;
use crate::error_pages;

/// Arguments of `error-page`.
#[derive(Args, Debug)]
pub(crate) struct ErrorPageArgs {
    /// The code, such as CS-1204
    code: Option<String>,
}

pub(super) fn run(arguments: &ErrorPageArgs, printer: Printer) -> anyhow::Result<()> {
    let page = match &arguments.code {
        Some(name) => error_pages::page(error_pages::named(name).with_context(|| format!("there is no code {name}"))?),
        None => error_pages::index(),
    };
    printer.result(&serde_json::json!({ "markdown": page }), page.trim_end());
    Ok(())
}
