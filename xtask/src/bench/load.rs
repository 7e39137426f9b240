//! One run of wrk against one server.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::job::Target;
use super::usage::{self, LOAD_CORE};
use crate::clock::Stopwatch;
use crate::process;

/// Connections that ask at the same time, unless a job is about their number.
const CONNECTIONS: u32 = 16;

/// The figures of a run.
pub(super) struct Sample {
    /// Requests per second.
    pub(super) rate: f64,
    /// CPU of the server per request, in microseconds.
    pub(super) cpu_micros: f64,
    pub(super) p50_millis: f64,
    pub(super) p99_millis: f64,
    /// The part of the server's core that others used.
    pub(super) foreign: f64,
}

pub(super) fn run(target: &Target, seconds: u32) -> Result<Sample> {
    run_with(target, CONNECTIONS, seconds)
}

pub(super) fn run_with(target: &Target, connections: u32, seconds: u32) -> Result<Sample> {
    let (watch, core, own) = (Stopwatch::start(), usage::of_server_core()?, usage::of_process(target.process)?);
    let said = process::read(
        Command::new("taskset")
            .args(["-c", LOAD_CORE, "wrk", "-t1", "--latency"])
            .arg(format!("-c{connections}"))
            .arg(format!("-d{seconds}s"))
            .arg("-s")
            .arg(&target.script)
            .arg(&target.url),
    )?;
    let (elapsed, own) = (watch.elapsed().as_secs_f64(), usage::of_process(target.process)? - own);
    let core = usage::of_server_core()? - core;
    ensure!(!said.contains("Non-2xx"), "{} refuses:\n{said}", target.url);
    let said = Said(&said);
    Ok(Sample {
        rate: said.number("Requests/sec:")?,
        cpu_micros: own * 1_000_000.0 / said.requests()?,
        p50_millis: said.millis("50%")?,
        p99_millis: said.millis("99%")?,
        foreign: ((core - own) / elapsed).max(0.0),
    })
}

/// What wrk prints.
struct Said<'a>(&'a str);

impl Said<'_> {
    fn after(&self, label: &str) -> Result<&str> {
        let rest = self.0.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
        rest.with_context(|| format!("wrk does not say `{label}`"))
    }

    fn number(&self, label: &str) -> Result<f64> {
        self.after(label)?.parse().with_context(|| format!("`{label}` is no number"))
    }

    fn millis(&self, label: &str) -> Result<f64> {
        let text = self.after(label)?;
        let (number, factor) = match text {
            _ if text.ends_with("us") => (text.trim_end_matches("us"), 0.001),
            _ if text.ends_with("ms") => (text.trim_end_matches("ms"), 1.0),
            _ => (text.trim_end_matches('s'), 1_000.0),
        };
        Ok(number.parse::<f64>().with_context(|| format!("`{text}` is no time"))? * factor)
    }

    fn requests(&self) -> Result<f64> {
        let count = self.0.lines().find_map(|line| line.trim().split_once(" requests in")).map(|(count, _)| count);
        count.context("wrk does not count requests")?.parse().context("wrk's count is no number")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 2s test @ http://127.0.0.1:1/
  1 threads and 16 connections
  Latency Distribution
     50%  637.00us
     75%    1.20ms
     99%    1.04s
  47919 requests in 2.00s, 12.34MB read
Requests/sec:  23959.50
Transfer/sec:      6.17MB
";

    #[test]
    fn reads_what_wrk_prints() {
        let said = Said(SAID);
        assert!((said.number("Requests/sec:").unwrap() - 23_959.5).abs() < 1e-9);
        assert!((said.requests().unwrap() - 47_919.0).abs() < 1e-9);
        assert!((said.millis("50%").unwrap() - 0.637).abs() < 1e-9);
        assert!((said.millis("99%").unwrap() - 1_040.0).abs() < 1e-9);
        assert!(said.millis("90%").is_err());
    }
}
