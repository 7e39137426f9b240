//! Hashes of keys that another system made: reading them, and telling whether a
//! presented key has one. Pure.
//!
//! What has no salt is found by its digest ([`Form`]); what has one, by a text of the
//! key that came with it.

mod cost;
mod digest;
mod form;
mod phc;
mod salted;
#[cfg(test)]
mod tests;

use std::fmt;

pub use digest::{DigestAlgorithm, ImportKeys, ImportSecret};
pub use form::{Form, Hint, HintKind};
use salted::Salted;

use crate::change::InvalidField;
use crate::ids::ImportKeyId;

/// Longest key that is tried, in bytes.
const MAX_PRESENTED_BYTES: usize = 512;

/// How a hash was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportScheme {
    /// Argon2, any variant, as a PHC text.
    Argon2,
    /// bcrypt, `$2a$`, `$2b$` or `$2y$`.
    Bcrypt,
    /// HMAC under an import key.
    Hmac(DigestAlgorithm),
    /// scrypt, as a PHC text.
    Scrypt,
    /// A bare digest.
    Sha(DigestAlgorithm),
}

/// What of a key was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// What follows the last `_`.
    Long,
    /// All of it.
    Whole,
}

/// A hash that was checked, with what is needed to compare it.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportedHash {
    part: KeyPart,
    kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Digest { algorithm: DigestAlgorithm, key: Option<ImportKeyId>, digest: Vec<u8> },
    Salted(Salted),
}

/// A hash as it was given.
#[derive(Clone, Copy, Debug)]
pub struct GivenHash<'a> {
    /// Its text.
    pub hash: &'a str,
    /// How it was made; `None`: its text tells. An HMAC is always named.
    pub scheme: Option<&'a str>,
    /// What was hashed, `whole` or `long`; `None`: all of it.
    pub part: Option<&'a str>,
    /// The key of an HMAC.
    pub import_key: Option<&'a ImportKeyId>,
}

impl ImportScheme {
    const ALL: [Self; 7] = [
        Self::Sha(DigestAlgorithm::Sha256),
        Self::Sha(DigestAlgorithm::Sha512),
        Self::Hmac(DigestAlgorithm::Sha256),
        Self::Hmac(DigestAlgorithm::Sha512),
        Self::Bcrypt,
        Self::Argon2,
        Self::Scrypt,
    ];

    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Argon2 => "argon2",
            Self::Bcrypt => "bcrypt",
            Self::Hmac(DigestAlgorithm::Sha256) => "hmac-sha256",
            Self::Hmac(DigestAlgorithm::Sha512) => "hmac-sha512",
            Self::Scrypt => "scrypt",
            Self::Sha(DigestAlgorithm::Sha256) => "sha256",
            Self::Sha(DigestAlgorithm::Sha512) => "sha512",
        }
    }

    /// The scheme with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == name)
    }

    /// What a text alone tells: a digest of these lengths is taken for a bare one.
    fn detect(hash: &str) -> Option<Self> {
        if hash.starts_with("$2") {
            return Some(Self::Bcrypt);
        }
        if hash.starts_with("$argon2") {
            return Some(Self::Argon2);
        }
        if hash.starts_with("$scrypt$") {
            return Some(Self::Scrypt);
        }
        DigestAlgorithm::ALL.into_iter().find(|algorithm| digest::decode(hash, *algorithm).is_some()).map(Self::Sha)
    }
}

impl KeyPart {
    /// As it is stored and shown: `long` or `whole`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Whole => "whole",
        }
    }

    /// The part with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Long, Self::Whole].into_iter().find(|part| part.as_str() == name)
    }

    /// This part of a key; `None`: it has none.
    pub fn of(self, presented: &str) -> Option<&str> {
        match self {
            Self::Long => presented.rsplit_once('_').map(|(_, long)| long).filter(|long| !long.is_empty()),
            Self::Whole => Some(presented),
        }
    }
}

/// Whether a text may be a key of another system at all: visible ASCII, of some length.
pub(super) fn may_be_a_key(presented: &str) -> bool {
    (1..=MAX_PRESENTED_BYTES).contains(&presented.len()) && presented.bytes().all(|byte| byte.is_ascii_graphic())
}

impl ImportedHash {
    /// Reads and checks a hash.
    ///
    /// # Errors
    /// [`InvalidField`] for a text that is no hash of its scheme, for one without the
    /// import key it needs, and for one that costs more to compare than is accepted.
    pub fn parse(given: &GivenHash<'_>) -> Result<Self, InvalidField> {
        let part = match given.part {
            None => KeyPart::Whole,
            Some(name) => {
                KeyPart::from_name(name).ok_or_else(|| InvalidField::new("part", name.escape_debug(), "`whole` or `long`"))?
            }
        };
        let scheme = scheme_of(given)?;
        let kind = match scheme {
            ImportScheme::Argon2 | ImportScheme::Bcrypt | ImportScheme::Scrypt => {
                Kind::Salted(Salted::parse(scheme, given.hash).map_err(|accepted| refused(scheme, accepted))?)
            }
            ImportScheme::Hmac(algorithm) | ImportScheme::Sha(algorithm) => {
                let wanted = || refused(scheme, format!("the {} bytes of the digest in hex or base64", algorithm.length()));
                let digest = digest::decode(given.hash, algorithm).ok_or_else(wanted)?;
                let key = given.import_key.filter(|_| matches!(scheme, ImportScheme::Hmac(_))).cloned();
                Kind::Digest { algorithm, key, digest }
            }
        };
        Ok(Self { part, kind })
    }

