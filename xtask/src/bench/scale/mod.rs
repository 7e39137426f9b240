//! Many of something: whether a server with many is as quick as one with few.

mod clients;
mod keys;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::job::Target;
use super::load::{self, Sample};
use super::median::Interval;
use super::ours::Ours;
use super::undisturbed;
use crate::{print, process};

pub(super) use clients::{run as run_clients, run_memory};
pub(super) use keys::{run as run_keys, run_import};

/// Seconds of each run: long enough for the cache to turn over.
const SECONDS: u32 = 5;
/// Longest wait of a connection, in milliseconds.
const MOST_WAIT_MILLIS: u32 = 10;

/// How the load asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Each connection waits a little before it asks again: what a request takes is not the queue before it.
    Even,
    /// Each connection asks as soon as it has its answer.
    Saturated,
}

impl Pace {
    fn said(self) -> String {
        match self {
            Self::Even => format!("each connection waits 0 to {MOST_WAIT_MILLIS} ms between two requests:"),
            Self::Saturated => "each connection asks again at once:".to_owned(),
        }
    }

    fn script(self) -> String {
        match self {
            Self::Even => format!("function delay() return math.random(0, {MOST_WAIT_MILLIS}) end"),
            Self::Saturated => String::new(),
        }
    }
}

/// Compares, at each pace, requests that are drawn from few of something and from many.
/// `target` gives the requests that are drawn from so many of them.
fn compare(pairs: usize, (few, many, what): (usize, usize, &str), target: impl Fn(Pace, usize) -> Result<Target>) -> Result<()> {
    for pace in [Pace::Even, Pace::Saturated] {
        print::line(&pace.said());
        let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
        for _ in 0..pairs {
            for (count, samples) in [(few, &mut of_few), (many, &mut of_many)] {
                let target = target(pace, count)?;
                samples.push(undisturbed(|| load::run(&target, SECONDS))?.0);
            }
        }
        for (count, samples) in [(few, &of_few), (many, &of_many)] {
            print::line(&format!("  {count} {what}: {}", said(samples)));
        }
        let ratio = Interval::of(of_many.iter().zip(&of_few).map(|(many, few)| many.p99_millis / few.p99_millis).collect());
        let (median, low, high) = (ratio.median, ratio.low, ratio.high);
        print::line(&format!("  p99 with {many} over p99 with {few}: {median:.2} ({low:.2} to {high:.2})"));
    }
    Ok(())
}

fn said(samples: &[Sample]) -> String {
    let of = |figure: fn(&Sample) -> f64| Interval::of(samples.iter().map(figure).collect()).median;
    format!(
        "{:.0} requests/s, {:.1} us CPU, p50 {:.2} ms, p99 {:.2} ms",
        of(|sample| sample.rate),
        of(|sample| sample.cpu_micros),
        of(|sample| sample.p50_millis),
        of(|sample| sample.p99_millis)
    )
}

/// Where the scripts of wrk are, and what they read and write.
struct Files<'a> {
    folder: &'a Path,
    /// A line for each of what was made.
    made: PathBuf,
}

impl<'a> Files<'a> {
    fn at(folder: &'a Path) -> Self {
        Self { folder, made: folder.join("made.txt") }
    }

    fn script(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn check(&self, count: usize) -> Result<()> {
        let made = fs::read_to_string(&self.made).context("nothing was made")?.lines().count();
        ensure!(made == count, "{made} were made, not {count}");
        Ok(())
    }
}

/// The script ends wrk itself: a stopped thread of wrk leaves its main thread asleep for the whole duration.
fn drive(ours: &Ours, script: &Path) -> Result<()> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", "-d1800s", "--timeout", "30s", "-s"]).arg(script).arg(ours.at("/")?);
    process::read(&mut command).map(drop)
}
