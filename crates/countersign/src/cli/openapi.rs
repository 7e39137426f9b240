//! `countersign openapi`.

use super::Printer;
use crate::http::management_document;

pub(super) fn run(printer: Printer) -> anyhow::Result<()> {
    let document = serde_json::to_value(management_document())?;
    printer.result(&document, &serde_json::to_string_pretty(&document)?);
    Ok(())
}
