//! Writes the pages that come from the program itself and from its tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{binary, faults, print, process, security_cases, workspace};

/// A page, and the command that prints it.
const PAGES: &[(&str, &[&str])] = &[
    ("docs/reference/cli.md", &["reference"]),
    ("docs/reference/config.md", &["config", "reference"]),
    ("docs/reference/metrics.md", &["metrics", "reference"]),
    ("openapi/management.json", &["openapi"]),
];

/// The page about the security catalogue, which comes from the tests.
const SECURITY_CASES: &str = "docs/security-cases.md";

/// Where the pages of the error codes are.
const ERROR_PAGES: &str = "docs/errors";

/// The page about the fault scenarios, which comes from the tests too.
const FAULT_SCENARIOS: &str = "docs/fault-scenarios.md";

pub(crate) fn run(check: bool) -> Result<()> {
    settle(check, SECURITY_CASES, &security_cases::page(workspace::root())?)?;
    settle(check, FAULT_SCENARIOS, &faults::page(workspace::root())?)?;
    let binary = binary::build()?;
    for (page, arguments) in PAGES {
        let text = process::read(Command::new(&binary).args(*arguments))?;
        settle(check, page, &text)?;
    }
    error_pages(&binary, check)
}

/// The list of the codes, and the page of each code in it; a page of no code is a fault.
fn error_pages(binary: &Path, check: bool) -> Result<()> {
    let folder = workspace::root().join(ERROR_PAGES);
    let index = process::read(Command::new(binary).arg("error-page"))?;
    let mut pages = BTreeSet::from(["README.md".to_owned()]);
    settle(check, &format!("{ERROR_PAGES}/README.md"), &index)?;
    for code in codes_of(&index) {
        let text = process::read(Command::new(binary).args(["error-page", code]))?;
        settle(check, &format!("{ERROR_PAGES}/{code}.md"), &text)?;
        pages.insert(format!("{code}.md"));
    }
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !pages.contains(&name) {
            bail!("{ERROR_PAGES}/{name} is the page of no code; remove it");
        }
    }
    Ok(())
}

fn settle(check: bool, page: &str, text: &str) -> Result<()> {
    let path = workspace::root().join(page);
    if check { compare(page, &path, text) } else { write(page, &path, text) }
}

/// The codes that the rows of the list begin with.
fn codes_of(index: &str) -> impl Iterator<Item = &str> {
    index.lines().filter_map(|line| line.strip_prefix("| [")?.split_once(']')).map(|(code, _)| code)
}

fn compare(page: &str, path: &Path, text: &str) -> Result<()> {
    let present = fs::read_to_string(path).with_context(|| format!("cannot read {page}; `cargo xtask docs` writes it"))?;
    if let Some(number) = first_difference(&present, text) {
        bail!("{page} is not up to date, from line {number} on; `cargo xtask docs` writes it");
    }
    print::line(&format!("{page} is up to date"));
    Ok(())
}

fn write(page: &str, path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {page}"))?;
    print::line(&format!("wrote {page}"));
    Ok(())
}

/// The number of the first line that differs.
fn first_difference(one: &str, other: &str) -> Option<usize> {
    if one == other {
        return None;
    }
    let same = one.split('\n').zip(other.split('\n')).take_while(|(one, other)| one == other).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::{codes_of, first_difference};

    #[test]
    fn finds_the_codes_of_the_list() {
        let list = "# Codes\n| code | meaning |\n| [CS-1001](CS-1001.md) | No. |\n| [CS-1002](CS-1002.md) | Two. |\n";
        assert_eq!(codes_of(list).collect::<Vec<_>>(), ["CS-1001", "CS-1002"]);
    }

    #[test]
    fn names_the_first_line_that_differs() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("a", "a\n"), Some(2));
    }
}
