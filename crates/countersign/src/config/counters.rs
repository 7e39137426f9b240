//! `[counters]`: where limits of API keys are counted.

use std::time::Duration;

use countersign_protocol::Secret;
use url::Url;

use super::error::{ConfigError, Refusal};
use super::named_file::NamedFile;
use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};
use super::storage::StorageUrl;

/// Where limits of API keys are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountersConfig {
    /// Where several nodes count together.
    pub backend: CountersBackend,
    /// Most windows that one process counts.
    pub capacity: usize,
    /// Longest that a request waits for shared counters.
    pub timeout: Duration,
}

/// Where several nodes count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountersBackend {
    /// Each process counts alone.
    Process,
    /// In PostgreSQL.
    Database,
    /// In Valkey, or Redis.
    Valkey {
        /// Where it is.
        url: ValkeyUrl,
        /// Its user's password.
        password: Option<Secret<String>>,
        /// The only certificate authorities that are trusted for TLS to it; none: Mozilla's.
        ca_file: Option<NamedFile>,
    },
}

/// The parts of `counters.url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValkeyUrl {
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Number of the database.
    pub database: i64,
    /// User, if it is not the default one.
    pub username: Option<String>,
    /// Whether the connection is TLS.
    pub tls: bool,
}

pub(super) static SECTION: Section = Section {
    name: "counters",
    doc: "Where the limits of API keys are counted. One node counts in its process. Several nodes count together in Valkey or in \
          PostgreSQL; a limit's `on_unreachable` says what happens when that cannot be asked.",
    settings: &[&BACKEND, &URL, &PASSWORD, &PASSWORD_FILE, &CA_FILE, &CAPACITY, &TIMEOUT],
};

static BACKEND: Setting = Setting {
    key: "counters.backend",
    kind: Kind::Choice(&["process", "database", "valkey"]),
    default: Fallback::Derived("`valkey` where `counters.url` is set, else `process`"),
    doc: "`process`: each node counts alone. `database`: in PostgreSQL, in a table that is not logged: after a crash of PostgreSQL \
          every window begins anew. `valkey`: in Valkey or Redis at `counters.url`.",
};

static URL: Setting = Setting {
    key: "counters.url",
    kind: Kind::Text { form: "`redis://HOST:PORT/DATABASE` or `rediss://USER@HOST:PORT/DATABASE`, without a password" },
    default: Fallback::Unset,
    doc: "Valkey 7.2 or newer, or Redis 6 or newer; `rediss` is TLS. The server must not evict keys (`maxmemory-policy noeviction`), \
          and a replica that takes over may have missed the last requests. Not a cluster.",
};

static PASSWORD: Setting = Setting {
    key: "counters.password",
    kind: Kind::Secret { form: "the password of the user" },
    default: Fallback::Unset,
    doc: "Password for `counters.url`. Prefer `counters.password_file`.",
};

static PASSWORD_FILE: Setting = Setting {
    key: "counters.password_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "File that holds `counters.password`; one newline at its end is ignored.",
};

static CA_FILE: Setting = Setting {
    key: "counters.ca_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "PEM file of the only certificate authorities that are trusted for `rediss`. Without it, Mozilla's are.",
};

static CAPACITY: Setting = Setting {
    key: "counters.capacity",
    kind: Kind::Integer { min: 1_000, max: 100_000_000, unit: "windows" },
    default: Fallback::Value("1000000"),
    doc: "Most windows that one process counts at a time, in about 60 bytes each. When so many run, a further limit is treated as its \
          `on_unreachable` says, `local` as `deny`; only windows that have ended make room.",
};

static TIMEOUT: Setting = Setting {
    key: "counters.timeout_ms",
    kind: Kind::Integer { min: 1, max: 10_000, unit: "milliseconds" },
    default: Fallback::Value("100"),
    doc: "How long a request waits for shared counters at most. After that they are not asked for half a second.",
};

