//! `--profile` of the commands that create an operator: where its secret is kept.

use anyhow::{Context as _, bail};
use clap::Args;
use countersign_protocol::Secret;

use super::Printer;
use crate::app::App;
use crate::config::ProcessEnvironment;
use crate::management::resource_server_id;
use crate::profiles::{ManagementUrl, Profile, ProfileFile, change, parse_name};

/// Where the secret of a new operator is kept.
#[derive(Args, Debug)]
pub(crate) struct NewProfileArgs {
    /// Keep the secret in a new profile of this name instead of printing it
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    profile: Option<String>,
}

impl NewProfileArgs {
    /// Refuses before anything is done.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Some(name) = &self.profile else { return Ok(()) };
        let file = ProfileFile::read(&ProfileFile::path(&ProcessEnvironment)?)?;
        if file.profiles.contains_key(name) {
            bail!("there is a profile `{name}` already: `countersign profile remove {name}`, or take another name");
        }
        Ok(())
    }

    /// The name, if one was given.
    pub(super) fn name(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// Keeps the secret if a profile is to be made; says whether it did.
    pub(super) fn keep(&self, app: &App, client_id: &str, secret: &str) -> anyhow::Result<bool> {
        let Some(name) = &self.profile else { return Ok(false) };
        let catalog = app.catalog();
        let own = catalog.resource_server(&resource_server_id()).context("the instance has no management API")?;
        let profile = Profile {
            management_url: ManagementUrl::parse(own.audience.as_str())?,
            client_id: client_id.to_owned(),
            client_secret: Secret::new(secret.to_owned()),
            ca_file: None,
        };
        change(&ProfileFile::path(&ProcessEnvironment)?, |file| {
            file.add(name, profile);
            Ok(())
        })
        .with_context(|| format!("the operator {client_id} was created, but its secret is lost"))?;
        Ok(true)
    }

    /// Says where the secret is.
    pub(super) fn say_kept(&self, printer: Printer) -> anyhow::Result<()> {
        if let Some(name) = &self.profile {
            let path = ProfileFile::path(&ProcessEnvironment)?;
            printer.note(&format!("Its secret is in the profile `{name}` in {}.", path.display()));
        }
        Ok(())
    }
}
