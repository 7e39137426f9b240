//! What is asked of the servers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The same work for each server.
pub(super) struct Job {
    pub(super) name: &'static str,
    pub(super) floor: Target,
    pub(super) ours: Target,
    /// If a peer does this.
    pub(super) peer: Option<Target>,
}

/// A form that is sent to a server again and again.
pub(super) struct Target {
    /// The server's process.
    pub(super) process: u32,
    pub(super) url: String,
    /// For wrk: the method and the form.
    pub(super) script: PathBuf,
}

impl Target {
    pub(super) fn new(folder: &Path, name: &str, process: u32, url: String, form: &str) -> Result<Self> {
        let content_type = r#"wrk.headers["Content-Type"] = "application/x-www-form-urlencoded""#;
        let text = format!("wrk.method = \"POST\"\nwrk.body = \"{form}\"\n{content_type}\n");
        Self::with_script(folder, name, process, url, &text)
    }

    /// A request with a token.
    pub(super) fn with_token(folder: &Path, name: &str, process: u32, url: String, token: &str) -> Result<Self> {
        Self::with_script(folder, name, process, url, &format!("wrk.headers[\"Authorization\"] = \"Bearer {token}\"\n"))
    }

    /// A question in JSON of a caller with a token.
    pub(super) fn with_json(folder: &Path, name: &str, (process, url): (u32, String), (token, json): (&str, &str)) -> Result<Self> {
        let headers = format!(
            r#"wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}""#
        );
        Self::with_script(folder, name, process, url, &format!("wrk.method = \"POST\"\nwrk.body = '{json}'\n{headers}\n"))
    }

    fn with_script(folder: &Path, name: &str, process: u32, url: String, text: &str) -> Result<Self> {
        let script = folder.join(format!("{name}.lua"));
        std::fs::write(&script, text).with_context(|| format!("cannot write {}", script.display()))?;
        Ok(Self { process, url, script })
    }
}
