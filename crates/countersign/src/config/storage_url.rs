//! The form of `storage.url`.

use std::path::PathBuf;

use super::base_url::split_port;
use super::error::Refusal;
use super::storage::StorageUrl;

pub(super) fn parse(text: &str) -> Result<StorageUrl, Refusal> {
    let parsed = match text.split_once(':') {
        Some(("sqlite", path)) => sqlite(path),
        Some(("postgres" | "postgresql", rest)) => postgres(text, rest),
        _ => Err(Refusal::new("is not the URL of a database")),
    };
    parsed.map_err(|refusal| if may_hold_password(text) { refusal.hiding_value() } else { refusal })
}

/// Decided by the text alone: a URL that could not be read may hold one too.
fn may_hold_password(text: &str) -> bool {
    text.contains('@') || text.to_ascii_lowercase().contains("pass")
}

fn sqlite(path: &str) -> Result<StorageUrl, Refusal> {
    if path.is_empty() {
        return Err(Refusal::new("names no file"));
    }
    if path.starts_with(":memory:") {
        return Err(
            Refusal::new("is an in-memory database, which forgets every revocation").with_fix("name a file in a temporary folder")
        );
    }
    if path.starts_with("//") {
        return Err(
            Refusal::new("has slashes that are no part of a path").with_fix("write sqlite:relative/path or sqlite:/absolute/path")
        );
    }
    if path.contains('?') {
        return Err(Refusal::new("has parameters").with_fix("write sqlite: and the path, nothing else"));
    }
    Ok(StorageUrl::Sqlite { path: PathBuf::from(path) })
}

fn postgres(text: &str, rest: &str) -> Result<StorageUrl, Refusal> {
    let refused = || Refusal::new("is not the URL of a PostgreSQL database");
    let rest = rest.strip_prefix("//").ok_or_else(refused)?;
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = address.split_once('/').unwrap_or((address, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    // A `/` in a password ends the authority too early, which leaves the `@` behind.
    if user.contains(':') || address.contains(":") && database.contains('@') {
        return Err(password_in_url());
    }
    let Parameters { names_host, tls, kept } = parameters(query)?;
    let legal_hosts = hosts.split(',').all(|host| split_port(host).is_some_and(|(host, _)| !host.is_empty()));
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#');
    if !is_plain || !(legal_hosts || hosts.is_empty() && names_host) {
        return Err(refused());
    }
    if database.is_empty() || database.contains('/') {
        return Err(Refusal::new("names no database"));
    }
    let without_query = text.split_once('?').map_or(text, |(before, _)| before);
    let url = if kept.is_empty() { without_query.to_owned() } else { format!("{without_query}?{}", kept.join("&")) };
    Ok(StorageUrl::Postgres { url, tls })
}

struct Parameters<'a> {
    names_host: bool,
    tls: bool,
    /// All but `sslmode`.
    kept: Vec<&'a str>,
}

fn parameters(query: &str) -> Result<Parameters<'_>, Refusal> {
    let mut read = Parameters { names_host: false, tls: false, kept: Vec::new() };
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.contains("pass") {
            return Err(password_in_url());
        }
        // A name with an escape in it could spell `password` unseen.
        if value.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(Refusal::new("has a parameter that is not name=value").hiding_value());
        }
        match name {
            "sslmode" => read.tls = is_tls(value)?,
            "sslrootcert" => return Err(Refusal::new("names a file").with_fix("set storage.ca_file to it")),
            _ if name.starts_with("ssl") => return Err(Refusal::new("has a parameter of TLS that is not known here")),
            _ => read.kept.push(parameter),
        }
        read.names_host |= name == "host";
    }
    Ok(read)
}

/// There is no TLS without a check of who answers: `require` asks for as much as
/// it can have.
fn is_tls(mode: &str) -> Result<bool, Refusal> {
    match mode {
        "require" | "verify-full" => Ok(true),
        "disable" | "allow" | "prefer" => Ok(false),
        "verify-ca" => Err(Refusal::new("asks for TLS to whomever the authority knows").with_fix("write sslmode=verify-full")),
        _ => Err(Refusal::new("has an unknown sslmode").with_fix("write sslmode=verify-full, or sslmode=disable")),
    }
}

fn password_in_url() -> Refusal {
    Refusal::new("holds a password")
        .with_fix("take it out of the URL and set storage.password_file, or COUNTERSIGN__STORAGE__PASSWORD in the environment")
        .hiding_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_files_and_servers() {
        assert_eq!(parse("sqlite:data/x.db").unwrap(), StorageUrl::Sqlite { path: PathBuf::from("data/x.db") });
        assert_eq!(parse("sqlite:/data/x.db").unwrap(), StorageUrl::Sqlite { path: PathBuf::from("/data/x.db") });
        for url in [
            "postgres://cs@db:5432/countersign",
            "postgresql://db/countersign",
            "postgres://cs@a:5432,b:5432/countersign?target_session_attrs=read-write",
            "postgres://cs@/countersign?host=/run/postgresql",
            "postgres:///countersign?host=/run/postgresql",
        ] {
            assert_eq!(parse(url).unwrap(), StorageUrl::Postgres { url: url.to_owned(), tls: false });
        }
    }

    #[test]
    fn tls_is_asked_for_by_sslmode_and_always_verified() {
        for (mode, tls) in [("disable", false), ("allow", false), ("prefer", false), ("require", true), ("verify-full", true)] {
            for (given, kept) in [
                (format!("postgres://cs@db/d?sslmode={mode}"), "postgres://cs@db/d"),
                (format!("postgres://cs@db/d?connect_timeout=3&sslmode={mode}"), "postgres://cs@db/d?connect_timeout=3"),
            ] {
                assert_eq!(parse(&given).unwrap(), StorageUrl::Postgres { url: kept.to_owned(), tls }, "{given}");
            }
        }
        for url in ["postgres://db/d?sslmode=verify-ca", "postgres://db/d?sslmode=Require", "postgres://db/d?sslcert=/x"] {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn refuses_what_is_no_database() {
        for url in [
            "",
            "countersign.db",
            "sqlite:",
            "sqlite::memory:",
            "sqlite://x.db",
            "sqlite:x.db?mode=rwc",
            "mysql://a/b",
            "postgres:a/b",
            "postgres://",
            "postgres://db",
            "postgres://db/",
            "postgres:///db",
            "postgres://cs@db:x/d",
            "postgres://db/d#x",
            "postgres://db/a b",
            "postgres://db/d/e",
            "postgres://db/d?host",
            "postgres://db/d?sslrootcert=/x",
            "postgres://db/d?p%61ssword=x",
            "postgres://a,,b/d",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for url in [
            "postgres://cs:hunter2@db/d",
            "postgres://cs:hun/ter2@db/d",
            "postgres://cs:hun@ter2@db/d",
            "postgres://db/d?password=hunter2",
            "postgres://cs:hunter2@",
            "postgres://cs:@db/d",
        ] {
            let refusal = format!("{:?}", parse(url).unwrap_err());
            assert!(refusal.contains("holds a password") && refusal.contains("shows_value: false"), "{url} {refusal}");
        }
    }

    #[test]
    fn an_unreadable_url_that_may_hold_a_password_is_not_repeated() {
        for url in ["postgresq://cs:hunter2@db/d", "cs:hunter2@db", "mysql://db?password=hunter2", "sqlite://u:hunter2@x"] {
            assert!(format!("{:?}", parse(url).unwrap_err()).contains("shows_value: false"), "{url}");
        }
    }
}
