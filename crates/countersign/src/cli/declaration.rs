//! `countersign export`, `plan` and `apply`: one file describes an instance.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::Printer;
use super::api::{Api, ApiArgs, Path};
use super::secrets_file::SecretsFile;
use super::verbs::confirm;
use super::view::clean;
use crate::declaration::{Action, Current, Declaration, ListedClient, Plan, Step, Unable, plan as compare};

/// Arguments of `export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The file to write [default: standard output]
    file: Option<PathBuf>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// The file that says what there should be
    file: PathBuf,
    /// Delete what the file does not have, and revoke public keys that it does not have
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `apply`.
#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// Carry the plan out without asking
    #[arg(long)]
    yes: bool,
    /// Make a first secret for every client of the file that needs one and has no credential,
    /// and write them to this new file, which only its owner may read [default: no secret is made]
    #[arg(long, value_name = "PATH")]
    secrets_file: Option<PathBuf>,
}

/// Writes what there is as a file.
pub(super) async fn export(arguments: ExportArgs, printer: Printer) -> anyhow::Result<()> {
    let declaration = current(&arguments.api.connect()?).await?.declare();
    let text = declaration.to_text()?;
    match arguments.file {
        None => printer.result(&serde_json::to_value(&declaration)?, text.trim_end()),
        Some(file) => {
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            let file = file.display().to_string();
            printer.result(&json!({ "file": file }), &format!("wrote {file}"));
        }
    }
    printer.note("Secrets are not in it, nor the clients that manage the instance.");
    Ok(())
}

/// Shows what `apply` would do.
pub(super) async fn plan(arguments: PlanArgs, printer: Printer) -> anyhow::Result<()> {
    let planned = planned(&arguments.api.connect()?, &arguments).await?;
    printer.result(&plan_json(&planned), &plan_text(&planned));
    note_what_stays(&planned, printer);
    note_who_cannot_authenticate(&planned.without_credential, printer);
    Ok(())
}

/// Makes the instance what the file says, one call after the other.
pub(super) async fn apply(arguments: ApplyArgs, printer: Printer) -> anyhow::Result<()> {
    let api = arguments.plan.api.connect()?;
    let planned = planned(&api, &arguments.plan).await?;
    printer.note(&plan_text(&planned));
    note_what_stays(&planned, printer);
    let to_make =
        if arguments.secrets_file.is_some() { planned.without_credential.iter().filter(|c| c.uses_secret).count() } else { 0 };
    if planned.steps.len() + to_make > 0 {
        let secrets = if to_make > 0 { format!(" and make {to_make} secrets") } else { String::new() };
        confirm(arguments.yes, &format!("carry out these {} steps{secrets}", planned.steps.len()), printer)?;
    }
    let path = arguments.secrets_file;
    if let (Some(path), 0) = (&path, to_make) {
        printer.note(&format!("No client needs a first secret: {} is not written.", path.display()));
    }
    let mut secrets = path.filter(|_| to_make > 0).map(|path| SecretsFile::create(&path)).transpose()?;
    let count = planned.steps.len();
    let done = carry_out_all(&api, planned, secrets.as_mut(), printer).await;
    if let (Err(_), Some(file)) = (&done, &secrets) {
        file.discard_if_empty();
    }
    let unable = done?;
    let result = json!({ "steps": count, "without_credential": unable_json(&unable) });
    printer.result(&result, &format!("{count} steps carried out"));
    note_who_cannot_authenticate(&unable, printer);
    Ok(())
}

/// Returns the clients that have no credential afterwards.
async fn carry_out_all(
    api: &Api,
    planned: Plan,
    secrets: Option<&mut SecretsFile>,
    printer: Printer,
) -> anyhow::Result<Vec<Unable>> {
    let mut ids = HashMap::new();
    for (number, step) in planned.steps.iter().enumerate() {
        printer.note(&format!("{}/{} {}", number + 1, planned.steps.len(), title(step)));
        let reply = carry_out(api, step, &ids).await.with_context(|| {
            format!(
                "stopped at step {} of {}: {}; what came before is done, and `apply` goes on from there",
                number + 1,
                planned.steps.len(),
                title(step)
            )
        })?;
        if let (Some(placeholder), Some(id)) = (&step.makes, reply.get("id").and_then(Value::as_str)) {
            ids.insert(placeholder.clone(), id.to_owned());
        }
    }
    make_secrets(api, planned.without_credential, secrets, printer).await
}

async fn make_secrets(
    api: &Api,
    unable: Vec<Unable>,
    file: Option<&mut SecretsFile>,
    printer: Printer,
) -> anyhow::Result<Vec<Unable>> {
    let Some(file) = file else { return Ok(unable) };
    let (to_make, left): (Vec<_>, Vec<_>) = unable.into_iter().partition(|client| client.uses_secret);
    for client in &to_make {
        file.make_first(api, &client.client_id).await?;
    }
    printer.note(&format!("{} secrets are in {}: they are not shown again.", to_make.len(), file.shown()));
    Ok(left)
}

