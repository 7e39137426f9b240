//! Hashes with a salt: made to be slow.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time;

use super::phc::Phc;
use super::{ImportScheme, cost};

/// Bytes of a key that bcrypt reads.
const BCRYPT_READS: usize = 72;
/// Shortest and longest hash of Argon2 and scrypt, in bytes.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// Shortest and longest salt of Argon2 and scrypt, in bytes.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// A salted hash whose cost was checked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Salted {
    text: String,
    kind: SaltedKind,
}

#[derive(Clone, PartialEq, Eq)]
enum SaltedKind {
    Argon2 { algorithm: Algorithm, version: Version, memory: u32, passes: u32, lanes: u32, salt: Vec<u8>, hash: Vec<u8> },
    Bcrypt,
    Scrypt { log_n: u8, r: u32, p: u32, salt: Vec<u8>, hash: Vec<u8> },
}

impl Salted {
    /// Reads a text of this scheme, or says what is accepted.
    pub(super) fn parse(scheme: ImportScheme, text: &str) -> Result<Self, String> {
        let kind = match scheme {
            ImportScheme::Argon2 => argon2_of(text)?,
            ImportScheme::Scrypt => scrypt_of(text)?,
            ImportScheme::Bcrypt | ImportScheme::Hmac(_) | ImportScheme::Sha(_) => bcrypt_of(text)?,
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    pub(super) const fn scheme(&self) -> ImportScheme {
        match self.kind {
            SaltedKind::Argon2 { .. } => ImportScheme::Argon2,
            SaltedKind::Bcrypt => ImportScheme::Bcrypt,
            SaltedKind::Scrypt { .. } => ImportScheme::Scrypt,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) const fn covers(&self, part: &str) -> bool {
        !matches!(self.kind, SaltedKind::Bcrypt) || part.len() <= BCRYPT_READS
    }

    pub(super) fn matches(&self, part: &str) -> bool {
        match &self.kind {
            // What it does not read could be anything.
            SaltedKind::Bcrypt => bcrypt::verify(part, &self.text).unwrap_or(false),
            SaltedKind::Argon2 { algorithm, version, memory, passes, lanes, salt, hash } => {
                let Ok(parameters) = Params::new(*memory, *passes, *lanes, Some(hash.len())) else { return false };
                let argon2 = Argon2::new(*algorithm, *version, parameters);
                is_made(hash, |made| argon2.hash_password_into(part.as_bytes(), salt, made).is_ok())
            }
            SaltedKind::Scrypt { log_n, r, p, salt, hash } => {
                let Ok(parameters) = scrypt::Params::new(*log_n, *r, *p) else { return false };
                is_made(hash, |made| scrypt::scrypt(part.as_bytes(), salt, &parameters, made).is_ok())
            }
        }
    }
}

fn is_made(hash: &[u8], make: impl FnOnce(&mut [u8]) -> bool) -> bool {
    let mut made = vec![0; hash.len()];
    make(&mut made) && constant_time::verify_slices_are_equal(&made, hash).is_ok()
}

fn bcrypt_of(text: &str) -> Result<SaltedKind, String> {
    let malformed = || "`$2a$`, `$2b$` or `$2y$`, a cost of two digits, `$`, and 53 characters".to_owned();
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "2a" | "2b" | "2y", cost, rest] = *fields.as_slice() else { return Err(malformed()) };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    if cost.len() != 2 || !cost.bytes().all(|byte| byte.is_ascii_digit()) || rest.len() != 53 || !rest.bytes().all(legal) {
        return Err(malformed());
    }
    cost::check_bcrypt(cost.parse().map_err(|_| malformed())?).map_err(|error| error.to_string())?;
    Ok(SaltedKind::Bcrypt)
}

fn argon2_of(text: &str) -> Result<SaltedKind, String> {
    let malformed = || "a PHC text: `$argon2id$v=19$m=..,t=..,p=..$salt$hash`, salt of 8 to 64 bytes, hash of 16 to 64".to_owned();
    let phc = Phc::parse(text).filter(is_of_size).ok_or_else(malformed)?;
    let algorithm = match phc.name {
        "argon2d" => Algorithm::Argon2d,
        "argon2i" => Algorithm::Argon2i,
        "argon2id" => Algorithm::Argon2id,
        _ => return Err(malformed()),
    };
    let version = match phc.version {
        None | Some(0x10) => Version::V0x10,
        Some(0x13) => Version::V0x13,
        Some(_) => return Err(malformed()),
    };
    let [memory, passes, lanes] = phc.values(["m", "t", "p"]).ok_or_else(malformed)?;
    cost::check_argon2(memory, passes, lanes).map_err(|error| error.to_string())?;
    // RFC 9106 section 3.1.
    if passes == 0 || memory < 8 * lanes {
        return Err(malformed());
    }
    Ok(SaltedKind::Argon2 { algorithm, version, memory, passes, lanes, salt: phc.salt, hash: phc.hash })
}

fn scrypt_of(text: &str) -> Result<SaltedKind, String> {
    let malformed = || "a PHC text: `$scrypt$ln=..,r=..,p=..$salt$hash`, salt of 8 to 64 bytes, hash of 16 to 64".to_owned();
    let phc = Phc::parse(text).filter(is_of_size).ok_or_else(malformed)?;
    let [log_n, r, p] = phc.values(["ln", "r", "p"]).ok_or_else(malformed)?;
    let log_n = u8::try_from(log_n).map_err(|_| malformed())?;
    cost::check_scrypt(log_n, r, p).map_err(|error| error.to_string())?;
    // RFC 7914 section 2.
    if phc.name != "scrypt" || phc.version.is_some() || log_n == 0 || r == 0 || scrypt::Params::new(log_n, r, p).is_err() {
        return Err(malformed());
    }
    Ok(SaltedKind::Scrypt { log_n, r, p, salt: phc.salt, hash: phc.hash })
}

fn is_of_size(phc: &Phc<'_>) -> bool {
    SALT_BYTES.contains(&phc.salt.len()) && HASH_BYTES.contains(&phc.hash.len())
}
