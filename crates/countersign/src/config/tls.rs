//! `[tls]` and `[acme]`: serving https, with a certificate from files or from a
//! certificate authority.

use std::net::SocketAddr;
use std::time::Duration;

use super::acme::AcmeConfig;
use super::base_url::BaseUrl;
use super::error::{ConfigError, Refusal};
use super::named_file::NamedFile;
use super::reader::Reader;
use super::server::{parse_address, refuse_repeated};
use super::setting::{Fallback, Kind, Section, Setting};

/// Listeners that speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Addresses to listen on; never empty.
    pub listen: Vec<SocketAddr>,
    /// The public base URLs of these listeners; never empty, the first is the default.
    pub base_urls: Vec<BaseUrl>,
    /// Where the certificate comes from.
    pub certificate: CertificateSource,
    /// Longest wait for a handshake.
    pub handshake_timeout: Duration,
    /// Handshakes that may run at a time.
    pub max_handshakes: usize,
}

/// A certificate in two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: NamedFile,
    /// Its private key.
    pub private_key: NamedFile,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// A certificate authority (RFC 8555).
    Acme(AcmeConfig),
    /// Files.
    Files {
        /// The files.
        files: CertificateFiles,
        /// How often they are looked at.
        reload_interval: Duration,
    },
}

pub(super) static SECTION: Section = Section {
    name: "tls",
    doc: "Serving https without a proxy. Off unless `tls.listen` is set; then `tls.base_urls` and a certificate are needed: \
          `tls.certificate_file` with `tls.private_key_file`, or the section `acme`.",
    settings: &[&LISTEN, &BASE_URLS, &CERTIFICATE_FILE, &PRIVATE_KEY_FILE, &RELOAD_INTERVAL, &HANDSHAKE_TIMEOUT, &MAX_HANDSHAKES],
};

static LISTEN: Setting = Setting {
    key: "tls.listen",
    kind: Kind::List { of: "socket addresses, such as `0.0.0.0:443` or `[::]:443`" },
    default: Fallback::Unset,
    doc: "Addresses to listen on with TLS 1.2 or 1.3, HTTP/2 or HTTP/1.1. Port 0 takes a free port.",
};

static BASE_URLS: Setting = Setting {
    key: "tls.base_urls",
    kind: Kind::List { of: "https base URLs, such as `https://auth.example.com`: scheme, host and port only" },
    default: Fallback::Unset,
    doc: "The URLs under which callers reach the TLS listeners. A request that arrives there is below one of these: its `Host` \
          selects one by exact match; no match selects the first.",
};

static CERTIFICATE_FILE: Setting = Setting {
    key: "tls.certificate_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "PEM file of the certificate chain, the server's own certificate first. A changed file is taken up without a restart.",
};

static PRIVATE_KEY_FILE: Setting = Setting {
    key: "tls.private_key_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "PEM file of the private key of `tls.certificate_file`. Only its owner may have access to it (mode 0600 or 0400).",
};

static RELOAD_INTERVAL: Setting = Setting {
    key: "tls.reload_interval_seconds",
    kind: Kind::Integer { min: 1, max: 86_400, unit: "seconds" },
    default: Fallback::Value("10"),
    doc: "How often the two files are looked at. A change counts once two looks found the same; SIGHUP makes it count at once.",
};

static HANDSHAKE_TIMEOUT: Setting = Setting {
    key: "tls.handshake_timeout_seconds",
    kind: Kind::Integer { min: 1, max: 60, unit: "seconds" },
    default: Fallback::Value("10"),
    doc: "How long a TLS handshake may take. A connection that says nothing is closed after this time.",
};

static MAX_HANDSHAKES: Setting = Setting {
    key: "tls.max_handshakes",
    kind: Kind::Integer { min: 1, max: 10_000, unit: "handshakes" },
    default: Fallback::Value("512"),
    doc: "Handshakes that may be under way at a time; more wait for their turn, within their timeout.",
};

/// Whether a section is in use, and then what it says.
pub(super) enum Optional<T> {
    Off,
    Refused,
    On(T),
}

