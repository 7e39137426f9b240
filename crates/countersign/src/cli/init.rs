//! `countersign init`.

use anyhow::Context as _;
use clap::Args;
use countersign_protocol::jose::Algorithm;
use serde_json::json;

use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::authorization_servers::{self, NewAuthorizationServer};
use crate::entropy::SystemEntropy;
use crate::ids::AuthorizationServerId;
use crate::master_key_file;
use crate::startup::open;

/// Arguments of `init`.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(arguments: InitArgs, printer: &Printer) -> anyhow::Result<()> {
    let config = arguments.instance.load()?.config;
    let mut made_key = false;
    if let Some(path) = config.keys.master_key_file() {
        made_key = master_key_file::create_if_missing(path, &SystemEntropy)
            .with_context(|| format!("cannot create the master key file {}", path.display()))?;
    }
    let app = match open(&config).await {
        Ok(app) => app,
        Err(error) => {
            if made_key && let Some(path) = config.keys.master_key_file() {
                // It opens nothing, and would be taken for the right one.
                std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
            return Err(error);
        }
    };
    let id = AuthorizationServerId::default_server();
    let made_server = app.catalog().authorization_server(&id).is_none();
    if made_server {
        let new = NewAuthorizationServer { id, name: "default".to_owned(), signing_alg: Algorithm::RS256, default_audience: None };
        authorization_servers::create(&app, &Actor::command_line(), new).await?;
    }
    let said = |made: bool| if made { "created" } else { "exists" };
    let key = if config.keys.master_key_file().is_some() { said(made_key) } else { "from the environment" };
    let value = json!({ "master_key": key, "authorization_server": said(made_server) });
    printer.result(&value, &format!("master key: {key}\nauthorization server `default`: {}", said(made_server)));
    Ok(())
}
