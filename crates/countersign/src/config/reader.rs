//! What the sections read from: the layers, and a place to put errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_protocol::Secret;

use super::error::{ConfigError, Refusal, shown};
use super::files::Files;
use super::given::Given;
use super::named_file::NamedFile;
use super::place::{Layer, Place};
use super::provenance::{Origin, Provenance};
use super::setting::{Kind, Setting, settings};

pub(super) struct Reader<'a> {
    /// By key, the layers that gave a value, lowest first.
    given: BTreeMap<&'static str, Vec<Given>>,
    errors: Vec<ConfigError>,
    files: &'a dyn Files,
    /// Of the configuration file: what its relative paths count from.
    folder: PathBuf,
}

/// Which of a secret and its file is in force.
pub(super) enum SecretSource {
    File(PathBuf),
    Neither,
    /// What is set is wrong, and the error is recorded.
    Refused,
    Value,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a dyn Files, folder: PathBuf) -> Self {
        let mut reader = Self { given: BTreeMap::new(), errors: Vec::new(), files, folder };
        reader.add((settings().filter_map(Given::default_of).collect(), Vec::new()));
        reader
    }

    /// Puts a layer over those that are there.
    pub(super) fn add(&mut self, (given, errors): (Vec<Given>, Vec<ConfigError>)) {
        for value in given {
            self.given.entry(value.setting.key).or_default().push(value);
        }
        self.errors.extend(errors);
    }

    pub(super) fn refuse(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    pub(super) fn finish(self) -> (Provenance, Vec<ConfigError>) {
        let origins = settings().map(|setting| origin(setting, self.in_force(setting))).collect();
        (Provenance(origins), self.errors)
    }

    /// The value of a list; `None` if it is unset or refused.
    ///
    /// A wrong value is an error also where another layer overrides it: it would
    /// surprise on the day when that layer goes.
    pub(super) fn list<T>(&mut self, setting: &'static Setting, parse: impl Fn(&str) -> Result<T, Refusal>) -> Option<Vec<T>> {
        let mut in_force = None;
        for given in self.given.get(setting.key).into_iter().flatten() {
            let before = self.errors.len();
            if given.items.is_empty() {
                self.errors.push(ConfigError::of(setting, &given.place, "is empty"));
            }
            let mut values = Vec::new();
            for item in &given.items {
                match parse(item.text.expose()) {
                    Ok(value) => values.push(value),
                    Err(refusal) => self.errors.push(ConfigError::refused(setting, &item.place, item.text.expose(), refusal)),
                }
            }
            in_force = (self.errors.len() == before).then_some(values);
        }
        in_force
    }

    /// The value of a setting that is no list; `None` if it is unset or refused.
    pub(super) fn value<T>(&mut self, setting: &'static Setting, parse: impl Fn(&str) -> Result<T, Refusal>) -> Option<T> {
        self.list(setting, parse)?.pop()
    }

    pub(super) fn boolean(&mut self, setting: &'static Setting) -> Option<bool> {
        self.value(setting, |text| text.parse().map_err(|_| Refusal::new("is neither `true` nor `false`")))
    }

    pub(super) fn integer<T: TryFrom<u64>>(&mut self, setting: &'static Setting) -> Option<T> {
        let within = |value: &u64| !matches!(setting.kind, Kind::Integer { min, max, .. } if !(min..=max).contains(value));
        self.value(setting, |text| {
            let value: i128 = text.parse().map_err(|_| Refusal::new("is not an integer"))?;
            let value = u64::try_from(value).ok().filter(within);
            value.and_then(|value| T::try_from(value).ok()).ok_or_else(|| Refusal::new("is out of bounds"))
        })
    }

    /// The value of a path, resolved as [`Self::resolve`] does.
    pub(super) fn path(&mut self, setting: &'static Setting) -> Option<PathBuf> {
        let non_empty = |text: &str| if text.is_empty() { Err(Refusal::new("is empty")) } else { Ok(PathBuf::from(text)) };
        let path = self.value(setting, non_empty)?;
        Some(self.resolve(setting, &path))
    }

    /// The file that a setting names, to be read when the server starts.
    pub(super) fn named_file(&mut self, setting: &'static Setting) -> Option<NamedFile> {
        let path = self.path(setting)?;
        Some(NamedFile { key: setting.key, path, place: self.place(setting) })
    }

    /// A path that `setting` names. A relative one counts from the folder of the
    /// configuration file, but from the working directory where the environment
    /// or a flag names it.
    pub(super) fn resolve(&self, setting: &Setting, path: &Path) -> PathBuf {
        match self.place(setting).layer() {
            Layer::Default | Layer::File => self.folder.join(path),
            Layer::Environment | Layer::Flags => path.to_owned(),
        }
    }

    /// Whether any layer sets it, or it has a default.
    pub(super) fn is_set(&self, setting: &Setting) -> bool {
        self.in_force(setting).is_some()
    }

    /// The place that gave the value in force.
    pub(super) fn place(&self, setting: &Setting) -> Place {
        self.in_force(setting).map_or(Place::Default, |given| given.place.clone())
    }

    /// The places of the items of the list in force.
    pub(super) fn item_places(&self, setting: &Setting) -> Vec<Place> {
        self.in_force(setting).map(|given| given.items.iter().map(|item| item.place.clone()).collect()).unwrap_or_default()
    }

    /// Records a default that follows from other settings.
    pub(super) fn derive(&mut self, setting: &'static Setting, text: &str) {
        self.given.insert(setting.key, vec![Given::from_text(setting, text, Place::Default)]);
    }

    /// Decides between a secret and the setting that names its file: the higher
    /// layer wins, and one layer must not set both.
    pub(super) fn secret_source(&mut self, secret: &'static Setting, file: &'static Setting) -> SecretSource {
        let layer = |setting: &Setting| self.in_force(setting).map(|given| given.place.layer());
        let (value_layer, file_layer) = (layer(secret), layer(file));
        if value_layer.is_none() && file_layer.is_none() {
            return SecretSource::Neither;
        }
        if value_layer == file_layer {
            let error = ConfigError::new(file.key, self.place(file), format!("and {} are both set", secret.key));
            self.errors.push(error.with_fix("keep one of the two"));
            return SecretSource::Refused;
        }
        if value_layer > file_layer {
            self.given.remove(file.key);
            return SecretSource::Value;
        }
        self.given.remove(secret.key);
        self.path(file).map_or(SecretSource::Refused, SecretSource::File)
    }

    /// A secret that a setting holds or that a file holds; `None` if there is none.
    pub(super) fn secret(&mut self, secret: &'static Setting, file: &'static Setting) -> Option<Secret<String>> {
        match self.secret_source(secret, file) {
            SecretSource::Neither | SecretSource::Refused => None,
            SecretSource::File(path) => self.secret_in_file(file, &path),
            SecretSource::Value => self.value(secret, non_empty_secret),
        }
    }

    fn secret_in_file(&mut self, setting: &'static Setting, path: &Path) -> Option<Secret<String>> {
        let place = self.place(setting);
        let value = shown(&path.to_string_lossy());
        let refused = |problem: String| ConfigError { value: Some(value), ..ConfigError::new(setting.key, place, problem) };
        match self.files.read(path) {
            Ok(content) if !content.without_newline().is_empty() => Some(Secret::new(content.without_newline().to_owned())),
            Ok(_) => {
                self.errors.push(refused("is empty".to_owned()));
                None
            }
            Err(error) => {
                self.errors.push(refused(format!("cannot be read: {error}")));
                None
            }
        }
    }

    fn in_force(&self, setting: &Setting) -> Option<&Given> {
        self.given.get(setting.key)?.last()
    }
}

fn non_empty_secret(text: &str) -> Result<Secret<String>, Refusal> {
    if text.is_empty() { Err(Refusal::new("is empty")) } else { Ok(Secret::new(text.to_owned())) }
}

fn origin(setting: &'static Setting, given: Option<&Given>) -> Origin {
    let texts = |given: &Given| given.items.iter().map(|item| item.text.expose().clone()).collect::<Vec<_>>().join(", ");
    Origin {
        key: setting.key,
        is_set: given.is_some(),
        value: given.filter(|_| !setting.is_secret()).map(texts),
        place: given.map_or(Place::Default, |given| given.place.clone()),
    }
}