impl TlsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Optional<Self> {
        let handshake_timeout = reader.integer(&HANDSHAKE_TIMEOUT).map(Duration::from_secs);
        let max_handshakes = reader.integer(&MAX_HANDSHAKES);
        let reload_interval = reader.integer(&RELOAD_INTERVAL).map(Duration::from_secs);
        let acme = AcmeConfig::read(reader);
        if !reader.is_set(&LISTEN) {
            return refuse_without_listener(reader);
        }
        let listen = reader.list(&LISTEN, parse_address);
        if let Some(listen) = &listen {
            refuse_repeated(reader, &LISTEN, listen, |address| address.port() != 0);
        }
        let base_urls = read_base_urls(reader);
        let certificate = read_certificate(reader, acme, reload_interval);
        let read = || {
            Some(Self {
                listen: listen?,
                base_urls: base_urls?,
                certificate: certificate?,
                handshake_timeout: handshake_timeout?,
                max_handshakes: max_handshakes?,
            })
        };
        read().map_or(Optional::Refused, Optional::On)
    }
}

impl<T> Optional<T> {
    /// None: refused.
    pub(super) fn accepted(self) -> Option<Option<T>> {
        match self {
            Self::Off => Some(None),
            Self::Refused => None,
            Self::On(value) => Some(Some(value)),
        }
    }
}

fn refuse_without_listener(reader: &mut Reader<'_>) -> Optional<TlsConfig> {
    let mut outcome = Optional::Off;
    for setting in [&BASE_URLS, &CERTIFICATE_FILE, &PRIVATE_KEY_FILE, AcmeConfig::DOMAINS] {
        if reader.is_set(setting) {
            let error = ConfigError::new(setting.key, reader.place(setting), "is set although nothing listens with TLS");
            reader.refuse(error.with_fix(format!("set {}, or leave this out", LISTEN.key)));
            outcome = Optional::Refused;
        }
    }
    outcome
}

fn read_base_urls(reader: &mut Reader<'_>) -> Option<Vec<BaseUrl>> {
    if !reader.is_set(&BASE_URLS) {
        let error = ConfigError::of(&BASE_URLS, &reader.place(&LISTEN), "is required with tls.listen");
        reader.refuse(error.with_fix("name the URLs that callers use, such as https://auth.example.com"));
        return None;
    }
    let base_urls = reader.list(&BASE_URLS, |text| match BaseUrl::parse(text)? {
        base if base.is_https() => Ok(base),
        _ => Err(Refusal::new("is not an https URL").with_fix("plain http has server.listen and server.base_urls")),
    })?;
    refuse_repeated(reader, &BASE_URLS, &base_urls, |_| true);
    Some(base_urls)
}

fn read_certificate(
    reader: &mut Reader<'_>,
    acme: Optional<AcmeConfig>,
    reload_interval: Option<Duration>,
) -> Option<CertificateSource> {
    let (certificate, private_key) = (reader.named_file(&CERTIFICATE_FILE), reader.named_file(&PRIVATE_KEY_FILE));
    let listen_place = reader.place(&LISTEN);
    let mut refuse = |key: &str, place, problem: String, fix: &str| {
        reader.refuse(ConfigError::new(key, place, problem).with_fix(fix));
        None
    };
    match (certificate, private_key, acme) {
        (Some(certificate), Some(private_key), Optional::Off) => {
            let files = CertificateFiles { certificate, private_key };
            Some(CertificateSource::Files { files, reload_interval: reload_interval? })
        }
        (None, None, Optional::On(acme)) => Some(CertificateSource::Acme(acme)),
        (Some(file), _, Optional::On(_)) | (_, Some(file), Optional::On(_)) => {
            refuse(file.key, file.place, "and acme.domains are both set".to_owned(), "keep one of the two")
        }
        (Some(file), None, Optional::Off) => {
            refuse(PRIVATE_KEY_FILE.key, file.place, format!("is required with {}", file.key), "name the file of its private key")
        }
        (None, Some(file), Optional::Off) => {
            refuse(CERTIFICATE_FILE.key, file.place, format!("is required with {}", file.key), "name the file of its certificate")
        }
        (None, None, Optional::Off) => refuse(
            CERTIFICATE_FILE.key,
            listen_place,
            "is required with tls.listen".to_owned(),
            "set tls.certificate_file and tls.private_key_file, or acme.domains",
        ),
        (_, _, Optional::Refused) => None,
    }
}
