//! What processes and cores have used, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// Seconds of a tick; the same on every Linux that has been met.
const TICK: f64 = 0.01;
/// On which the servers run.
pub(super) const SERVER_CORE: &str = "0";
/// On which the load is made.
pub(super) const LOAD_CORE: &str = "1";

pub(super) fn cores() -> Result<usize> {
    Ok(std::thread::available_parallelism().context("the number of cores is unknown")?.get())
}

/// Seconds of CPU that a process has used, in all of its threads.
pub(super) fn of_process(id: u32) -> Result<f64> {
    let path = format!("/proc/{id}/stat");
    let text = read(&path)?;
    // The name may hold spaces; it ends at the last parenthesis.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).context("no process statistics")?;
    sum(fields.skip(11).take(2))
}

/// Seconds that the core of the servers was busy, with whatever.
pub(super) fn of_server_core() -> Result<f64> {
    let text = read("/proc/stat")?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("cpu{SERVER_CORE} "))).context("no core 0")?;
    let fields: Vec<&str> = line.split_whitespace().collect();
    // user nice system, and irq softirq steal; neither idle nor iowait.
    sum(fields.iter().copied().take(3).chain(fields.iter().copied().skip(5).take(3)))
}

pub(super) fn resident_megabytes(id: u32) -> Result<u64> {
    let text = read(&format!("/proc/{id}/status"))?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| rest.split_whitespace().next());
    let kilobytes: u64 = kilobytes.context("no VmRSS")?.parse().context("VmRSS is no number")?;
    Ok(kilobytes / 1_024)
}

fn sum<'a>(ticks: impl Iterator<Item = &'a str>) -> Result<f64> {
    let mut all = 0.0;
    for tick in ticks {
        all += tick.parse::<f64>().context("a count of ticks is no number")?;
    }
    Ok(all * TICK)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}
