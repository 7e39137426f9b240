//! What the nouns share: arguments, and the verbs that are the same for all.

use std::io::{self, BufRead as _};

use anyhow::{bail, ensure};
use clap::Args;
use serde_json::{Map, Value};

use super::Printer;
use super::api::{Api, ApiArgs, Path, Reply, Version, parse_version};

/// Arguments of a list.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Print the first of them only
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    pub(super) api: ApiArgs,
}

/// Arguments of a deletion.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    pub(super) api: ApiArgs,
}

/// The version that a change expects.
#[derive(Args, Debug)]
pub(crate) struct VersionArgs {
    /// Only if it is still this version, as `show` prints it
    #[arg(long, value_name = "VERSION", value_parser = parse_version)]
    pub(super) if_match: Option<Version>,
}

impl ListArgs {
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

/// Lists what is at `path`.
pub(super) async fn list(arguments: &ListArgs, path: &Path, columns: &[&str], printer: Printer) -> anyhow::Result<()> {
    let found = arguments.api.connect()?.list(path, arguments.limit()).await?;
    printer.items(&found, columns);
    Ok(())
}

/// Shows what is at `path`.
pub(super) async fn show(api: &Api, path: &Path, printer: Printer) -> anyhow::Result<()> {
    printer.object(&api.get(path).await?);
    Ok(())
}

/// Changes what is at `path`.
pub(super) async fn update(
    api: &Api,
    path: &Path,
    members: Members,
    version: &VersionArgs,
    printer: Printer,
) -> anyhow::Result<()> {
    ensure!(!members.0.is_empty(), "nothing to change was given");
    printer.object(&api.patch(path, &members.into_value(), version.if_match.as_ref()).await?);
    Ok(())
}

/// Deletes what is at `path`, once the user agrees.
pub(super) async fn delete(arguments: &DeleteArgs, path: &Path, what: &str, printer: Printer) -> anyhow::Result<()> {
    confirm(arguments.yes, &format!("delete {what}"), printer)?;
    arguments.api.connect()?.delete(path, arguments.version.if_match.as_ref()).await?;
    printer.result(&serde_json::json!({ "deleted": true }), &format!("deleted {}", super::view::clean(what)));
    Ok(())
}

/// Prints what was created. Its secret is not shown again; if it was shown to nobody,
/// because the first reply was lost, that is said.
pub(super) fn created(reply: &Reply, way_out: &str, printer: Printer) -> anyhow::Result<()> {
    created_with(reply, "client_secret", way_out, printer)
}

/// The same where the secret is this member.
pub(super) fn created_with(reply: &Reply, member: &str, way_out: &str, printer: Printer) -> anyhow::Result<()> {
    printer.object(reply);
    check_is_there(reply, member, way_out, printer)
}

/// Says what is to be said of the secret in a reply that was printed.
pub(super) fn check_secret_is_there(reply: &Reply, way_out: &str, printer: Printer) -> anyhow::Result<()> {
    check_is_there(reply, "client_secret", way_out, printer)
}

fn check_is_there(reply: &Reply, member: &str, way_out: &str, printer: Printer) -> anyhow::Result<()> {
    ensure!(reply.body.get(member).is_some(), "it was created, but the reply that held its secret was lost on the way: {way_out}");
    printer.note("Keep the secret: it is not shown again.");
    Ok(())
}

/// Whether the user agrees: by `--yes`, or asked on a terminal.
pub(super) fn confirm(yes: bool, what: &str, printer: Printer) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    let what = super::view::clean(what);
    if !printer.ask(&format!("Really {what}? [y/N] ")) {
        bail!("nobody is there to be asked whether to {what}: add --yes");
    }
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { bail!("not done") }
}

/// The members of a request body.
#[derive(Debug, Default)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Adds a member.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a member if there is a value.
    #[must_use]
    pub(super) fn given(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a null if that is asked for.
    #[must_use]
    pub(super) fn cleared(self, name: &str, clear: bool) -> Self {
        if clear { self.with(name, Value::Null) } else { self }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}