    /// How it was made.
    pub fn scheme(&self) -> ImportScheme {
        match &self.kind {
            Kind::Digest { algorithm, key: None, .. } => ImportScheme::Sha(*algorithm),
            Kind::Digest { algorithm, key: Some(_), .. } => ImportScheme::Hmac(*algorithm),
            Kind::Salted(salted) => salted.scheme(),
        }
    }

    /// What of the key was hashed.
    pub const fn part(&self) -> KeyPart {
        self.part
    }

    /// The import key that it was made under.
    pub const fn import_key(&self) -> Option<&ImportKeyId> {
        match &self.kind {
            Kind::Digest { key, .. } => key.as_ref(),
            Kind::Salted(_) => None,
        }
    }

    /// How it is found by what is presented, and by which text; `None`: by a text that
    /// comes with it.
    pub fn lookup(&self) -> Option<(Form, String)> {
        match &self.kind {
            Kind::Digest { algorithm, key, digest } => {
                let form = match key {
                    None => Form::Sha(*algorithm, self.part),
                    Some(key) => Form::Hmac(*algorithm, key.clone(), self.part),
                };
                let text = form.lookup_of(digest);
                Some((form, text))
            }
            Kind::Salted(_) => None,
        }
    }

    /// Whether a key has this hash. Takes up to a second where it is salted.
    pub fn matches(&self, presented: &str, keys: &ImportKeys) -> bool {
        let Some(part) = self.part.of(presented) else { return false };
        match &self.kind {
            Kind::Digest { algorithm, key, digest } => keys
                .digest(*algorithm, key.as_ref(), part)
                .is_some_and(|made| aws_lc_rs::constant_time::verify_slices_are_equal(&made, digest).is_ok()),
            Kind::Salted(salted) => salted.matches(part),
        }
    }

    /// Whether it stands for all of what is presented: bcrypt reads no more than the
    /// first 72 bytes.
    pub fn covers(&self, presented: &str) -> bool {
        match &self.kind {
            Kind::Digest { .. } => true,
            Kind::Salted(salted) => self.part.of(presented).is_some_and(|part| salted.covers(part)),
        }
    }

    /// The stored form.
    pub fn to_stored(&self) -> String {
        let (part, scheme) = (self.part.as_str(), self.scheme().as_str());
        match &self.kind {
            Kind::Digest { key, digest, .. } => {
                let key = key.as_ref().map_or("-", ImportKeyId::as_str);
                format!("{part} {scheme} {key} {}", countersign_protocol::jose::base64url::encode(digest))
            }
            Kind::Salted(salted) => format!("{part} {scheme} - {}", salted.text()),
        }
    }

    /// Reads the stored form.
    pub fn from_stored(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (part, scheme, key, hash) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let import_key = Some(key).filter(|key| *key != "-").map(ImportKeyId::from_stored);
        let given = GivenHash { hash, scheme: Some(scheme), part: Some(part), import_key: import_key.as_ref() };
        Self::parse(&given).ok().filter(|_| words.next().is_none())
    }
}

fn scheme_of(given: &GivenHash<'_>) -> Result<ImportScheme, InvalidField> {
    let names = || ImportScheme::ALL.map(ImportScheme::as_str).join(", ");
    let scheme = match given.scheme {
        Some(name) => ImportScheme::from_name(name).ok_or_else(|| InvalidField::new("scheme", name.escape_debug(), names()))?,
        None => ImportScheme::detect(given.hash)
            .ok_or_else(|| InvalidField::new("hash", "no hash that its text tells", format!("one of the schemes {}", names())))?,
    };
    match (scheme, given.import_key) {
        (ImportScheme::Hmac(_), None) => Err(InvalidField::new("import_key_id", "absent", "the import key of the HMAC")),
        (ImportScheme::Hmac(_), Some(_)) | (_, None) => Ok(scheme),
        (_, Some(id)) => Err(InvalidField::new("import_key_id", id, "absent: only an HMAC has a key, and its scheme is named")),
    }
}

/// What was given is not repeated: it is as good as a key.
fn refused(scheme: ImportScheme, accepted: String) -> InvalidField {
    InvalidField::new("hash", format!("no {} hash that is accepted", scheme.as_str()), accepted)
}

impl fmt::Debug for ImportedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedHash").field("part", &self.part).field("scheme", &self.scheme()).finish_non_exhaustive()
    }
}
