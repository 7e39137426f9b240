//! `countersign key credits`.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Printer;
use crate::cli::api::{ApiArgs, Path};

/// Arguments of `key credits`.
#[derive(Args, Debug)]
pub(crate) struct CreditsArgs {
    /// The id of the key
    #[arg(value_name = "KEY_ID")]
    id: String,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// How they are to change.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct ChangeArgs {
    /// So many are left
    #[arg(long, value_name = "COUNT")]
    set: Option<u64>,
    /// So many more
    #[arg(long, value_name = "COUNT")]
    add: Option<u64>,
    /// So many less, at least none
    #[arg(long, value_name = "COUNT")]
    take: Option<u64>,
    /// They are not counted
    #[arg(long)]
    unlimited: bool,
}

impl ChangeArgs {
    fn body(&self) -> Value {
        let given = [("set", self.set), ("increment", self.add), ("decrement", self.take)];
        let change = given.into_iter().find(|(_, value)| value.is_some());
        let (operation, value) = change.unwrap_or(("set", None));
        json!({ "operation": operation, "value": value })
    }
}

pub(super) async fn run(arguments: &CreditsArgs, printer: Printer) -> anyhow::Result<()> {
    let path = Path::of(&["keys", &arguments.id, "credits"])?;
    printer.object(&arguments.api.connect()?.post(&path, Some(&arguments.change.body())).await?);
    Ok(())
}
