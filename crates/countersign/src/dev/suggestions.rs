//! What `dev` prints: only commands that exist, as this process was started.

use std::path::Path;

use serde_json::{Value, json};

use super::Https;
use super::objects::{AUDIENCE, CLIENT_ID, LIST_USERS, READ_USERS};
use crate::config::BaseUrl;
use crate::profiles::DEV;

/// What the text depends on.
pub(super) struct Facts<'a> {
    pub(super) base: &'a BaseUrl,
    pub(super) demo_url: &'a BaseUrl,
    pub(super) metrics_url: &'a str,
    pub(super) https: Option<&'a Https>,
    pub(super) env_path: &'a Path,
    pub(super) is_default_env: bool,
    pub(super) has_profile: bool,
    pub(super) started_in_ms: u128,
}

impl Facts<'_> {
    /// For a script.
    pub(super) fn to_json(&self) -> Value {
        let mut facts = json!({
            "base_url": self.base.as_str(),
            "demo_api_url": self.demo_url.as_str(),
            "metrics_url": self.metrics_url,
            "env_file": self.env_path,
        });
        if let (Some(https), Some(facts)) = (self.https, facts.as_object_mut()) {
            facts.insert("https_url".to_owned(), https.url.as_str().into());
            facts.insert("ca_file".to_owned(), https.ca_file.to_string_lossy().into());
        }
        facts
    }

    /// For a person.
    pub(super) fn to_text(&self) -> String {
        let Self { base, demo_url, metrics_url, started_in_ms, .. } = self;
        let env_path = quoted(&self.env_path.to_string_lossy());
        let program =
            quoted(&std::env::args_os().next().map_or_else(|| "countersign".into(), |name| name.to_string_lossy().into_owned()));
        let env_option = if self.is_default_env { String::new() } else { format!(" --env-file {env_path}") };
        let get = |scope: &str| format!("{program} token get --scope {scope}{env_option}");
        let call = |scope: &str| format!("curl -s -H \"Authorization: Bearer $({})\" {demo_url}/users", get(scope));
        let mut commands = vec![
            ("an access token -> prints a token", get(LIST_USERS)),
            ("the demo API, with a token -> 200", call(LIST_USERS)),
            ("without a token -> 401", format!("curl -s -i {demo_url}/users")),
            ("with a token that lacks the scope -> 403", call(READ_USERS)),
            (
                "the same token request by hand -> 200",
                format!(
                    "curl -s -u \"{CLIENT_ID}:$(sed -n s/^CLIENT_SECRET=//p {env_path})\" -d grant_type=client_credentials -d audience={AUDIENCE} {base}/oauth/token"
                ),
            ),
            ("what the issuer says of itself -> 200", format!("curl -s {base}/.well-known/oauth-authorization-server")),
        ];
        let mut issuers = format!("{base}/ and {base}/oauth2/default");
        if let Some(Https { url, ca_file, .. }) = self.https {
            let ca_file = quoted(&ca_file.to_string_lossy());
            let metadata = format!("curl -s --cacert {ca_file} {url}/.well-known/oauth-authorization-server");
            commands.push(("the same over TLS, under its own issuer -> 200", metadata));
            issuers.push_str(&format!("\n  and       {url}/ and {url}/oauth2/default, trusted by {ca_file}"));
        }
        if self.has_profile {
            let list = format!("{program} client list --profile {DEV} --json");
            commands.push(("every client, over the management API -> JSON", list));
        }
        let listed: String = commands.iter().map(|(what, command)| format!("  # {what}\n  {command}\n\n")).collect();
        format!(
            "Countersign is ready after {started_in_ms} ms.\n\n  \
         issuer    {issuers}\n  \
         audience  {AUDIENCE}, scopes {LIST_USERS} {READ_USERS}\n  \
         client    {CLIENT_ID}, its secret is in {env_path}\n  \
         demo API  {demo_url}/users\n  \
         metrics   {metrics_url}\n\n\
         Try next, in another terminal:\n\n{listed}Ctrl-C stops it."
        )
    }
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_are_quoted_for_the_shell() {
        assert_eq!(quoted("target/release/countersign"), "target/release/countersign");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
        assert_eq!(quoted(""), "''");
    }
}
