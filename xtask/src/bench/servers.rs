//! The servers that are compared, started on one core.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::job::{Job, Target};
use super::ours::{Ours, line, pinned};
use crate::background::Background;
use crate::temp_folder::TempFolder;
use crate::{process, workspace};

/// The secret that the floor knows.
const FLOOR_SECRET: &str = "csec_0123456789ab0123456789012345678901234567890123456789012abcdef";
/// By algorithm: what the resource servers of each kind are called.
const AUDIENCES: [(&str, &str); 3] =
    [("RS256", "http://rs256.test"), ("ES256", "http://es256.test"), ("EdDSA", "http://eddsa.test")];

/// What is measured against the floor.
pub(super) const JOBS: [&str; 9] = [
    "token-rs256",
    "token-es256",
    "token-eddsa",
    "token-opaque",
    "introspect-es256",
    "introspect-opaque",
    "api-rs256",
    "key-verify",
    "key-verify-limits",
];
/// A resource server whose tokens are opaque, here and at the peer.
const OPAQUE: &str = "http://opaque.test";

/// More than a run can use.
const LIMIT: &str = "reads=4000000000/1d";

/// All of them. Dropping it ends them.
pub(super) struct Servers {
    floor: Background,
    floor_url: String,
    floor_token: String,
    floor_opaque_token: String,
    floor_key: String,
    ours: Ours,
    peer: Background,
    peer_url: String,
    api_peer: Background,
    api_peer_url: String,
    folder: TempFolder,
}

impl Servers {
    pub(super) fn start() -> Result<Self> {
        super::build()?;
        let peers = workspace::root().join("bench/peers");
        process::run(Command::new("npm").current_dir(&peers).args(["ci", "--no-audit", "--no-fund"]))?;
        let (folder, programs) = (TempFolder::create("bench")?, workspace::target()?.join("release"));
        let floor = Background::reading_stdout(pinned(&programs.join("floor")).env_clear(), &folder.path().join("floor.log"))?;
        let [floor_port, floor_token, floor_opaque_token, floor_key] = [line(&floor)?, line(&floor)?, line(&floor)?, line(&floor)?];
        let mut node = pinned(Path::new("node"));
        node.arg(peers.join("oidc-provider.mjs")).env("CLIENT_SECRET", FLOOR_SECRET).env("NODE_ENV", "production");
        let peer = Background::reading_stdout(&mut node, &folder.path().join("peer.log"))?;
        let peer_port = line(&peer)?;
        let ours = Ours::start(&programs.join("countersign"), folder.path())?;
        let mut node = pinned(Path::new("node"));
        node.arg(peers.join("express.mjs")).env("NODE_ENV", "production");
        node.env("ISSUER", ours.value("ROOT_ISSUER")?).env("JWKS_URI", ours.at("/.well-known/jwks.json")?);
        node.env("AUDIENCE", ours.value("AUDIENCE")?);
        let api_peer = Background::reading_stdout(&mut node, &folder.path().join("api-peer.log"))?;
        let local = |port: &str| format!("http://127.0.0.1:{port}");
        let (floor_url, peer_url, api_peer_url) = (local(&floor_port), local(&peer_port), local(&line(&api_peer)?));
        let servers = Self {
            floor,
            floor_url,
            floor_token,
            floor_opaque_token,
            floor_key,
            ours,
            peer,
            peer_url,
            api_peer,
            api_peer_url,
            folder,
        };
        servers.prepare()?;
        Ok(servers)
    }

    pub(super) fn ours_id(&self) -> u32 {
        self.ours.id()
    }

    /// Makes the resource servers that the jobs ask tokens for.
    fn prepare(&self) -> Result<()> {
        for (algorithm, audience) in AUDIENCES {
            self.ours.run(&["resource-server", "create", audience, "--signing-alg", algorithm, "--scope", "list:users"])?;
            self.ours.run(&["grant", "create", "demo-client", audience])?;
        }
        self.ours.run(&["resource-server", "create", OPAQUE, "--token-format", "opaque", "--scope", "list:users"])?;
        self.ours.run(&["grant", "create", "demo-client", OPAQUE]).map(drop)
    }

    /// One of [`JOBS`], with tokens that were just made: they live for ten minutes.
    pub(super) fn job(&self, name: &'static str) -> Result<Job> {
        let [(_, rs256), (_, es256), (_, eddsa)] = AUDIENCES;
        match name {
            "token-rs256" => self.token_job(name, "RS256", rs256),
            "token-es256" => self.token_job(name, "ES256", es256),
            "token-eddsa" => self.token_job(name, "EdDSA", eddsa),
            "token-opaque" => self.token_job(name, "opaque", OPAQUE),
            "introspect-es256" => self.introspection_job(name, es256, ("/introspect", &self.floor_token)),
            "introspect-opaque" => self.introspection_job(name, OPAQUE, ("/introspect/opaque", &self.floor_opaque_token)),
            "key-verify" => self.key_job(name, &[]),
            "key-verify-limits" => self.key_job(name, &["--limit", LIMIT]),
            _ => self.api_job(name),
        }
    }

