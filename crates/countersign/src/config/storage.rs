//! `[storage]`: the database.

use std::path::PathBuf;
use std::time::Duration;

use countersign_protocol::Secret;

use super::error::ConfigError;
use super::named_file::NamedFile;
use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};
use super::storage_url;

/// The database and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// Which database.
    pub url: StorageUrl,
    /// Password of the PostgreSQL user.
    pub password: Option<Secret<String>>,
    /// The only certificate authorities that are trusted for TLS to PostgreSQL; none: Mozilla's.
    pub ca_file: Option<NamedFile>,
    /// Most connections to PostgreSQL, or readers of SQLite.
    pub max_connections: usize,
    /// How often the change feed is polled.
    pub poll_interval: Duration,
    /// Whether PostgreSQL's LISTEN announces changes between two polls.
    pub listen: bool,
    /// How long one statement, or the wait for a connection, may take.
    pub timeout: Duration,
}

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageUrl {
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL database.
    Postgres {
        /// URL without a password and without `sslmode`.
        url: String,
        /// Whether the connection is TLS.
        tls: bool,
    },
}

pub(super) static SECTION: Section = Section {
    name: "storage",
    doc: "The database.",
    settings: &[&URL, &PASSWORD, &PASSWORD_FILE, &CA_FILE, &MAX_CONNECTIONS, &POLL_INTERVAL, &LISTEN, &TIMEOUT],
};

pub(super) static URL: Setting = Setting {
    key: "storage.url",
    kind: Kind::Text { form: "`sqlite:PATH` or `postgres://USER@HOST:PORT/DATABASE`, without a password" },
    default: Fallback::Value("sqlite:countersign.db"),
    doc: "The database: a SQLite file, or PostgreSQL when several nodes share it. `postgres://USER@/DATABASE?host=/FOLDER` \
          connects through the socket in FOLDER. `?sslmode=verify-full` connects with TLS and accepts only a certificate for HOST \
          from a trusted authority; `sslmode=require` means the same here, because encryption alone does not keep out who sits \
          in the middle. Without it, and with `disable`, `allow` and `prefer`, the connection is not encrypted.",
};

static PASSWORD: Setting = Setting {
    key: "storage.password",
    kind: Kind::Secret { form: "the password of the PostgreSQL user" },
    default: Fallback::Unset,
    doc: "Password of the PostgreSQL user. Prefer `storage.password_file`.",
};

static PASSWORD_FILE: Setting = Setting {
    key: "storage.password_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "File that holds `storage.password`; one newline at its end is ignored.",
};

static CA_FILE: Setting = Setting {
    key: "storage.ca_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "PEM file of the only certificate authorities that are trusted for TLS to PostgreSQL (`sslrootcert` of other clients). \
          Without it, Mozilla's are.",
};

static MAX_CONNECTIONS: Setting = Setting {
    key: "storage.max_connections",
    kind: Kind::Integer { min: 1, max: 200, unit: "connections" },
    default: Fallback::Value("16"),
    doc: "Most connections that one node opens to the database.",
};

static POLL_INTERVAL: Setting = Setting {
    key: "storage.poll_interval_ms",
    kind: Kind::Integer { min: 50, max: 60_000, unit: "milliseconds" },
    default: Fallback::Value("500"),
    doc: "How often a node looks for changes that other nodes made. It bounds the delay of a revocation where `storage.listen` is off.",
};

static LISTEN: Setting = Setting {
    key: "storage.listen",
    kind: Kind::Bool,
    default: Fallback::Value("true"),
    doc: "Lets PostgreSQL announce changes by LISTEN and NOTIFY. Turn it off behind a pooler that works per transaction.",
};

static TIMEOUT: Setting = Setting {
    key: "storage.timeout_ms",
    kind: Kind::Integer { min: 100, max: 60_000, unit: "milliseconds" },
    default: Fallback::Value("3000"),
    doc: "How long a statement, or the wait for a free connection, may take.",
};

impl StorageConfig {
    pub(super) fn read_url(reader: &mut Reader<'_>) -> Option<StorageUrl> {
        match reader.value(&URL, storage_url::parse)? {
            StorageUrl::Sqlite { path } => Some(StorageUrl::Sqlite { path: reader.resolve(&URL, &path) }),
            StorageUrl::Postgres { url, tls } => Some(StorageUrl::Postgres { url, tls }),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>, url: Option<StorageUrl>) -> Option<Self> {
        let password = reader.secret(&PASSWORD, &PASSWORD_FILE);
        let ca_file = reader.named_file(&CA_FILE);
        if let (Some(file), Some(StorageUrl::Sqlite { .. } | StorageUrl::Postgres { tls: false, .. })) = (&ca_file, &url) {
            let error = ConfigError::new(CA_FILE.key, file.place.clone(), "is set although the connection is not TLS");
            reader.refuse(error.with_fix("add ?sslmode=verify-full to storage.url, or leave this out"));
        }
        let max_connections = reader.integer(&MAX_CONNECTIONS);
        let poll_interval = reader.integer(&POLL_INTERVAL).map(Duration::from_millis);
        let listen = reader.boolean(&LISTEN);
        let timeout = reader.integer(&TIMEOUT).map(Duration::from_millis);
        Some(Self {
            url: url?,
            password,
            ca_file,
            max_connections: max_connections?,
            poll_interval: poll_interval?,
            listen: listen?,
            timeout: timeout?,
        })
    }
}
