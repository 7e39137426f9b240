//! Which instance a command works on, and opening it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::app::App;
use crate::config::{self, ConfigFile, DEFAULT_FILE, Disk, Loaded, ProcessEnvironment, Sources, split_flag};
use crate::startup::{data_folder_settings, open_beside};

/// Where the configuration comes from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct InstanceArgs {
    /// Configuration file [default: countersign.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one setting; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = split_flag)]
    settings: Vec<(String, String)>,
    /// Use the database and the master key in this folder, as `countersign dev` keeps them
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
}

/// Whether a command works on the database itself.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OfflineArgs {
    /// Work on the database of the configuration, not through a server; so do --config, --set and --data
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    instance: InstanceArgs,
}

impl OfflineArgs {
    /// The instance, if the command is to work on its database.
    pub(crate) async fn open(&self) -> anyhow::Result<Option<Arc<App>>> {
        let is_named = self.instance.config.is_some() || self.instance.data.is_some() || !self.instance.settings.is_empty();
        if self.offline || is_named { Ok(Some(self.instance.open().await?)) } else { Ok(None) }
    }
}

impl InstanceArgs {
    /// Reads the configuration from all its layers.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let mut flags = self.settings.clone();
        if let Some(data) = &self.data {
            flags.extend(data_folder_settings(data, &ProcessEnvironment)?);
        }
        let file = match (&self.config, &self.data) {
            (Some(path), _) => ConfigFile::Named(path),
            (None, Some(_)) => ConfigFile::Nowhere,
            (None, None) => ConfigFile::IfPresent(Path::new(DEFAULT_FILE)),
        };
        Ok(config::load(&Sources { file, environment: &ProcessEnvironment, flags: &flags, files: &Disk })?)
    }

    /// Opens the instance for a single command.
    pub(crate) async fn open(&self) -> anyhow::Result<Arc<App>> {
        open_beside(&self.load()?.config).await
    }
}
