//! The layer of the command line: `--set key=value`.

use super::error::{ConfigError, shown};
use super::given::Given;
use super::place::Place;
use super::setting::{self, Setting};
use super::suggest::nearest_key;

/// The argument of `--set` has no `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected key=value, such as server.listen=127.0.0.1:8787")]
pub struct InvalidFlag;

/// Splits the argument of one `--set`.
///
/// # Errors
/// [`InvalidFlag`] without a `=`.
pub fn split_flag(argument: &str) -> Result<(String, String), InvalidFlag> {
    let (key, value) = argument.split_once('=').ok_or(InvalidFlag)?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn read(flags: &[(String, String)]) -> (Vec<Given>, Vec<ConfigError>) {
    let mut given: Vec<Given> = Vec::new();
    let mut errors = Vec::new();
    for (key, value) in flags {
        match read_flag(key, value) {
            Ok(new) if given.iter().any(|old| old.setting.key == new.setting.key) => {
                errors.push(set_twice(new.setting, &new.place))
            }
            Ok(new) => given.push(new),
            Err(error) => errors.push(error),
        }
    }
    (given, errors)
}

fn read_flag(key: &str, value: &str) -> Result<Given, ConfigError> {
    let place = Place::Flag { key: shown(key).into() };
    let setting = setting::find(key).ok_or_else(|| unknown(key, &place))?;
    if setting.is_secret() {
        let error = ConfigError::new(key, place, "must not be given on the command line, which every user of the machine can read");
        return Err(error.with_fix(format!("set {key}_file or the environment variable {}", setting.variable())));
    }
    Ok(Given::from_text(setting, value, place))
}

fn unknown(key: &str, place: &Place) -> ConfigError {
    let error = ConfigError::new(key, place.clone(), "is not a known setting");
    match nearest_key(key) {
        Some(meant) => error.with_fix(format!("did you mean {meant}?")),
        None => error,
    }
}

fn set_twice(setting: &Setting, place: &Place) -> ConfigError {
    let error = ConfigError::of(setting, place, "is set twice");
    let is_list = matches!(setting.kind, setting::Kind::List { .. });
    error.with_fix(if is_list { "write one --set with commas between the items" } else { "keep one of the two" })
}
