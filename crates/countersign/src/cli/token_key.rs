//! `countersign token-key`.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Printer;
use super::api::{ApiArgs, Items, Path};
use super::instance::OfflineArgs;
use super::verbs::Members;
use crate::app::App;
use crate::audit::Actor;
use crate::ids::TokenKeyId;
use crate::log::rfc3339;
use crate::token_keys::{self, TokenKeyState};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign token-key list
  countersign token-key rotate
  countersign token-key rotate --emergency
  countersign token-key rotate --emergency --offline --config countersign.toml";

/// What a table of token keys shows.
const COLUMNS: [&str; 4] = ["id", "state", "created_at", "seals_from"];

/// The verbs of `token-key`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenKeyCommand {
    /// List the keys that seal opaque tokens; those that are destroyed are not shown
    List(ListArgs),
    /// Make the next key now; it seals 60 seconds later
    Rotate(RotateArgs),
}

/// Arguments of `token-key list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

/// Arguments of `token-key rotate`.
#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// The key to rotate; refused unless it is active, so that what is asked for twice
    /// happens once [default: the active one]
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// The key is compromised: destroy it at once, whatever its state. Every opaque token that it
    /// has sealed is refused, and a new key seals from now on
    #[arg(long)]
    emergency: bool,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

pub(super) async fn run(command: TokenKeyCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        TokenKeyCommand::List(arguments) => {
            let listed = match arguments.offline.open().await? {
                Some(app) => Items { items: list_offline(&app).await?, next_cursor: None },
                None => arguments.api.connect()?.list(&Path::of(&["token-keys"])?, None).await?,
            };
            printer.items(&listed, &COLUMNS);
            Ok(())
        }
        TokenKeyCommand::Rotate(arguments) => match arguments.offline.open().await? {
            Some(app) => rotate_offline(&app, &arguments, printer).await,
            None => {
                let body = Members::default()
                    .given("expected_active", arguments.key)
                    .given("emergency", arguments.emergency.then_some(true));
                let path = Path::of(&["token-keys", "rotate"])?;
                printer.object(&arguments.api.connect()?.post(&path, Some(&body.into_value())).await?);
                Ok(())
            }
        },
    }
}

async fn list_offline(app: &App) -> anyhow::Result<Vec<serde_json::Value>> {
    let keys = token_keys::list(app).await?;
    let item = |(key, state): &(token_keys::StoredTokenKey, TokenKeyState)| {
        json!({
            "id": key.id.as_str(), "state": state.as_str(),
            "created_at": rfc3339(key.created_at), "seals_from": rfc3339(key.seals_from),
        })
    };
    Ok(keys.iter().map(item).collect())
}

async fn rotate_offline(app: &App, arguments: &RotateArgs, printer: Printer) -> anyhow::Result<()> {
    let active = || app.catalog().token_keys.active(app.clock.now()).map(|key| key.id().clone());
    let key = arguments.key.as_deref().map(TokenKeyId::from_stored).or_else(active).context("there is no token key")?;
    let by = Actor::command_line();
    let done = if arguments.emergency {
        token_keys::replace_compromised(app, &by, &key).await?
    } else {
        token_keys::rotate(app, &by, &key).await?
    };
    let withdrawn: Vec<&str> = done.withdrawn.iter().map(TokenKeyId::as_str).collect();
    let successor = done.successor.as_ref().map(TokenKeyId::as_str);
    let text = format!(
        "active     {}\nsuccessor  {}\nwithdrawn  {}",
        done.active,
        successor.unwrap_or("none"),
        if withdrawn.is_empty() { "none".to_owned() } else { withdrawn.join(" ") }
    );
    printer.result(&json!({ "active": done.active.as_str(), "successor": successor, "withdrawn": withdrawn }), &text);
    Ok(())
}
