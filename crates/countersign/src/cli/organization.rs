//! `countersign organization`.

use clap::{Args, Subcommand};

use super::Printer;
use super::api::{ApiArgs, Path};
use super::verbs::{self, DeleteArgs, ListArgs, Members, VersionArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign organization create \"Partner Ltd\"
  countersign organization list
  countersign organization update org_06rgs5v97tzapyv6r0ykd59rv8 --name \"Partner GmbH\"";

/// The verbs of `organization`.
#[derive(Debug, Subcommand)]
pub(crate) enum OrganizationCommand {
    /// Create an organization: a partner company that owns clients
    Create(CreateArgs),
    /// List the organizations
    List(ListArgs),
    /// Show an organization
    Show(ShowArgs),
    /// Change an organization
    Update(UpdateArgs),
    /// Delete an organization that owns no client
    Delete(OneArgs),
}

/// Arguments of `organization create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// For people
    name: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `organization show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The organization
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `organization update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// The organization
    id: String,
    /// For people
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `organization delete`.
#[derive(Args, Debug)]
pub(crate) struct OneArgs {
    /// The organization
    id: String,
    #[command(flatten)]
    delete: DeleteArgs,
}

pub(super) async fn run(command: OrganizationCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        OrganizationCommand::Create(arguments) => {
            let body = Members::default().with("name", arguments.name).into_value();
            printer.object(&arguments.api.connect()?.post(&Path::of(&["organizations"])?, Some(&body)).await?);
            Ok(())
        }
        OrganizationCommand::List(arguments) => {
            verbs::list(&arguments, &Path::of(&["organizations"])?, &["id", "name", "created_at"], printer).await
        }
        OrganizationCommand::Show(arguments) => {
            verbs::show(&arguments.api.connect()?, &Path::of(&["organizations", &arguments.id])?, printer).await
        }
        OrganizationCommand::Update(arguments) => {
            let path = Path::of(&["organizations", &arguments.id])?;
            let members = Members::default().given("name", arguments.name);
            verbs::update(&arguments.api.connect()?, &path, members, &arguments.version, printer).await
        }
        OrganizationCommand::Delete(arguments) => {
            let path = Path::of(&["organizations", &arguments.id])?;
            verbs::delete(&arguments.delete, &path, &format!("organization {}", arguments.id), printer).await
        }
    }
}
