//! `countersign profile`.

use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use countersign_protocol::Secret;
use serde_json::{Value, json};

use super::Printer;
use super::api::{Items, Reply};
use crate::config::{Disk, Files as _, ProcessEnvironment};
use crate::profiles::{ManagementUrl, Profile, ProfileError, ProfileFile, change, choose, parse_name};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign profile add production --management-url https://auth.example.com/manage/v1 --client-id cli_06rgs5v97tzapyv6r0ykd59rv8 --secret-file secret.txt
  countersign profile list
  countersign profile use production

The file is $XDG_CONFIG_HOME/countersign/profiles.toml (~/.config unless that is set). Without a file, for example
in CI: COUNTERSIGN_MANAGEMENT_URL, COUNTERSIGN_CLIENT_ID, COUNTERSIGN_CLIENT_SECRET or COUNTERSIGN_CLIENT_SECRET_FILE,
and COUNTERSIGN_CA_FILE.";

/// The verbs of `profile`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Add a profile; its secret is read from a file or from standard input
    Add(AddArgs),
    /// List the profiles
    List,
    /// Remove a profile
    Remove(NameArgs),
    /// Show a profile, without its secret
    Show(ShowArgs),
    /// Use a profile unless another one is named
    Use(NameArgs),
}

/// Arguments of `profile add`.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Its name: 1 to 63 characters of a-z 0-9 _ -
    #[arg(value_parser = parse_name)]
    name: String,
    /// Where the management API is: the base URL of the server and /manage/v1
    #[arg(long, value_name = "URL", value_parser = ManagementUrl::parse)]
    management_url: ManagementUrl,
    /// The client that calls it
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// File with the client's secret [default: one line of standard input]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// PEM file of certificate authorities that are trusted besides Mozilla's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Replace a profile of this name
    #[arg(long)]
    replace: bool,
}

/// A profile.
#[derive(Args, Debug)]
pub(crate) struct NameArgs {
    /// Its name
    name: String,
}

/// Arguments of `profile show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Its name [default: the one that is used]
    name: Option<String>,
}

pub(super) fn run(command: ProfileCommand, printer: Printer) -> anyhow::Result<()> {
    let path = ProfileFile::path(&ProcessEnvironment);
    match command {
        ProfileCommand::Add(arguments) => add(arguments, &path?, printer),
        ProfileCommand::List => list(&path?, printer),
        ProfileCommand::Remove(one) => remove(&one.name, &path?, printer),
        ProfileCommand::Show(arguments) => show(arguments.name.as_deref(), printer),
        ProfileCommand::Use(one) => make_default(&one.name, &path?, printer),
    }
}

fn add(arguments: AddArgs, path: &Path, printer: Printer) -> anyhow::Result<()> {
    let exists = ProfileFile::read(path)?.profiles.contains_key(&arguments.name);
    ensure!(arguments.replace || !exists, "there is a profile `{}` already: --replace replaces it", arguments.name);
    let ca_file = arguments.ca_file.map(|path| path.canonicalize().with_context(|| format!("cannot use {}", path.display())));
    let profile = Profile {
        management_url: arguments.management_url,
        client_id: arguments.client_id,
        client_secret: read_secret(arguments.secret_file.as_deref(), printer)?,
        ca_file: ca_file.transpose()?,
    };
    let name = arguments.name;
    change(path, |file| {
        file.add(&name, profile);
        Ok(())
    })?;
    printer.result(&json!({ "name": name }), &format!("added the profile {name}"));
    Ok(())
}

/// Never from the arguments, which every user of the machine can read.
pub(super) fn read_secret(file: Option<&Path>, printer: Printer) -> anyhow::Result<Secret<String>> {
    let text = if let Some(path) = file {
        Disk.read(path).with_context(|| format!("cannot read {}", path.display()))?.text
    } else {
        printer.ask("Secret (it shows as you type): ");
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).context("cannot read standard input")?;
        Secret::new(line)
    };
    let text = text.expose().trim();
    if text.is_empty() {
        match file {
            Some(path) => bail!("there is no secret in {}", path.display()),
            None => bail!("there is no secret in the line of standard input"),
        }
    }
    Ok(Secret::new(text.to_owned()))
}

fn list(path: &Path, printer: Printer) -> anyhow::Result<()> {
    let file = ProfileFile::read(path)?;
    let usual = file.usual().ok();
    let items = file.profiles.iter().map(|(name, profile)| shown(name, profile, usual.as_ref() == Some(name))).collect();
    printer.items(&Items { items, next_cursor: None }, &["name", "used", "management_url", "client_id"]);
    Ok(())
}

fn show(name: Option<&str>, printer: Printer) -> anyhow::Result<()> {
    let chosen = choose(name, &ProcessEnvironment)?;
    let name = match &chosen.origin {
        crate::profiles::Origin::Environment => "(environment)",
        crate::profiles::Origin::Named(name) => name,
    };
    printer.object(&Reply { body: shown(name, &chosen.profile, true), etag: None });
    Ok(())
}

fn shown(name: &str, profile: &Profile, used: bool) -> Value {
    json!({
        "name": name, "used": used, "management_url": profile.management_url.as_str(), "client_id": profile.client_id,
        "ca_file": profile.ca_file,
    })
}

fn remove(name: &str, path: &Path, printer: Printer) -> anyhow::Result<()> {
    change(path, |file| {
        file.find(name)?;
        file.profiles.remove(name);
        if file.default.as_deref() == Some(name) {
            file.default = None;
        }
        Ok(())
    })?;
    printer.result(&json!({ "name": name, "removed": true }), &format!("removed the profile {name}"));
    Ok(())
}

fn make_default(name: &str, path: &Path, printer: Printer) -> anyhow::Result<()> {
    let made: Result<(), ProfileError> = change(path, |file| {
        file.find(name)?;
        file.default = Some(name.to_owned());
        Ok(())
    });
    made?;
    printer.result(&json!({ "name": name, "default": true }), &format!("the profile {name} is used from now on"));
    Ok(())
}
