//! A new file for the secrets that `apply` was asked to make: one JSON object per line.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Display, Path as FilePath, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::api::{Api, Path};

/// The file, which only its owner may read.
pub(super) struct SecretsFile {
    file: File,
    path: PathBuf,
}

impl SecretsFile {
    /// Makes it; a file that is there is left alone.
    pub(super) fn create(path: &FilePath) -> anyhow::Result<Self> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = opened.with_context(|| format!("cannot create {}, which must not exist", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Gives a client its first secret, and keeps it before anything else is done.
    pub(super) async fn make_first(&mut self, api: &Api, client_id: &str) -> anyhow::Result<()> {
        let body = json!({ "label": "first", "kind": "secret" });
        let made = api.post(&Path::of(&["clients", client_id, "credentials"])?, Some(&body)).await?.body;
        let member = |name: &str| made.get(name).and_then(Value::as_str);
        let (id, secret) = (member("id").unwrap_or_default(), member("client_secret"));
        let lost = || format!("nobody knows the secret {id} of `{client_id}`: revoke it, and make another one");
        let line = json!({ "client_id": client_id, "credential_id": id, "client_secret": secret.with_context(lost)? });
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.sync_data());
        written.with_context(|| format!("cannot write {}; {}", self.shown(), lost()))
    }

    /// Removes the file, in which there is nothing yet.
    pub(super) fn discard(self) -> std::io::Result<()> {
        std::fs::remove_file(self.path)
    }

    /// Its path, for people.
    pub(super) fn shown(&self) -> Display<'_> {
        self.path.display()
    }
}
