//! Measuring: the floor, ours and a peer, interleaved, each on the same core.

mod conversation;
mod credits;
mod feed;
mod job;
mod load;
mod median;
mod nodes;
mod ours;
mod scale;
mod servers;
mod usage;
mod verify;

use anyhow::{Result, ensure};

use self::job::Job;
use self::load::Sample;
use self::median::Interval;
use self::servers::{JOBS, Servers};
use crate::{print, process};

/// Runs of each server per job unless told otherwise.
pub(crate) const DEFAULT_PAIRS: usize = 20;
/// Seconds of each run.
const SECONDS: u32 = 2;
/// A run during which others used more of the core is made again.
const MOST_FOREIGN: f64 = 0.05;
/// How often a disturbed run is made again before it counts as it is.
const MAX_TRIES: usize = 5;

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BenchOptions {
    pub(crate) pairs: usize,
    pub(crate) job: Option<String>,
}

pub(crate) fn run(options: &BenchOptions) -> Result<()> {
    for program in ["wrk", "taskset", "node", "npm"] {
        ensure!(
            process::find(program).is_some(),
            "the benchmark needs `{program}`: install it (apt-get install wrk util-linux npm)"
        );
    }
    ensure!(usage::cores()? >= 2, "the benchmark needs two cores: one for the server, one for the load");
    match options.job.as_deref() {
        Some("scale") => return scale::run_clients(options.pairs),
        Some("memory") => return scale::run_memory(),
        Some("scale-keys") => return scale::run_keys(options.pairs),
        Some("import") => return scale::run_import(),
        Some("credits") => return credits::run(options.pairs),
        Some("feed") => return feed::run(options.pairs),
        Some("verify") => return verify::run(options.pairs),
        _ => {}
    }
    let jobs: Vec<&str> = JOBS.into_iter().filter(|job| options.job.as_ref().is_none_or(|only| only == job)).collect();
    ensure!(!jobs.is_empty(), "there is no such job: {} scale memory verify scale-keys import credits feed", JOBS.join(" "));
    let servers = Servers::start()?;
    let mut rows = Vec::new();
    for job in jobs {
        rows.push(measure(&servers.job(job)?, options.pairs)?);
        print::line(&rows.last().map(line).unwrap_or_default());
    }
    print::line(&table(&rows));
    print::line(&format!("idle memory after all of it: {} MB", usage::resident_megabytes(servers.ours_id())?));
    Ok(())
}

/// Ours as it is shipped, and then, with features of their own, the programs beside it.
fn build() -> Result<()> {
    for package in ["countersign", "countersign-bench"] {
        process::run(&mut process::cargo(["build", "--release", "--locked", "--package", package]))?;
    }
    Ok(())
}

/// The runs of one job.
struct Row {
    name: &'static str,
    floor: Vec<Sample>,
    ours: Vec<Sample>,
    peer: Vec<Sample>,
    /// Runs that others disturbed to the end.
    disturbed: usize,
}

fn measure(job: &Job, pairs: usize) -> Result<Row> {
    let mut row = Row { name: job.name, floor: Vec::new(), ours: Vec::new(), peer: Vec::new(), disturbed: 0 };
    for pair in 1..=pairs {
        for (target, samples) in
            [(Some(&job.floor), &mut row.floor), (Some(&job.ours), &mut row.ours), (job.peer.as_ref(), &mut row.peer)]
        {
            let Some(target) = target else { continue };
            let (sample, tries) = undisturbed(|| load::run(target, SECONDS))?;
            row.disturbed += usize::from(tries == MAX_TRIES);
            samples.push(sample);
        }
        print::line(&format!("{} {pair}/{pairs}", job.name));
    }
    Ok(row)
}

fn undisturbed(run: impl Fn() -> Result<Sample>) -> Result<(Sample, usize)> {
    let mut tries = 1;
    loop {
        let sample = run()?;
        if sample.foreign <= MOST_FOREIGN || tries == MAX_TRIES {
            return Ok((sample, tries));
        }
        tries += 1;
    }
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        "| job | floor: CPU us | ours: CPU us | over the floor, 90 % | ours: requests/s | p50, p99 ms | peer: CPU us, requests/s | times the peer |".to_owned(),
        "|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(rows.iter().map(line));
    lines.join("\n")
}

fn line(row: &Row) -> String {
    let of = |samples: &[Sample], figure: fn(&Sample) -> f64| Interval::of(samples.iter().map(figure).collect());
    let over = Interval::of(row.ours.iter().zip(&row.floor).map(|(ours, floor)| ours.cpu_micros - floor.cpu_micros).collect());
    let rate = of(&row.ours, |sample| sample.rate);
    let (peer, times) = if row.peer.is_empty() {
        ("-".to_owned(), "-".to_owned())
    } else {
        let (cpu, peer_rate) = (of(&row.peer, |sample| sample.cpu_micros), of(&row.peer, |sample| sample.rate));
        (format!("{:.0}, {:.0}", cpu.median, peer_rate.median), format!("{:.1}", rate.median / peer_rate.median))
    };
    let disturbed = if row.disturbed > 0 { format!(" ({} runs disturbed)", row.disturbed) } else { String::new() };
    format!(
        "| {}{disturbed} | {:.1} | {:.1} | {:.1} ({:.1} to {:.1}) | {:.0} | {:.2}, {:.2} | {peer} | {times} |",
        row.name,
        of(&row.floor, |sample| sample.cpu_micros).median,
        of(&row.ours, |sample| sample.cpu_micros).median,
        over.median,
        over.low,
        over.high,
        rate.median,
        of(&row.ours, |sample| sample.p50_millis).median,
        of(&row.ours, |sample| sample.p99_millis).median,
    )
}
