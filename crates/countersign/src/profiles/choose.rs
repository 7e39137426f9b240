//! Which profile a command uses.

use countersign_protocol::Secret;

use super::{DEV, ManagementUrl, Profile, ProfileError, ProfileFile};
use crate::config::{Disk, Environment, Files as _};

const PROFILE: &str = "COUNTERSIGN_PROFILE";
const MANAGEMENT_URL: &str = "COUNTERSIGN_MANAGEMENT_URL";
const CLIENT_ID: &str = "COUNTERSIGN_CLIENT_ID";
const CLIENT_SECRET: &str = "COUNTERSIGN_CLIENT_SECRET";
const CLIENT_SECRET_FILE: &str = "COUNTERSIGN_CLIENT_SECRET_FILE";
const CA_FILE: &str = "COUNTERSIGN_CA_FILE";

/// The profile that is used, and where it is from.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) profile: Profile,
    pub(crate) origin: Origin,
}

/// Where a profile is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The environment alone.
    Environment,
    /// The file, under this name.
    Named(String),
}

/// Finds the profile: the one that is named, else the one that the environment names
/// or is, else the default, else the only one, else the one of `countersign dev`.
///
/// # Errors
/// [`ProfileError`].
pub(crate) fn choose(name: Option<&str>, environment: &dyn Environment) -> Result<Chosen, ProfileError> {
    if name.is_none() && is_set(environment, MANAGEMENT_URL) {
        if is_set(environment, PROFILE) {
            return Err(ProfileError::Ambiguous);
        }
        return Ok(Chosen { profile: from_environment(environment)?, origin: Origin::Environment });
    }
    let file = ProfileFile::read(&ProfileFile::path(environment)?)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => text(environment, PROFILE).map_or_else(|| file.usual(), Ok)?,
    };
    Ok(Chosen { profile: file.find(&name)?.clone(), origin: Origin::Named(name) })
}

impl ProfileFile {
    /// The one that is used when none is named.
    ///
    /// # Errors
    /// [`ProfileError::None`], [`ProfileError::Choose`].
    pub(crate) fn usual(&self) -> Result<String, ProfileError> {
        let mut names = self.profiles.keys();
        match (&self.default, names.next(), names.next()) {
            (Some(default), ..) => Ok(default.clone()),
            (None, Some(only), None) => Ok(only.clone()),
            (None, Some(_), Some(_)) if self.profiles.contains_key(DEV) => Ok(DEV.to_owned()),
            (None, Some(_), Some(_)) => Err(ProfileError::Choose { names: self.names() }),
            (None, None, _) => Err(ProfileError::None),
        }
    }
}

fn from_environment(environment: &dyn Environment) -> Result<Profile, ProfileError> {
    let url = text(environment, MANAGEMENT_URL).ok_or(ProfileError::Incomplete(MANAGEMENT_URL))?;
    Ok(Profile {
        management_url: ManagementUrl::parse(&url)?,
        client_id: text(environment, CLIENT_ID).ok_or(ProfileError::Incomplete(CLIENT_ID))?,
        client_secret: secret(environment)?,
        ca_file: text(environment, CA_FILE).map(Into::into),
    })
}

fn secret(environment: &dyn Environment) -> Result<Secret<String>, ProfileError> {
    match (text(environment, CLIENT_SECRET), text(environment, CLIENT_SECRET_FILE)) {
        (Some(_), Some(_)) => Err(ProfileError::Twice(CLIENT_SECRET)),
        (Some(secret), None) => Ok(Secret::new(secret)),
        (None, Some(path)) => {
            let content = Disk.read(path.as_ref()).map_err(|source| ProfileError::File { path: path.into(), source })?;
            Ok(Secret::new(content.text.expose().trim_end().to_owned()))
        }
        (None, None) => Err(ProfileError::Incomplete(CLIENT_SECRET)),
    }
}

fn is_set(environment: &dyn Environment, name: &str) -> bool {
    text(environment, name).is_some()
}

