//! The environment: the only place that reads it, and its layer.

use std::ffi::OsString;

use super::error::{ConfigError, shown};
use super::given::Given;
use super::place::Place;
use super::setting::{self, settings};
use super::suggest::nearest_key;

/// What every variable of the configuration begins with.
pub(super) const PREFIX: &str = "COUNTERSIGN__";

/// A set of environment variables.
pub trait Environment {
    /// All of them, names and values.
    fn variables(&self) -> Vec<(OsString, OsString)>;

    /// The value of one of them.
    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables().into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Whether `NO_COLOR` asks for text without colours.
    fn refuses_colours(&self) -> bool {
        self.variable("NO_COLOR").is_some_and(|value| !value.is_empty())
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        std::env::vars_os().collect()
    }
}

/// Variables given as a list.
impl Environment for Vec<(String, String)> {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        self.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// Reads the variables that begin with [`PREFIX`], in the order of their names.
pub(super) fn read(environment: &dyn Environment) -> (Vec<Given>, Vec<ConfigError>) {
    let mut given = Vec::new();
    let mut errors = Vec::new();
    let mut variables = environment.variables();
    variables.sort();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) {
            match read_variable(&name, value) {
                Ok(value) => given.push(value),
                Err(error) => errors.push(error),
            }
        }
    }
    (given, errors)
}

fn read_variable(name: &str, value: OsString) -> Result<Given, ConfigError> {
    let place = Place::Environment { variable: shown(name).into() };
    let setting = settings().find(|setting| setting.variable() == name).ok_or_else(|| unknown(name, &place))?;
    let text = value.into_string().map_err(|_| ConfigError::of(setting, &place, "is not UTF-8"))?;
    Ok(Given::from_text(setting, &text, place))
}

fn unknown(name: &str, place: &Place) -> ConfigError {
    let key = name.strip_prefix(PREFIX).unwrap_or(name).replace("__", ".").to_ascii_lowercase();
    let meant = nearest_key(&key).and_then(setting::find);
    let error = ConfigError::new(&key, place.clone(), "is not a known setting");
    match meant {
        Some(setting) => error.with_fix(format!("did you mean {}?", setting.variable())),
        None => error,
    }
}
