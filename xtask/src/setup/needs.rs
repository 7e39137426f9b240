//! The programs that the tests need.

use std::process::Command;

use super::version::Version;
use crate::postgres::{self, Programs};
use crate::process;

/// A program that is missing or too old.
pub(crate) struct Missing {
    pub(crate) what: &'static str,
    pub(crate) problem: String,
    /// Debian's packages that have it.
    pub(crate) packages: &'static [&'static str],
}

struct Need {
    what: &'static str,
    packages: &'static [&'static str],
    check: fn() -> Result<(), String>,
}

/// The browser, as Debian names it.
pub(crate) const CHROMIUM: &str = "chromium";

const NEEDS: &[Need] = &[
    Need { what: postgres::NEEDED, packages: &["postgresql"], check: || Programs::find().map(drop) },
    Need { what: "node 20.15 or newer (that of Debian 12 is older)", packages: &["nodejs"], check: node },
    Need { what: "npm", packages: &["npm"], check: || version("npm").map(drop) },
    Need { what: "python3 3.10 or newer with the module venv", packages: &["python3", "python3-venv"], check: python },
    Need { what: "cc, a C compiler with the headers of the C library", packages: &["gcc", "libc6-dev"], check: c_compiler },
    Need { what: "chromium 120 or newer", packages: &["chromium"], check: chromium },
    Need { what: "valkey-server or redis-server, 6 or newer", packages: &["redis-server"], check: valkey },
    Need { what: "curl", packages: &["curl"], check: || version("curl").map(drop) },
];

pub(crate) fn missing() -> Vec<Missing> {
    NEEDS.iter().filter_map(Need::missing).collect()
}

impl Need {
    fn missing(&self) -> Option<Missing> {
        let problem = (self.check)().err()?;
        Some(Missing { what: self.what, problem, packages: self.packages })
    }
}

fn node() -> Result<(), String> {
    version("node")?.at_least(Version(20, 15))
}

fn chromium() -> Result<(), String> {
    version(CHROMIUM)?.at_least(Version(120, 0))
}

/// The tests start it themselves, from the search path.
fn valkey() -> Result<(), String> {
    let found = ["valkey-server", "redis-server"].into_iter().find(|program| process::find(program).is_some());
    version(found.unwrap_or("redis-server"))?.at_least(Version(6, 0))
}

fn python() -> Result<(), String> {
    version("python3")?.at_least(Version(3, 10))?;
    // Debian ships `venv` without `ensurepip`, which a virtual environment needs, in another package.
    let modules = process::read(Command::new("python3").args(["-c", "import venv, ensurepip"]));
    modules.map(drop).map_err(|_| "without the modules venv and ensurepip".to_owned())
}

fn c_compiler() -> Result<(), String> {
    if process::find("cc").is_none() {
        return Err("not found".to_owned());
    }
    let script = "echo '#include <stdlib.h>' | cc -fsyntax-only -x c -";
    process::read(Command::new("sh").args(["-c", script])).map(drop).map_err(|error| format!("{error:#}"))
}

fn version(program: &str) -> Result<Version, String> {
    if process::find(program).is_none() {
        return Err("not found".to_owned());
    }
    Version::of(Command::new(program).arg("--version"))
}
