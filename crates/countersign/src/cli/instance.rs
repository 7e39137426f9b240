//! Which instance a command works on, and opening it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::app::App;
use crate::config::{self, ConfigFile, DEFAULT_FILE, Disk, Loaded, ProcessEnvironment, Sources, split_flag};
use crate::startup::{data_folder_settings, open};

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
        open(&self.load()?.config).await
    }
}