async fn planned(api: &Api, arguments: &PlanArgs) -> anyhow::Result<Plan> {
    let wanted = read(&arguments.file)?;
    Ok(compare(&wanted, &current(api).await?, arguments.prune)?)
}

fn read(file: &FilePath) -> anyhow::Result<Declaration> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Declaration::parse(&text).with_context(|| format!("{} is no declaration", file.display()))
}

/// Everything that a declaration can speak of, as the API shows it.
async fn current(api: &Api) -> anyhow::Result<Current> {
    let servers = api.list(&Path::of(&["authorization-servers"])?, None).await?.items;
    let resource_servers = api.list(&Path::of(&["resource-servers"])?, None).await?.items;
    let organizations = api.list(&Path::of(&["organizations"])?, None).await?.items;
    let roles = api.list(&Path::of(&["roles"])?, None).await?.items;
    let mut clients = Vec::new();
    for client in api.list(&Path::of(&["clients"])?, None).await?.items {
        let id = client.get("client_id").and_then(Value::as_str).context("the server listed a client without an id")?.to_owned();
        let grants = api.list(&Path::of(&["clients", &id, "grants"])?, None).await?.items;
        let credentials = api.list(&Path::of(&["clients", &id, "credentials"])?, None).await?.items;
        clients.push(ListedClient { client, grants, credentials });
    }
    Ok(Current::read(&servers, &resource_servers, &organizations, &roles, &clients)?)
}

async fn carry_out(api: &Api, step: &Step, ids: &HashMap<String, String>) -> anyhow::Result<Value> {
    let segments: Vec<&str> = step.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let path = Path::of(&segments)?;
    let body = with_ids(&step.body, ids);
    let reply = match step.action {
        Action::Delete => api.delete(&path, None).await?,
        // Disabling and enabling are calls of their own, without a body.
        Action::Update if body.is_null() => api.post(&path, None).await?,
        Action::Update => api.patch(&path, &body, None).await?,
        Action::Create => api.post(&path, Some(&body)).await?,
    };
    Ok(reply.body)
}

/// The body with the ids of what earlier steps made.
fn with_ids(body: &Value, ids: &HashMap<String, String>) -> Value {
    match body {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), with_ids(value, ids))).collect(),
        Value::String(text) => ids.get(text).map_or_else(|| body.clone(), |id| id.as_str().into()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => body.clone(),
    }
}

fn title(step: &Step) -> String {
    clean(&format!("{} {} {}", step.action.sign(), step.kind, step.name))
}

fn plan_text(plan: &Plan) -> String {
    if plan.steps.is_empty() {
        return "Everything is as the file says.".to_owned();
    }
    let mut lines = Vec::new();
    for step in &plan.steps {
        lines.push(title(step));
        if step.action == Action::Update {
            lines.extend(step.changes.iter().map(|change| format!("    {}: {} -> {}", change.member, change.from, change.to)));
        }
    }
    lines.join("\n")
}

fn plan_json(plan: &Plan) -> Value {
    let step = |step: &Step| {
        let changes: Vec<Value> =
            step.changes.iter().map(|change| json!({ "member": change.member, "from": change.from, "to": change.to })).collect();
        let action = match step.action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        };
        json!({ "action": action, "kind": step.kind, "name": step.name, "changes": changes })
    };
    let steps: Vec<Value> = plan.steps.iter().map(step).collect();
    json!({ "steps": steps, "kept": plan.kept, "revoked": plan.revoked, "without_credential": unable_json(&plan.without_credential) })
}

fn unable_json(unable: &[Unable]) -> Value {
    unable.iter().map(|client| client.client_id.as_str()).collect()
}

/// No secret is made unasked: nobody would know it.
fn note_who_cannot_authenticate(unable: &[Unable], printer: Printer) {
    for Unable { client_id, uses_secret } in unable {
        let command = format!("countersign credential create {client_id} --label first");
        printer.note(&clean(&if *uses_secret {
            format!("`{client_id}` has no credential yet: `{command}` makes a secret and shows it once")
        } else {
            format!("`{client_id}` has no credential yet: declare its public keys, or `{command} --jwks-file FILE`")
        }));
    }
}

fn note_what_stays(plan: &Plan, printer: Printer) {
    if !plan.kept.is_empty() {
        printer.note(&clean(&format!("Not in the file, and kept without --prune: {}", plan.kept.join(", "))));
    }
    if !plan.revoked.is_empty() {
        let titles = plan.revoked.join(", ");
        printer.note(&clean(&format!("In the file, but revoked for good; another label registers the same keys again: {titles}")));
    }
}
