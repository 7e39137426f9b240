//! `countersign role`.

use clap::{Args, Subcommand};

use super::Printer;
use super::api::{ApiArgs, Path};
use super::verbs::{self, DeleteArgs, ListArgs, Members, VersionArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign role create reader --permission orders.read --permission invoices.read
  countersign role list
  countersign role update reader --permission orders.* --description \"Reads orders\"";

/// The verbs of `role`.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Create a role: permissions under a name, for API keys and clients
    Create(CreateArgs),
    /// List the roles
    List(ListArgs),
    /// Show a role
    Show(ShowArgs),
    /// Change a role, for all that have it
    Update(UpdateArgs),
    /// Delete a role that nothing has
    Delete(OneArgs),
}

/// Arguments of `role create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Its name: A-Z a-z 0-9 _ : . -
    name: String,
    /// For people
    #[arg(long)]
    description: Option<String>,
    /// A permission it gives; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `role show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The role
    name: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `role update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// The role
    name: String,
    /// For people
    #[arg(long)]
    description: Option<String>,
    /// A permission it gives; may be repeated, and replaces all there are
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Option<Vec<String>>,
    /// It gives nothing
    #[arg(long, conflicts_with = "permissions")]
    clear_permissions: bool,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `role delete`.
#[derive(Args, Debug)]
pub(crate) struct OneArgs {
    /// The role
    name: String,
    #[command(flatten)]
    delete: DeleteArgs,
}

pub(super) async fn run(command: RoleCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        RoleCommand::Create(arguments) => {
            let body = Members::default()
                .with("name", arguments.name)
                .given("description", arguments.description)
                .with("permissions", arguments.permissions)
                .into_value();
            printer.object(&arguments.api.connect()?.post(&Path::of(&["roles"])?, Some(&body)).await?);
            Ok(())
        }
        RoleCommand::List(arguments) => {
            verbs::list(&arguments, &Path::of(&["roles"])?, &["name", "description", "permissions", "created_at"], printer).await
        }
        RoleCommand::Show(arguments) => {
            verbs::show(&arguments.api.connect()?, &Path::of(&["roles", &arguments.name])?, printer).await
        }
        RoleCommand::Update(arguments) => {
            let path = Path::of(&["roles", &arguments.name])?;
            let members = Members::default()
                .given("description", arguments.description)
                .given("permissions", arguments.permissions)
                .cleared("permissions", arguments.clear_permissions);
            verbs::update(&arguments.api.connect()?, &path, members, &arguments.version, printer).await
        }
        RoleCommand::Delete(arguments) => {
            let path = Path::of(&["roles", &arguments.name])?;
            verbs::delete(&arguments.delete, &path, &format!("role {}", arguments.name), printer).await
        }
    }
}
