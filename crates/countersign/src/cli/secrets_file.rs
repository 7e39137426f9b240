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
    is_empty: bool,
}

impl SecretsFile {
    /// Makes it; a file that is there is left alone.
    pub(super) fn create(path: &FilePath) -> anyhow::Result<Self> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = opened.with_context(|| format!("cannot create {}, which must not exist", path.display()))?;
        if let Some(folder) = path.canonicalize().ok().as_deref().and_then(FilePath::parent) {
            File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot keep {}", path.display()))?;
        }
        Ok(Self { file, path: path.to_owned(), is_empty: true })
    }

    /// Gives a client its first secret, and keeps it before anything else is done.
    pub(super) async fn make_first(&mut self, api: &Api, client_id: &str) -> anyhow::Result<()> {
        let body = json!({ "label": "first", "kind": "secret" });
        let asked = api.post(&Path::of(&["clients", client_id, "credentials"])?, Some(&body)).await;
        let made = asked.with_context(|| {
            format!("no secret of `{client_id}` is known: if `countersign credential list {client_id}` shows one, revoke it")
        })?;
        let member = |name: &str| made.body.get(name).and_then(Value::as_str);
        let (id, secret) = (member("id").unwrap_or_default(), member("client_secret"));
        let lost = || format!("nobody knows the secret {id} of `{client_id}`: revoke it, and make another one");
        let line = json!({ "client_id": client_id, "credential_id": id, "client_secret": secret.with_context(lost)? });
        self.is_empty = false;
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.sync_data());
        written.with_context(|| format!("cannot write {}; {}", self.shown(), lost()))
    }

    /// Removes the file if there is nothing in it: it would be in the way the next time.
    pub(super) fn discard_if_empty(&self) {
        if self.is_empty {
            // It was made a moment ago; whoever cannot remove it is told that it exists.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Its path, for people.
    pub(super) fn shown(&self) -> Display<'_> {
        self.path.display()
    }
}
