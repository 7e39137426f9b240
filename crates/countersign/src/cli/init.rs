//! `countersign init`.

use anyhow::Context as _;
use clap::Args;
use countersign_protocol::jose::Algorithm;
use serde_json::json;

use super::{InstanceArgs, Printer};
use crate::authorization_servers::{self, DEFAULT_ID, NewAuthorizationServer};
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
    let app = open(&config).await?;
    let id = AuthorizationServerId::from_stored(DEFAULT_ID);
    let made_server = app.catalog().authorization_server(&id).is_none();
    if made_server {
        let new = NewAuthorizationServer { id, name: "default".to_owned(), signing_alg: Algorithm::RS256, default_audience: None };
        authorization_servers::create(&app, new).await?;
    }
    let said = |made: bool| if made { "created" } else { "exists" };
    let value = json!({ "master_key": said(made_key), "authorization_server": said(made_server) });
    printer.result(&value, &format!("master key: {}\nauthorization server `default`: {}", said(made_key), said(made_server)));
    Ok(())
}
