//! The file of profiles.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use countersign_protocol::Secret;
use serde::{Deserialize, Serialize};

use super::{DEV, ManagementUrl, Profile, ProfileError, parse_name};
use crate::config::{Disk, Environment, Files as _};

/// What the file says first.
const HEADER: &str = "# Profiles of the command line, kept by `countersign profile`. It holds secrets.\n\n";

/// Every profile, and which one is used unless another is named.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProfileFile {
    pub(crate) default: Option<String>,
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// The file as TOML.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, StoredProfile>,
}

/// A profile as TOML.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StoredProfile {
    management_url: String,
    client_id: String,
    client_secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
}

impl ProfileFile {
    /// Where the file is.
    ///
    /// # Errors
    /// [`ProfileError::Homeless`].
    pub(crate) fn path(environment: &dyn Environment) -> Result<PathBuf, ProfileError> {
        let absolute = |name| environment.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        Ok(folder.ok_or(ProfileError::Homeless)?.join("countersign/profiles.toml"))
    }

    /// Reads the file at `path`; one that is not there has no profiles.
    ///
    /// # Errors
    /// [`ProfileError::Open`] when others have access to it, [`ProfileError::Form`], [`ProfileError::File`].
    pub(crate) fn read(path: &Path) -> Result<Self, ProfileError> {
        let content = match Disk.read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(|source| ProfileError::File { path: path.to_owned(), source })?,
        };
        if let Some(mode) = content.unix_mode.filter(|mode| mode & 0o077 != 0) {
            return Err(ProfileError::Open { path: path.to_owned(), mode });
        }
        let form = |problem| ProfileError::Form { path: path.to_owned(), problem };
        // The error's own text shows the line, which may hold a secret.
        let stored: Stored = toml::from_str(content.text.expose()).map_err(|error| form(error.message().to_owned()))?;
        stored.checked().map_err(|error| form(error.to_string()))
    }

    /// The profile of this name.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`].
    pub(crate) fn find(&self, name: &str) -> Result<&Profile, ProfileError> {
        let unknown = || ProfileError::Unknown { name: name.escape_debug().to_string(), known: self.names() };
        self.profiles.get(name).ok_or_else(unknown)
    }

    /// Adds or replaces a profile. The first that somebody adds is used from then on; the
    /// one of `countersign dev` is not, so that it does not come before others.
    pub(crate) fn add(&mut self, name: &str, profile: Profile) {
        self.profiles.insert(name.to_owned(), profile);
        if self.default.is_none() && name != DEV {
            self.default = Some(name.to_owned());
        }
    }

    /// The names, for people.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self.profiles.keys().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// Writes the file, readable by its owner only, all of it or nothing.
    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = folder_of(path);
        let text = toml::to_string(&Stored::of(self)).map_err(io::Error::other)?;
        let text = Secret::new(format!("{HEADER}{text}"));
        let mut file = tempfile::Builder::new().prefix(".profiles.").tempfile_in(folder)?;
        file.write_all(text.expose().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }
}

/// Reads the file, changes it and writes it, while nobody else does.
///
/// # Errors
/// Those of [`ProfileFile::read`], of writing, and of `change`; then nothing is written.
pub(crate) fn change<T>(path: &Path, change: impl FnOnce(&mut ProfileFile) -> Result<T, ProfileError>) -> Result<T, ProfileError> {
    let failed = |source| ProfileError::File { path: path.to_owned(), source };
    let _lock = lock(folder_of(path)).map_err(failed)?;
    let mut file = ProfileFile::read(path)?;
    let outcome = change(&mut file)?;
    file.write(path).map_err(failed)?;
    Ok(outcome)
}

/// Held until the value is dropped. The file of profiles itself is replaced, so it cannot be the lock.
fn lock(folder: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(".profiles.lock"))?;
    options.lock()?;
    Ok(options)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

impl Stored {
    fn checked(self) -> Result<ProfileFile, ProfileError> {
        let profile = |(name, stored): (String, StoredProfile)| {
            let profile = Profile {
                management_url: ManagementUrl::parse(&stored.management_url)?,
                client_id: stored.client_id,
                client_secret: Secret::new(stored.client_secret),
                ca_file: stored.ca_file,
            };
            Ok((parse_name(&name)?, profile))
        };
        let profiles: BTreeMap<String, Profile> = self.profiles.into_iter().map(profile).collect::<Result<_, ProfileError>>()?;
        let file = ProfileFile { default: self.default, profiles };
        file.default.as_deref().map(|name| file.find(name).map(drop)).transpose()?;
        Ok(file)
    }

    fn of(file: &ProfileFile) -> Self {
        let stored = |(name, profile): (&String, &Profile)| {
            let stored = StoredProfile {
                management_url: profile.management_url.to_string(),
                client_id: profile.client_id.clone(),
                client_secret: profile.client_secret.expose().clone(),
                ca_file: profile.ca_file.clone(),
            };
            (name.clone(), stored)
        };
        Self { default: file.default.clone(), profiles: file.profiles.iter().map(stored).collect() }
    }
}

impl std::fmt::Debug for StoredProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredProfile").field("management_url", &self.management_url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn profile(id: &str) -> Profile {
        Profile {
            management_url: ManagementUrl::of_base("http://localhost:8787").unwrap(),
            client_id: id.to_owned(),
            client_secret: Secret::new("a \"secret\"\\".to_owned()),
            ca_file: None,
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/countersign/profiles.toml");
        for name in ["one", "two"] {
            let add = |file: &mut ProfileFile| Ok(file.profiles.insert(name.to_owned(), profile(name)).is_none());
            assert!(change(&path, add).unwrap());
        }
        let read = ProfileFile::read(&path).unwrap();
        assert_eq!(read.names(), "`one`, `two`");
        assert_eq!(read.find("two").unwrap().client_secret.expose(), "a \"secret\"\\");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    }

    #[test]
    fn many_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profiles.toml");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || change(path, |file| Ok(file.profiles.insert(format!("p{number}"), profile("x")))).unwrap());
            }
        });
        assert_eq!(ProfileFile::read(&path).unwrap().profiles.len(), 16);
    }

    #[test]
    fn a_file_that_others_read_or_that_is_wrong_is_refused_without_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profiles.toml");
        change(&path, |file| Ok(file.profiles.insert("one".to_owned(), profile("one")))).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(ProfileFile::read(&path), Err(ProfileError::Open { mode: 0o640, .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for text in [
            "[profiles.one]\nclient_secret = hunter2",
            "[profiles.one]\nclient_secret = \"hunter2\"",
            "[profiles.one]\nmanagement_url = \"x\"\nclient_id = \"x\"\nclient_secret = \"hunter2\"",
            "client_secret = \"hunter2\"",
            "default = \"none\"",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = ProfileFile::read(&path).unwrap_err();
            assert!(matches!(error, ProfileError::Form { .. }) && !error.to_string().contains("hunter2"), "{error}");
        }
    }
}