impl CountersConfig {
    pub(super) fn read(reader: &mut Reader<'_>, database: Option<&StorageUrl>) -> Option<Self> {
        let has_url = reader.is_set(&URL);
        if !reader.is_set(&BACKEND) {
            reader.derive(&BACKEND, if has_url { "valkey" } else { "process" });
        }
        let backend = reader.value(&BACKEND, parse_backend);
        let url = if has_url { reader.value(&URL, parse_url) } else { None };
        let password = reader.secret(&PASSWORD, &PASSWORD_FILE);
        let ca_file = reader.named_file(&CA_FILE);
        let capacity = reader.integer(&CAPACITY);
        let timeout = reader.integer(&TIMEOUT).map(Duration::from_millis);
        let place = reader.place(&BACKEND);
        let backend = match (backend?, url) {
            ("valkey", None) if !has_url => {
                refuse(reader, ConfigError::of(&URL, &place, "is required with counters.backend = \"valkey\""))
            }
            ("valkey", url) => Some(CountersBackend::Valkey { url: url?, password, ca_file }),
            (other, _) if has_url => refuse(
                reader,
                ConfigError::new(URL.key, reader.place(&URL), format!("is set although counters.backend is `{other}`")),
            ),
            ("database", _) if matches!(database, Some(StorageUrl::Sqlite { .. })) => {
                let error = ConfigError::new(BACKEND.key, place, "is `database`, which is PostgreSQL's alone");
                refuse(reader, error.with_fix("leave it out: the one node of a SQLite file counts exactly in its process"))
            }
            ("database", _) => Some(CountersBackend::Database),
            _ => Some(CountersBackend::Process),
        };
        Some(Self { backend: backend?, capacity: capacity?, timeout: timeout? })
    }
}

fn refuse(reader: &mut Reader<'_>, error: ConfigError) -> Option<CountersBackend> {
    reader.refuse(error);
    None
}

fn parse_backend(text: &str) -> Result<&'static str, Refusal> {
    let words = ["process", "database", "valkey"];
    words.into_iter().find(|word| *word == text).ok_or_else(|| Refusal::new("is no place to count"))
}

fn parse_url(text: &str) -> Result<ValkeyUrl, Refusal> {
    // A URL that could not be read may hold a password too.
    parsed_url(text).map_err(|refusal| if text.contains('@') { refusal.hiding_value() } else { refusal })
}

fn parsed_url(text: &str) -> Result<ValkeyUrl, Refusal> {
    let url = Url::parse(text).map_err(|_| Refusal::new("is not a URL"))?;
    let tls = match url.scheme() {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(Refusal::new("is not the URL of a Valkey server")),
    };
    if url.password().is_some() {
        return Err(Refusal::new("holds a password").with_fix("put it in a file and name that in counters.password_file"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Refusal::new("has parameters"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| Refusal::new("names no host"))?;
    let database = url.path().trim_start_matches('/');
    let database = if database.is_empty() { Ok(0) } else { database.parse::<u16>() };
    let database = database.map_err(|_| Refusal::new("has a path that is no database number"))?;
    Ok(ValkeyUrl {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(6379),
        database: database.into(),
        username: Some(url.username()).filter(|name| !name.is_empty()).map(str::to_owned),
        tls,
    })
}

/// As the settings have them by default.
impl Default for CountersConfig {
    fn default() -> Self {
        Self { backend: CountersBackend::Process, capacity: 1_000_000, timeout: Duration::from_millis(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_url_are_found() {
        let url = parsed_url("rediss://counter@[::1]:7000/3").ok().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.database, url.tls), ("::1", 7000, 3, true));
        assert_eq!(url.username.as_deref(), Some("counter"));
        let url = parsed_url("redis://cache.example").ok().unwrap();
        assert_eq!((url.port, url.database, url.tls, url.username), (6379, 0, false, None));
    }

    #[test]
    fn a_url_with_a_password_or_of_something_else_is_refused() {
        for text in ["redis://:secret@host", "http://host", "redis:///0", "redis://host/name", "redis://host?db=1", "host:6379"] {
            assert!(parsed_url(text).is_err(), "{text}");
        }
    }
}