/// An empty variable counts as none: that is how a shell unsets one for a command.
fn text(environment: &dyn Environment, name: &str) -> Option<String> {
    environment.variable(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn with_profiles(folder: &std::path::Path, text: &str) -> (String, String) {
        let profiles: String = text
            .split_whitespace()
            .map(|name| match name.strip_prefix('*') {
                Some(default) => format!("default = \"{default}\"\n"),
                None => format!(
                    "[profiles.{name}]\nmanagement_url = \"https://{name}.test/manage/v1\"\nclient_id = \"x\"\nclient_secret = \"y\"\n"
                ),
            })
            .collect();
        let path = ProfileFile::path(&environment(&[("HOME", folder.to_str().unwrap())])).unwrap();
        super::super::change(&path, |_| Ok(())).unwrap();
        std::fs::write(&path, profiles).unwrap();
        ("HOME".to_owned(), folder.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_one_that_is_named_then_the_environment_then_the_default_then_the_only_one_then_dev() {
        let folder = tempfile::tempdir().unwrap();
        for (profiles, name, variables, expected) in [
            ("*b a b", Some("a"), &[("COUNTERSIGN_PROFILE", "b")][..], Ok("a")),
            ("*b a b", None, &[("COUNTERSIGN_PROFILE", "a")], Ok("a")),
            ("*b a b", None, &[], Ok("b")),
            ("a", None, &[], Ok("a")),
            ("a dev", None, &[], Ok("dev")),
            ("*a a dev", None, &[], Ok("a")),
            ("a", None, &[("COUNTERSIGN_PROFILE", "")], Ok("a")),
            ("a b", None, &[], Err("`a`, `b`")),
            ("a b", Some("c"), &[], Err("`c`")),
            ("", None, &[], Err("countersign dev")),
        ] {
            let mut all = environment(variables);
            all.push(with_profiles(folder.path(), profiles));
            match (choose(name, &all), expected) {
                (Ok(chosen), Ok(expected)) => assert_eq!(chosen.origin, Origin::Named(expected.to_owned()), "{profiles}"),
                (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{profiles}: {error}"),
                (chosen, _) => panic!("{profiles}: {chosen:?}"),
            }
        }
    }

    #[test]
    fn the_environment_alone_is_a_profile_when_it_is_complete() {
        let url = ("COUNTERSIGN_MANAGEMENT_URL", "https://a.test/manage/v1");
        let id = ("COUNTERSIGN_CLIENT_ID", "ci-job");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "from-file\n").unwrap();
        let chosen = choose(None, &environment(&[url, id, ("COUNTERSIGN_CLIENT_SECRET", "s")])).unwrap();
        assert_eq!((chosen.origin, chosen.profile.client_secret.expose().as_str()), (Origin::Environment, "s"));
        let from_file = ("COUNTERSIGN_CLIENT_SECRET_FILE", file.to_str().unwrap());
        let chosen = choose(None, &environment(&[url, id, from_file])).unwrap();
        assert_eq!(chosen.profile.client_secret.expose(), "from-file");
        for (variables, text) in [
            (&[url, ("COUNTERSIGN_CLIENT_SECRET", "s")][..], "COUNTERSIGN_CLIENT_ID is not set"),
            (&[url, id], "COUNTERSIGN_CLIENT_SECRET is not set"),
            (&[url, id, ("COUNTERSIGN_CLIENT_SECRET", "s"), from_file], "both set"),
            (&[url, id, ("COUNTERSIGN_CLIENT_SECRET", "s"), ("COUNTERSIGN_PROFILE", "a")], "both set"),
            (&[("COUNTERSIGN_MANAGEMENT_URL", "https://a.test"), id, ("COUNTERSIGN_CLIENT_SECRET", "s")], "/manage/v1"),
            (&[("COUNTERSIGN_PROFILE", "a")], "HOME"),
        ] {
            let error = choose(None, &environment(variables)).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
