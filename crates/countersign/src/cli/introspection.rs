//! Who may introspect the tokens for a resource server.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::Printer;
use super::api::{Api, ApiArgs, Path, Reply};
use super::resource_server::WhichArgs;
use super::verbs;

const ANOTHER_SECRET: &str = "make another secret with `countersign credential create`";

/// Arguments of `resource-server allow-introspection`.
#[derive(Args, Debug)]
pub(crate) struct AllowArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// The client [default: a new one, whose secret is shown once]
    #[arg(long = "client", value_name = "CLIENT_ID")]
    client_id: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `resource-server forbid-introspection`.
#[derive(Args, Debug)]
pub(crate) struct ForbidArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// The client
    #[arg(long = "client", value_name = "CLIENT_ID")]
    client_id: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn allow(arguments: AllowArgs, printer: Printer) -> anyhow::Result<()> {
    let api = arguments.api.connect()?;
    let id = arguments.which.id(&api).await?;
    match &arguments.client_id {
        Some(client_id) => printer.object(&api.post(&leave(&id, client_id)?, None).await?),
        None => verbs::created(&create_client(&api, &id).await?, ANOTHER_SECRET, printer)?,
    }
    Ok(())
}

pub(super) async fn forbid(arguments: ForbidArgs, printer: Printer) -> anyhow::Result<()> {
    let api = arguments.api.connect()?;
    let id = arguments.which.id(&api).await?;
    api.delete(&leave(&id, &arguments.client_id)?, None).await?;
    let (client, named) = (super::view::clean(&arguments.client_id), super::view::clean(&arguments.which.resource_server));
    printer.result(&json!({ "deleted": true }), &format!("{client} may not introspect tokens for {named} any more"));
    Ok(())
}

/// Prints a new resource server, and a client that may introspect its tokens.
pub(super) async fn create_beside(api: &Api, made: Reply, printer: Printer) -> anyhow::Result<()> {
    let id = made.body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let client = create_client(api, &id).await.with_context(|| {
        format!(
            "the resource server {id} is made, but no client that may introspect its tokens: \
             try `countersign resource-server allow-introspection {id}`"
        )
    })?;
    printer.object_with(&made, ("introspection_client", &client));
    verbs::check_secret_is_there(&client, ANOTHER_SECRET, printer)
}

async fn create_client(api: &Api, id: &str) -> anyhow::Result<Reply> {
    Ok(api.post(&Path::of(&["resource-servers", id, "introspection-clients"])?, None).await?)
}

fn leave(id: &str, client_id: &str) -> anyhow::Result<Path> {
    Path::of(&["resource-servers", id, "introspection-clients", client_id])
}
