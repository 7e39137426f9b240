//! A certificate chain with its private key.

use std::fmt;
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use x509_cert::der::Decode as _;

use crate::log::rfc3339;

/// A chain and the key that belongs to its first certificate.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Which of the two is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatePart {
    /// The certificate chain.
    Chain,
    /// The private key.
    PrivateKey,
}

/// Why a certificate cannot be served. Each text is a predicate whose subject is
/// the file with the [`CertificatePart`]; none holds anything of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The key is protected by a password.
    #[error("holds an encrypted key: store it without a password, in a file that only its owner may read")]
    EncryptedKey,
    /// Its time is over.
    #[error("expired at {0}")]
    Expired(String),
    /// It does not parse.
    #[error("holds a certificate that cannot be read: {0}")]
    Malformed(String),
    /// The key is another certificate's.
    #[error("holds the key of another certificate")]
    Mismatch,
    /// No certificate.
    #[error("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No key.
    #[error("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// Its time has not begun.
    #[error("is not valid before {0}: check the clock")]
    NotYetValid(String),
    /// A broken PEM file.
    #[error("is not valid PEM")]
    Pem(CertificatePart),
    /// An algorithm that is not spoken.
    #[error("holds a key that cannot be used: RSA of 2048 to 8192 bits, ECDSA P-256, P-384, P-521 and Ed25519 can")]
    UnsupportedKey,
}

impl CertificateError {
    /// Where the mistake is.
    pub const fn part(&self) -> CertificatePart {
        match self {
            Self::Expired(_) | Self::Malformed(_) | Self::NoCertificate | Self::NotYetValid(_) => CertificatePart::Chain,
            Self::EncryptedKey | Self::Mismatch | Self::NoKey | Self::UnsupportedKey => CertificatePart::PrivateKey,
            Self::Pem(part) => *part,
        }
    }
}

impl Certificate {
    /// A certificate from PEM texts, checked: everything a client would refuse at
    /// once is an error here. The server's own certificate comes first.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(chain: &str, private_key: &Secret<String>, now: Timestamp) -> Result<Self, CertificateError> {
        let chain = parse_chain(chain)?;
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (not_before, not_after) = validity(leaf)?;
        let private_key = parse_private_key(private_key)?;
        let signer = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(private_key)
            .map_err(|_| CertificateError::UnsupportedKey)?;
        let key = CertifiedKey::new(chain, signer);
        match key.keys_match() {
            Ok(()) => {}
            Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => return Err(CertificateError::Mismatch),
            Err(error) => return Err(CertificateError::Malformed(error.to_string())),
        }
        if now > not_after {
            return Err(CertificateError::Expired(rfc3339(not_after)));
        }
        if now < not_before {
            return Err(CertificateError::NotYetValid(rfc3339(not_before)));
        }
        Ok(Self { key: Arc::new(key), not_before, not_after })
    }

    /// Since when it is valid.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it is valid.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether clients that asked for `host`, a name or an address, accept it.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let parsed = self.key.end_entity_cert().ok().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
        let Some((parsed, name)) = parsed.zip(ServerName::try_from(host).ok()) else { return false };
        rustls::client::verify_server_name(&parsed, &name).is_ok()
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

fn parse_chain(text: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_: pem::Error| CertificateError::Pem(CertificatePart::Chain))
}

fn parse_private_key(text: &Secret<String>) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = text.expose();
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| {
        let is_missing = matches!(error, pem::Error::NoItemsFound);
        if is_missing { CertificateError::NoKey } else { CertificateError::Pem(CertificatePart::PrivateKey) }
    })
}

fn validity(leaf: &CertificateDer<'_>) -> Result<(Timestamp, Timestamp), CertificateError> {
    let parsed = x509_cert::Certificate::from_der(leaf).map_err(|error| CertificateError::Malformed(error.to_string()))?;
    let validity = parsed.tbs_certificate.validity;
    let time = |time: x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_seconds(seconds)
    };
    Ok((time(validity.not_before), time(validity.not_after)))
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("not_after", &rfc3339(self.not_after)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// In the middle of 2026.
    const NOW: Timestamp = Timestamp::from_seconds(1_782_000_000);

    fn made(from_year: i32, until_year: i32) -> (String, Secret<String>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["as.test".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from_year, 1, 1);
        params.not_after = date_time_ymd(until_year, 1, 1);
        (params.self_signed(&key).unwrap().pem(), Secret::new(key.serialize_pem()))
    }

    fn refusal(chain: &str, key: &str) -> CertificateError {
        Certificate::from_pem(chain, &Secret::new(key.to_owned()), NOW).unwrap_err()
    }

    #[test]
    fn a_good_certificate_tells_its_times_and_names() {
        let (chain, key) = made(2026, 2027);
        let certificate = Certificate::from_pem(&chain, &key, NOW).unwrap();
        assert_eq!(rfc3339(certificate.not_before()), "2026-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(certificate.not_after()), "2027-01-01T00:00:00.000Z");
        for host in ["as.test", "127.0.0.1", "[::1]", "::1"] {
            assert!(certificate.covers(host), "{host}");
        }
        for host in ["", "b.test", "x.as.test", "127.0.0.2", "a b"] {
            assert!(!certificate.covers(host), "{host}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_error_and_place() {
        use CertificatePart::{Chain, PrivateKey};
        let (chain, key) = made(2026, 2027);
        let (_, other_key) = made(2026, 2027);
        let (old, old_key) = made(2025, 2026);
        let (future, future_key) = made(2027, 2028);
        let key = key.expose();
        let broken = |text: &str| text.replace("-----END", "-----ENDE");
        let cases = [
            (refusal("", key), Chain, "holds no certificate"),
            (refusal(key, key), Chain, "holds no certificate"),
            (refusal(&broken(&chain), key), Chain, "is not valid PEM"),
            (refusal("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key), Chain, "cannot be read"),
            (refusal(&chain, ""), PrivateKey, "holds no private key"),
            (refusal(&chain, &chain), PrivateKey, "holds no private key"),
            (refusal(&chain, &broken(key)), PrivateKey, "is not valid PEM"),
            (refusal(&chain, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), PrivateKey, "cannot be used"),
            (refusal(&chain, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"), PrivateKey, "encrypted"),
            (refusal(&chain, other_key.expose()), PrivateKey, "holds the key of another certificate"),
            (refusal(&old, old_key.expose()), Chain, "expired at 2026-01-01T00:00:00.000Z"),
            (refusal(&future, future_key.expose()), Chain, "is not valid before 2027-01-01T00:00:00.000Z"),
        ];
        for (error, part, text) in cases {
            assert_eq!(error.part(), part, "{error}");
            assert!(error.to_string().contains(text), "{error}");
            assert!(!format!("{error:?} {error}").contains(&key[40..60]));
        }
    }
}
