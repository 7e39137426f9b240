//! `countersign key update`.

use clap::Args;

use super::create::SettingsArgs;
use crate::cli::Printer;
use crate::cli::api::{ApiArgs, Path};
use crate::cli::verbs::{self, Members, VersionArgs};

/// Arguments of `key update`. A list replaces the one there is.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// The id of the key
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// For people
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Take all its own permissions; those of its roles and its client stay
    #[arg(long, conflicts_with = "permissions")]
    clear_permissions: bool,
    /// Take all its roles
    #[arg(long, conflicts_with = "roles")]
    clear_roles: bool,
    /// It may be used from everywhere
    #[arg(long, conflicts_with = "allowed_networks")]
    clear_allowed_networks: bool,
    /// Take all its own limits; those of its client stay
    #[arg(long, conflicts_with = "limits")]
    clear_limits: bool,
    /// Count no credits
    #[arg(long, conflicts_with = "credits")]
    clear_credits: bool,
    /// Forget what its owner calls it elsewhere
    #[arg(long, conflicts_with = "external_id")]
    clear_external_id: bool,
    /// Forget its metadata
    #[arg(long, conflicts_with = "metadata")]
    clear_metadata: bool,
    /// Valid until it is revoked
    #[arg(long, conflicts_with = "expires_at")]
    clear_expires_at: bool,
    #[command(flatten)]
    version: VersionArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(arguments: UpdateArgs, printer: Printer) -> anyhow::Result<()> {
    let members = arguments
        .settings
        .add_to(Members::default().given("name", arguments.name))
        .cleared("permissions", arguments.clear_permissions)
        .cleared("roles", arguments.clear_roles)
        .cleared("allowed_networks", arguments.clear_allowed_networks)
        .cleared("limits", arguments.clear_limits)
        .cleared("credits", arguments.clear_credits)
        .cleared("external_id", arguments.clear_external_id)
        .cleared("metadata", arguments.clear_metadata)
        .cleared("expires_at", arguments.clear_expires_at);
    let path = Path::of(&["keys", &arguments.id])?;
    verbs::update(&arguments.api.connect()?, &path, members, &arguments.version, printer).await
}
