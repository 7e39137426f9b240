//! `countersign init`.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use clap::Args;
use countersign_protocol::jose::Algorithm;
use serde_json::json;

use super::new_profile::NewProfileArgs;
use super::{InstanceArgs, Printer};
use crate::app::App;
use crate::audit::Actor;
use crate::authorization_servers::{self, NewAuthorizationServer};
use crate::clients::CreatedClient;
use crate::entropy::SystemEntropy;
use crate::ids::AuthorizationServerId;
use crate::management::{create_operator, resource_server_id};
use crate::master_key_file;
use crate::startup::open;

/// Arguments of `init`.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    profile: NewProfileArgs,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(arguments: InitArgs, printer: Printer) -> anyhow::Result<()> {
    arguments.profile.check()?;
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
        let new = NewAuthorizationServer {
            id,
            name: "default".to_owned(),
            signing_alg: Algorithm::RS256,
            status_lists: false,
            default_audience: None,
        };
        authorization_servers::create(&app, &Actor::command_line(), new).await?;
    }
    let operator = if has_operator(&app).await? { None } else { Some(create_first_operator(&app).await?) };
    let said = |made: bool| if made { "created" } else { "exists" };
    let key = if config.keys.master_key_file().is_some() { said(made_key) } else { "from the environment" };
    let mut value = json!({ "master_key": key, "authorization_server": said(made_server), "operator": said(operator.is_some()) });
    let mut text =
        format!("master key: {key}\nauthorization server `default`: {}\noperator: {}", said(made_server), said(operator.is_some()));
    if let Some(operator) = operator {
        let (id, secret) = (operator.client.id.as_str(), operator.secret.text.expose());
        if arguments.profile.keep(&app, id, secret)? {
            merge(&mut value, &json!({ "client_id": id }));
            printer.result(&value, &format!("{text}\nclient_id  {id}"));
            return arguments.profile.say_kept(printer);
        }
        merge(&mut value, &json!({ "client_id": id, "client_secret": secret }));
        let _ = write!(text, "\nclient_id      {id}\nclient_secret  {secret}");
        printer.result(&value, &text);
        printer.note("Keep the operator's secret: it is not shown again.");
    } else {
        printer.result(&value, &text);
        if let Some(name) = arguments.profile.name() {
            bail!(
                "the operator's secret was shown when it was created: `countersign operator create --profile {name}` makes another operator"
            );
        }
    }
    Ok(())
}

/// Whether anyone holds a right on the management API.
async fn has_operator(app: &App) -> anyhow::Result<bool> {
    let id = resource_server_id();
    let found = app.store.read(move |session| Box::pin(async move { session.has_grant_for(&id).await }));
    Ok(found.await.map_err(|error: crate::store::StoreError| error)?)
}

async fn create_first_operator(app: &App) -> anyhow::Result<CreatedClient> {
    Ok(create_operator(app, &Actor::command_line(), None, "Operator").await?)
}

fn merge(value: &mut serde_json::Value, more: &serde_json::Value) {
    if let (Some(value), Some(more)) = (value.as_object_mut(), more.as_object()) {
        value.extend(more.clone());
    }
}
