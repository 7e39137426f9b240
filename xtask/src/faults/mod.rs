//! The fault scenarios: each has tests that are named after it; a long run of them
//! writes a report.

mod catalogue;
mod report;
mod run;

use std::path::Path;

use anyhow::{Result, bail};

pub(crate) use run::{FaultOptions, run};

use crate::named_tests::{self, NamedTest};
use catalogue::{SCENARIOS, Scenario, State};

const HEAD: &str = "\
# Fault scenarios

Written by `cargo xtask docs` from `xtask/src/faults/catalogue.rs` and the names of the tests. A test
carries its scenarios at the start of its name (`r22_...`); a scenario without a test fails the build.
`cargo xtask test` runs each in a short form, `cargo xtask faults` in a long one, whose last report is
[faults.md](faults.md).

| Scenario | What fails | What must hold | Tests |
|---|---|---|---|
";

/// The page about every scenario, unless one lacks its tests.
pub(crate) fn page(root: &Path) -> Result<String> {
    let tests = named_tests::below(root, "crates")?;
    let problems = problems(SCENARIOS, &tests);
    if !problems.is_empty() {
        bail!("the fault scenarios and the tests differ:\n{}", problems.join("\n"));
    }
    let rows = SCENARIOS.iter().map(|scenario| row(scenario, &tests));
    Ok(format!("{HEAD}{}", rows.collect::<String>()))
}

/// Scenarios without a test, and tests of scenarios that are not listed or are for later.
fn problems(scenarios: &[Scenario], tests: &[NamedTest]) -> Vec<String> {
    let mut problems = Vec::new();
    for scenario in scenarios {
        match tests_of(scenario, tests).next() {
            None if scenario.is_tested() => problems.push(format!("{} ({}) has no test", scenario.tag(), scenario.what)),
            Some(test) if !scenario.is_tested() => {
                problems.push(format!("{} is listed for later and has the test {}", scenario.tag(), test.name));
            }
            _ => {}
        }
    }
    for test in tests {
        for tag in test.tags.iter().filter(|tag| tag.starts_with('r')) {
            if !scenarios.iter().any(|scenario| scenario.tag() == *tag) {
                problems.push(format!("{} in {}: {tag} is not listed", test.name, test.file));
            }
        }
    }
    problems
}

fn tests_of<'t>(scenario: &Scenario, tests: &'t [NamedTest]) -> impl Iterator<Item = &'t NamedTest> {
    let tag = scenario.tag();
    tests.iter().filter(move |test| test.tags.contains(&tag))
}

fn row(scenario: &Scenario, tests: &[NamedTest]) -> String {
    let links = tests_of(scenario, tests).map(|test| format!("[`{}`](../{})", test.name, test.file));
    let tests = match scenario.state {
        State::Whole => links.collect::<Vec<_>>().join("<br>"),
        State::Without(what) => format!("{}<br>not shown: {what}", links.collect::<Vec<_>>().join("<br>")),
        State::Later(why) => format!("later: {why}"),
    };
    format!("| {} | {} | {} | {tests} |\n", scenario.tag(), scenario.what, scenario.must)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_of(tags: &[&str]) -> NamedTest {
        NamedTest {
            name: format!("{}_x", tags.join("_")),
            file: "crates/countersign/tests/processes/faults/x.rs".to_owned(),
            tags: tags.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn every_scenario_has_its_tests() {
        page(crate::workspace::root()).unwrap();
    }

    #[test]
    fn scenarios_are_in_order_and_once() {
        assert!(SCENARIOS.windows(2).all(|pair| pair[0].number < pair[1].number));
    }

    #[test]
    fn a_scenario_without_a_test_is_a_problem_and_so_is_a_test_of_none() {
        let scenario = |state| [Scenario { number: 5, what: "a disk", must: "hold", state }];
        assert_eq!(problems(&scenario(State::Whole), &[test_of(&["a01", "r05"])]), Vec::<String>::new());
        assert_eq!(problems(&scenario(State::Whole), &[]).len(), 1);
        assert_eq!(problems(&scenario(State::Later("so")), &[]), Vec::<String>::new());
        assert_eq!(problems(&scenario(State::Later("so")), &[test_of(&["r05"])]).len(), 1);
        assert_eq!(problems(&scenario(State::Whole), &[test_of(&["r05", "r99"])]).len(), 1);
    }
}
