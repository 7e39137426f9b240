//! Finds PostgreSQL's programs. Distributions keep those of the server off the search path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;
use crate::setup::Version;

pub(crate) const NEEDED: &str = "PostgreSQL 15 or newer (initdb, postgres, createdb)";

const MINIMUM: Version = Version(15, 0);
/// Where Debian keeps them: `{major version}/bin` under it.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder of one installation.
#[derive(Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// The first good installation: on the search path, of `pg_config`, Debian's newest. The error says what was
    /// found instead.
    pub(crate) fn find() -> Result<Self, String> {
        let mut problems = Vec::new();
        for folder in candidates() {
            match check(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(problem) => problems.push(format!("{}: {problem}", folder.display())),
            }
        }
        if problems.is_empty() { Err("not found".to_owned()) } else { Err(problems.join("; ")) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn candidates() -> Vec<PathBuf> {
    let on_path = process::find("initdb").and_then(|initdb| real_folder(&initdb));
    let configured = process::read(Command::new("pg_config").arg("--bindir")).ok().map(|folder| PathBuf::from(folder.trim()));
    let mut all: Vec<PathBuf> = on_path.into_iter().chain(configured.filter(|folder| folder.join("initdb").exists())).collect();
    all.extend(newest_first(Path::new(DEBIAN)));
    let mut seen = Vec::new();
    all.retain(|folder| {
        !seen.contains(folder) && {
            seen.push(folder.clone());
            true
        }
    });
    all
}

/// The folder in which a program really is, behind all links.
fn real_folder(program: &Path) -> Option<PathBuf> {
    fs::canonicalize(program).ok()?.parent().map(Path::to_owned)
}

fn newest_first(versions: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(versions) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let major = path.file_name()?.to_str()?.parse().ok()?;
            let folder = path.join("bin");
            folder.join("initdb").exists().then_some((major, folder))
        })
        .collect();
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn check(folder: &Path) -> Result<(), String> {
    for name in ["initdb", "postgres", "createdb"] {
        if !folder.join(name).exists() {
            return Err(format!("without {name}"));
        }
    }
    Version::of(Command::new(folder.join("postgres")).arg("--version"))?.at_least(MINIMUM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temp_folder::TempFolder;

    #[test]
    fn prefers_the_newest_version_by_number() {
        let root = TempFolder::create("test").unwrap();
        for version in ["9", "15", "17", "common"] {
            fs::create_dir_all(root.path().join(version).join("bin")).unwrap();
        }
        for version in ["9", "15", "common"] {
            fs::write(root.path().join(version).join("bin/initdb"), "").unwrap();
        }
        let expected: Vec<PathBuf> = ["15/bin", "9/bin"].iter().map(|end| root.path().join(end)).collect();
        assert_eq!(newest_first(root.path()), expected);
        assert_eq!(newest_first(&root.path().join("none")), Vec::<PathBuf>::new());
    }

    #[test]
    fn an_incomplete_installation_is_named() {
        let folder = TempFolder::create("test").unwrap();
        fs::write(folder.path().join("initdb"), "").unwrap();
        assert_eq!(check(folder.path()), Err("without postgres".to_owned()));
    }
}