    /// An API that verifies the same token again and again.
    fn api_job(&self, name: &'static str) -> Result<Job> {
        let token = self.ours.run(&["token", "get", "--env-file", &self.ours.env_file().to_string_lossy()])?;
        let target = |name: &str, process: u32, url: String, token: &str| {
            Target::with_token(self.folder.path(), name, process, url, token.trim())
        };
        Ok(Job {
            name,
            floor: target("api-floor", self.floor.id(), format!("{}/users", self.floor_url), &self.floor_token)?,
            ours: target("api", self.ours.id(), format!("{}/users", self.ours.value("DEMO_API_URL")?), &token)?,
            peer: Some(target("api-peer", self.api_peer.id(), format!("{}/users", self.api_peer_url), &token)?),
        })
    }

    /// The verification of one API key again and again; the peer introspects an opaque token.
    fn key_job(&self, name: &'static str, more: &[&str]) -> Result<Job> {
        let (key, token) = (self.ours.key(&self.ours.value("AUDIENCE")?, more)?, self.ours.management_token()?);
        let question = |key: &str| format!(r#"{{"key":"{key}"}}"#);
        let target = |name: &str, asked: (u32, String), token: &str, key: &str| {
            Target::with_json(self.folder.path(), name, asked, (token, &question(key)))
        };
        let floor = (self.floor.id(), format!("{}/keys/verify", self.floor_url));
        let ours = (self.ours.id(), self.ours.at("/manage/v1/keys/verify")?);
        let peer = self.introspection_job("introspect-opaque", OPAQUE, ("/introspect/opaque", &self.floor_opaque_token))?.peer;
        Ok(Job {
            name,
            floor: target(&format!("{name}-floor"), floor, &self.floor_token, &self.floor_key)?,
            ours: target(name, ours, &token, &key)?,
            peer,
        })
    }

    /// `algorithm` may be `opaque`: then the token is not signed.
    fn token_job(&self, name: &'static str, algorithm: &str, audience: &str) -> Result<Job> {
        let form = |secret: &str, parameter: &str| {
            format!(
                "grant_type=client_credentials&{parameter}={audience}&scope=list:users&client_id=demo-client&client_secret={secret}"
            )
        };
        let floor_url = format!("{}/token/{}", self.floor_url, algorithm.to_lowercase());
        let peer = match algorithm {
            "EdDSA" => None,
            _ => Some(self.target(
                &format!("{name}-peer"),
                self.peer.id(),
                format!("{}/token", self.peer_url),
                &form(FLOOR_SECRET, "resource"),
            )?),
        };
        Ok(Job {
            name,
            floor: self.target(&format!("{name}-floor"), self.floor.id(), floor_url, &form(FLOOR_SECRET, "audience"))?,
            ours: self.target(
                name,
                self.ours.id(),
                self.ours.at("/oauth/token")?,
                &form(&self.ours.value("CLIENT_SECRET")?, "audience"),
            )?,
            peer,
        })
    }

    fn introspection_job(&self, name: &'static str, audience: &str, (path, floor_token): (&str, &str)) -> Result<Job> {
        let env_file = self.ours.env_file();
        let token = self.ours.run(&["token", "get", "--audience", audience, "--env-file", &env_file.to_string_lossy()])?;
        let form = |secret: &str, token: &str| format!("token={token}&client_id=demo-client&client_secret={secret}");
        let ours = form(&self.ours.value("CLIENT_SECRET")?, token.trim());
        let peer_token = self.peer_token()?;
        Ok(Job {
            name,
            floor: self.target(
                &format!("{name}-floor"),
                self.floor.id(),
                format!("{}{path}", self.floor_url),
                &form(FLOOR_SECRET, floor_token),
            )?,
            ours: self.target(name, self.ours.id(), self.ours.at("/oauth/introspect")?, &ours)?,
            peer: Some(self.target(
                &format!("{name}-peer"),
                self.peer.id(),
                format!("{}/token/introspection", self.peer_url),
                &form(FLOOR_SECRET, &peer_token),
            )?),
        })
    }

    /// An opaque one: the peer does not introspect its JWTs.
    fn peer_token(&self) -> Result<String> {
        let form = format!(
            "grant_type=client_credentials&resource={OPAQUE}&scope=list:users&client_id=demo-client&client_secret={FLOOR_SECRET}"
        );
        let said = process::read(Command::new("curl").args(["-sS", "-d", &form, &format!("{}/token", self.peer_url)]))?;
        let token = said.split_once("\"access_token\":\"").and_then(|(_, rest)| rest.split_once('"'));
        Ok(token.with_context(|| format!("the peer gives no token: {said}"))?.0.to_owned())
    }

    fn target(&self, name: &str, process: u32, url: String, form: &str) -> Result<Target> {
        Target::new(self.folder.path(), name, process, url, form)
    }
}
