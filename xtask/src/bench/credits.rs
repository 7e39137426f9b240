//! What durable credits cost: one commit for each request, and commits that many requests share.

use anyhow::Result;

use super::job::Target;
use super::load::{self, Sample};
use super::median::Interval;
use super::ours::Ours;
use super::{build, undisturbed};
use crate::temp_folder::TempFolder;
use crate::{print, workspace};

/// Seconds of each run.
const SECONDS: u32 = 5;
/// With one, each request waits for a commit of its own.
const CONNECTIONS: [u32; 3] = [1, 64, 256];
/// More than all runs can spend.
const CREDITS: &str = "1000000000000";

/// Verifies a key with credits over one connection, and over many that share its commits.
pub(super) fn run(pairs: usize) -> Result<()> {
    build()?;
    let folder = TempFolder::create("credits")?;
    let ours = Ours::start(&workspace::target()?.join("release/countersign"), folder.path())?;
    let key = ours.key(&ours.value("AUDIENCE")?, &["--credits", CREDITS])?;
    let asked = (ours.id(), ours.at("/manage/v1/keys/verify")?);
    let question = format!(r#"{{"key":"{key}"}}"#);
    let target = Target::with_json(folder.path(), "credits", asked, (&ours.management_token()?, &question))?;
    let mut samples = CONNECTIONS.map(|_| Vec::new());
    for pair in 1..=pairs {
        for (connections, samples) in CONNECTIONS.into_iter().zip(&mut samples) {
            samples.push(undisturbed(|| load::run_with(&target, connections, SECONDS))?.0);
        }
        print::line(&format!("credits {pair}/{pairs}"));
    }
    let [alone, ..] = &samples;
    for (connections, samples) in CONNECTIONS.into_iter().zip(&samples) {
        print::line(&said(connections, samples, alone));
    }
    Ok(())
}

fn said(connections: u32, samples: &[Sample], alone: &[Sample]) -> String {
    let of = |figure: fn(&Sample) -> f64| Interval::of(samples.iter().map(figure).collect()).median;
    let times = Interval::of(samples.iter().zip(alone).map(|(sample, alone)| sample.rate / alone.rate).collect());
    format!(
        "{connections} connections: {:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms, {:.1} us CPU; {:.1} times one ({:.1} to {:.1})",
        of(|sample| sample.rate),
        of(|sample| sample.p50_millis),
        of(|sample| sample.p99_millis),
        of(|sample| sample.cpu_micros),
        times.median,
        times.low,
        times.high
    )
}
