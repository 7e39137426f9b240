//! The status feed: how soon many verifiers refuse what is revoked, on one node and through
//! the other of two, what ten million revoked tokens cost a verifier, what a stream costs
//! while nothing happens, and what the status claim costs issuance.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::job::Target;
use super::load::{self, Sample};
use super::median::Interval;
use super::nodes::Nodes;
use super::ours::{Ours, member};
use super::usage::LOAD_CORE;
use super::{SECONDS, build, undisturbed};
use crate::temp_folder::TempFolder;
use crate::{print, process, workspace};

const VERIFIERS: &str = "1000";
const REVOCATIONS: &str = "20";
/// For which an idle stream is read.
const IDLE_SECONDS: u32 = 60;
/// By algorithm: a resource server for each.
const AUDIENCES: [(&str, &str); 3] =
    [("RS256", "http://rs256.test"), ("ES256", "http://es256.test"), ("EdDSA", "http://eddsa.test")];

pub(super) fn run(pairs: usize) -> Result<()> {
    build()?;
    let programs = Programs { folder: workspace::target()?.join("release") };
    programs.one_node(pairs)?;
    print::line("through the other of two nodes on one PostgreSQL:");
    let nodes = Nodes::start(&programs.countersign())?;
    programs.latency(&nodes.env_file, &nodes.second)?;
    drop(nodes);
    print::line("ten million revoked tokens:");
    process::run(Command::new("taskset").args(["-c", LOAD_CORE]).arg(programs.feed()).arg("many-revoked"))
}

/// Where the release is.
struct Programs {
    folder: PathBuf,
}

impl Programs {
    fn countersign(&self) -> PathBuf {
        self.folder.join("countersign")
    }

    fn feed(&self) -> PathBuf {
        self.folder.join("feed")
    }

    fn one_node(&self, pairs: usize) -> Result<()> {
        let folder = TempFolder::create("feed")?;
        let ours = Ours::start(&self.countersign(), folder.path())?;
        print::line("one node:");
        self.latency(&ours.env_file(), &ours.at("")?)?;
        print::line(&idle_stream(&ours)?);
        for (algorithm, audience) in AUDIENCES {
            ours.run(&["resource-server", "create", audience, "--signing-alg", algorithm, "--scope", "list:users"])?;
            ours.run(&["grant", "create", "demo-client", audience])?;
            print::line(&cost_of_the_claim(&ours, folder.path(), (algorithm, audience), pairs)?);
        }
        Ok(())
    }

    /// Verifiers on the core of the load; whoever revokes asks the server at `revoke_at`.
    fn latency(&self, env_file: &Path, revoke_at: &str) -> Result<()> {
        let mut command = Command::new("taskset");
        command.args(["-c", LOAD_CORE]).arg(self.feed()).arg("latency").arg(env_file);
        process::run(command.args([revoke_at, VERIFIERS, REVOCATIONS]))
    }
}

/// What a stream carries per second while nothing is revoked.
fn idle_stream(ours: &Ours) -> Result<String> {
    let form = format!(
        "grant_type=client_credentials&audience={}&client_id={}&client_secret={}",
        ours.value("MANAGEMENT_URL")?,
        ours.value("STATUS_CLIENT_ID")?,
        ours.value("STATUS_CLIENT_SECRET")?
    );
    let said = process::read(Command::new("curl").args(["-sS", "-d", &form, &ours.at("/oauth/token")?]))?;
    let header = format!("Authorization: Bearer {}", member(&said, "access_token")?);
    let url = ours.at("/oauth2/default/v1/status/stream")?;
    let limit = IDLE_SECONDS.to_string();
    // curl says with 28 that its time is over.
    let script = r#"curl -sSN -m "$1" -H "$2" -o /dev/null -w '%{size_header} %{size_download}' "$3" 2>/dev/null || test $? = 28"#;
    let said = process::read(Command::new("sh").args(["-c", script, "sh", &limit, &header, &url]))?;
    let bytes: f64 = said.split_once(' ').context("curl says no size")?.1.trim().parse()?;
    Ok(format!("an idle stream: {:.0} bytes/s over {IDLE_SECONDS} s", bytes / f64::from(IDLE_SECONDS)))
}

/// Tokens with and without the status claim, in turn.
fn cost_of_the_claim(ours: &Ours, folder: &Path, (algorithm, audience): (&str, &str), pairs: usize) -> Result<String> {
    let form = format!(
        "grant_type=client_credentials&audience={audience}&scope=list:users&client_id=demo-client&client_secret={}",
        ours.value("CLIENT_SECRET")?
    );
    let target = Target::new(folder, algorithm, ours.id(), ours.at("/oauth/token")?, &form)?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        for (lists, samples) in [("true", &mut with), ("false", &mut without)] {
            ours.run(&["authorization-server", "update", "default", "--status-lists", lists])?;
            samples.push(undisturbed(|| load::run(&target, SECONDS))?.0);
        }
    }
    Ok(compared(algorithm, &with, &without))
}

fn compared(algorithm: &str, with: &[Sample], without: &[Sample]) -> String {
    let of = |samples: &[Sample], figure: fn(&Sample) -> f64| Interval::of(samples.iter().map(figure).collect()).median;
    let cost = with.iter().zip(without).map(|(with, without)| 100.0 * (1.0 - with.rate / without.rate)).collect();
    let cost = Interval::of(cost);
    format!(
        "{algorithm}: {:.0} tokens/s with the claim, {:.0} without; {:.1} and {:.1} us CPU; it takes {:.1} % ({:.1} to {:.1})",
        of(with, |sample| sample.rate),
        of(without, |sample| sample.rate),
        of(with, |sample| sample.cpu_micros),
        of(without, |sample| sample.cpu_micros),
        cost.median,
        cost.low,
        cost.high
    )
}
