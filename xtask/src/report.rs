//! The steps of a task, how long each took and what each counted.

use std::time::Duration;

use anyhow::Result;

use crate::clock::Stopwatch;
use crate::print;
use crate::tally::Tally;

pub(crate) struct Report {
    steps: Vec<Step>,
    watch: Stopwatch,
}

struct Step {
    name: &'static str,
    took: Duration,
    tally: Tally,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { steps: Vec::new(), watch: Stopwatch::start() }
    }

    /// Does one step that tests nothing itself; when it fails, it counts as one failure.
    pub(crate) fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        self.record(name, || work().map(|value| (value, Tally::default())))
    }

    /// Does one step that runs tests; one that ran none has failed.
    pub(crate) fn tests(&mut self, name: &'static str, work: impl FnOnce() -> Result<Tally>) {
        self.record(name, || match work()? {
            Tally { passed: 0, failed: 0 } => anyhow::bail!("no test ran"),
            tally => Ok(((), tally)),
        });
    }

    fn record<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<(T, Tally)>) -> Option<T> {
        print::heading(name);
        let watch = Stopwatch::start();
        let (value, tally) = match work() {
            Ok((value, tally)) => (Some(value), tally),
            Err(error) => {
                print::error(&format!("{error:#}"));
                (None, Tally { passed: 0, failed: 1 })
            }
        };
        let took = watch.elapsed();
        print::line(&format!("<== {name}: {:.1} s", took.as_secs_f64()));
        self.steps.push(Step { name, took, tally });
        value
    }

    /// Prints the table; its last line is `N passed, N failed`. Returns the sums.
    pub(crate) fn finish(&self) -> Tally {
        let mut sum = Tally::default();
        print::heading("summary");
        for step in &self.steps {
            sum += step.tally;
            print::line(&row(step.name, step.took, step.tally));
        }
        print::line(&row("all", self.watch.elapsed(), sum));
        print::line(&format!("{} passed, {} failed", sum.passed, sum.failed));
        sum
    }
}

fn row(name: &str, took: Duration, tally: Tally) -> String {
    let seconds = took.as_secs_f64();
    match tally {
        Tally { passed: 0, failed: 0 } => format!("{name:<18} {seconds:>7.1} s"),
        Tally { passed, failed } => format!("{name:<18} {seconds:>7.1} s  passed {passed:>5}  failed {failed:>3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_and_tests_that_do_not_run_are_failures() {
        let mut report = Report::new();
        assert_eq!(report.step("good", || Ok(1)), Some(1));
        assert_eq!(report.step("bad", || Err::<(), _>(anyhow::anyhow!("broken"))), None);
        report.tests("none", || Ok(Tally::default()));
        report.tests("some", || Ok(Tally { passed: 5, failed: 1 }));
        assert_eq!(report.finish(), Tally { passed: 5, failed: 3 });
    }
}
