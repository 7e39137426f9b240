//! The tests that carry cases at the start of their names.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A test with the cases that it proves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedTest {
    pub(crate) name: String,
    /// Relative to the project, with `/`.
    pub(crate) file: String,
    /// As in the name, for example `a07`.
    pub(crate) tags: Vec<String>,
}

/// Every test below `folder`, itself below `root`, whose name begins with a case.
pub(crate) fn below(root: &Path, folder: &str) -> Result<Vec<NamedTest>> {
    let path = root.join(folder);
    let entries = fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.path().is_dir()));
    }
    names.sort();
    let mut found = Vec::new();
    for (name, is_folder) in names {
        let file = format!("{folder}/{name}");
        if is_folder && name != "target" {
            found.extend(below(root, &file)?);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(root.join(&file)).with_context(|| format!("cannot read {file}"))?;
            found.extend(in_source(&file, &text));
        }
    }
    Ok(found)
}

/// The tests of one file. What is ignored is not run, and so proves nothing.
fn in_source(file: &str, text: &str) -> Vec<NamedTest> {
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            is_ignored |= line.starts_with("#[ignore");
            continue;
        }
        if let Some(name) = function_name(line).filter(|_| is_test && !is_ignored) {
            let tags = tags(name);
            if !tags.is_empty() {
                found.push(NamedTest { name: name.to_owned(), file: file.to_owned(), tags });
            }
        }
        (is_test, is_ignored) = (false, false);
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split_once('(').map(|(name, _)| name)
}

/// `a07` and `v29` of `a07_v29_a_name`: a letter with two or three digits.
fn tags(name: &str) -> Vec<String> {
    let is_tag = |word: &&str| {
        let digits = word.strip_prefix(|first: char| first.is_ascii_lowercase());
        digits.is_some_and(|digits| matches!(digits.len(), 2 | 3) && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    name.split('_').take_while(is_tag).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_from_the_start_of_a_name() {
        assert_eq!(tags("a07_b21_v29_the_a08_words"), ["a07", "b21", "v29"]);
        assert_eq!(tags("h113_x"), ["h113"]);
        for name in ["the_a07", "a7_x", "a0007_x", "r8_x", "a07b_x", "07_x", "ab7_x", ""] {
            assert_eq!(tags(name), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn only_tests_that_run_are_counted() {
        let text = "#[tokio::test(flavor = \"multi_thread\")]\nasync fn a01_yes() {\n}\n\n    #[test]\n    fn a02_yes() {\n\
                    async fn a03_helper() {\n#[test]\n#[ignore = \"slow\"]\nfn a04_ignored() {\n\
                    // #[test]\nfn a05_commented_out() {\n#[test]\nfn no_case() {\n";
        let names: Vec<String> = in_source("x.rs", text).into_iter().map(|test| test.name).collect();
        assert_eq!(names, ["a01_yes", "a02_yes"]);
    }
}
