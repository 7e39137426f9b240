//! The security catalogue: each case has a test that is named after it.

mod catalogue;

use std::path::Path;

use anyhow::{Result, bail};

use crate::named_tests::{self, NamedTest};
use catalogue::{CASES, Case, Home, SECTIONS};

const HEAD: &str = "\
# Security cases

Written by `cargo xtask docs` from `xtask/src/security_cases/catalogue.rs` and the names of the tests.
A test carries its cases at the start of its name (`a07_...`). A case of the server is tested in the
suite that runs on SQLite and on PostgreSQL; a case without a test where it belongs fails the build.
";

/// The page about every case, unless a case lacks its test.
pub(crate) fn page(root: &Path) -> Result<String> {
    let tests = named_tests::below(root, "crates")?;
    let problems = problems(CASES, &tests);
    if !problems.is_empty() {
        bail!("the security catalogue and the tests differ:\n{}", problems.join("\n"));
    }
    Ok(render(CASES, &tests))
}

/// Cases without a test at home, and tests of cases that are not listed.
fn problems(cases: &[Case], tests: &[NamedTest]) -> Vec<String> {
    let mut problems = Vec::new();
    for case in cases {
        let tag = case.tag();
        let mut of_case = tests.iter().filter(|test| test.tags.contains(&tag));
        match case.home.folder() {
            Some(folder) if !of_case.any(|test| test.file.starts_with(folder)) => {
                problems.push(format!("{tag} ({}) has no test below {folder}", case.what));
            }
            None if of_case.next().is_some() => problems.push(format!("{tag} has a test and is listed as one for later")),
            _ => {}
        }
    }
    for test in tests {
        // Names of other lists (n, r, v) may stand beside those of cases.
        let unknown = test.tags.iter().filter(|tag| tag.starts_with(|letter| ('a'..='l').contains(&letter)));
        for tag in unknown.filter(|tag| !cases.iter().any(|case| case.tag() == **tag)) {
            problems.push(format!("{} in {}: {tag} is not listed", test.name, test.file));
        }
    }
    problems
}

fn render(cases: &[Case], tests: &[NamedTest]) -> String {
    let mut page = HEAD.to_owned();
    for (section, title) in SECTIONS {
        page.push_str(&format!("\n## {section}. {title}\n\n| Case | What | About | Tests |\n|---|---|---|---|\n"));
        for case in cases.iter().filter(|case| case.section == section) {
            let tests = match case.home {
                Home::Later(why) => format!("later: {why}"),
                Home::Server | Home::Verifier | Home::Vectors | Home::Processes => tests_of(&case.tag(), tests),
            };
            page.push_str(&format!("| {} | {} | {} | {tests} |\n", case.tag(), case.what, case.about));
        }
    }
    page
}

fn tests_of(tag: &str, tests: &[NamedTest]) -> String {
    let links = tests.iter().filter(|test| test.tags.iter().any(|other| other == tag));
    links.map(|test| format!("[`{}`](../{})", test.name, test.file)).collect::<Vec<_>>().join("<br>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_at(file: &str, tags: &[&str]) -> NamedTest {
        NamedTest {
            name: format!("{}_x", tags.join("_")),
            file: file.to_owned(),
            tags: tags.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn every_case_has_its_tests() {
        page(crate::workspace::root()).unwrap();
    }

    #[test]
    fn cases_are_in_order_once_and_in_a_listed_section() {
        assert!(CASES.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert!(CASES.iter().all(|case| SECTIONS.iter().any(|(section, _)| *section == case.section)));
    }

    #[test]
    fn a_case_without_a_test_at_home_is_a_problem() {
        let suite = "crates/countersign/tests/integration/suite/oauth/token.rs";
        let cases = &CASES[..1];
        assert_eq!(problems(cases, &[test_at(suite, &["a01"])]), Vec::<String>::new());
        assert_eq!(problems(cases, &[]).len(), 1);
        assert_eq!(problems(cases, &[test_at("crates/countersign/tests/processes/tls.rs", &["a01"])]).len(), 1);
        assert_eq!(problems(cases, &[test_at(suite, &["a01", "v29"]), test_at(suite, &["b01"])]).len(), 1);
    }
}
