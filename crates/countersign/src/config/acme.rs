//! `[acme]`: a certificate from a certificate authority (RFC 8555).

use std::net::SocketAddr;

use super::error::{ConfigError, Refusal};
use super::named_file::NamedFile;
use super::reader::Reader;
use super::server::{parse_address, refuse_repeated};
use super::setting::{Fallback, Kind, Section, Setting};
use super::tls::Optional;

/// Longest domain name (RFC 1035 section 2.3.4), and longest label of one.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Which certificate to get, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// The authority's directory.
    pub directory_url: String,
    /// Authorities that are trusted for the connection to the directory, besides the usual ones.
    pub directory_ca_file: Option<NamedFile>,
    /// Mail addresses for notices of the authority.
    pub contact: Vec<String>,
    /// Names in the certificate; never empty.
    pub domains: Vec<String>,
    /// Addresses on which the authority's questions, and nothing else, are answered.
    pub http_listen: Vec<SocketAddr>,
}

pub(super) static SECTION: Section = Section {
    name: "acme",
    doc: "A certificate for `tls.listen` from a certificate authority, such as Let's Encrypt, by ACME (RFC 8555) with HTTP-01 \
          challenges. On when `acme.domains` is set. Account, keys and certificate are in the database, encrypted by the master \
          key; one node at a time renews, when two thirds of the certificate's life are over.",
    settings: &[&DOMAINS, &DIRECTORY_URL, &TERMS_AGREED, &CONTACT, &HTTP_LISTEN, &DIRECTORY_CA_FILE],
};

static DOMAINS: Setting = Setting {
    key: "acme.domains",
    kind: Kind::List { of: "domain names in lower case, such as `auth.example.com`; no wildcards" },
    default: Fallback::Unset,
    doc: "The names in the certificate. Each must lead to the nodes of this instance, on port 80 for the challenges.",
};

static DIRECTORY_URL: Setting = Setting {
    key: "acme.directory_url",
    kind: Kind::Text { form: "an https URL" },
    default: Fallback::Unset,
    doc: "The directory of the certificate authority. Let's Encrypt: `https://acme-v02.api.letsencrypt.org/directory`, and \
          `https://acme-staging-v02.api.letsencrypt.org/directory` to try it out without its rate limits.",
};

static TERMS_AGREED: Setting = Setting {
    key: "acme.terms_agreed",
    kind: Kind::Bool,
    default: Fallback::Value("false"),
    doc: "Says that you agree to the terms of service of the certificate authority.",
};

static CONTACT: Setting = Setting {
    key: "acme.contact",
    kind: Kind::List { of: "mail addresses" },
    default: Fallback::Unset,
    doc: "Where the certificate authority writes to about the account.",
};

static HTTP_LISTEN: Setting = Setting {
    key: "acme.http_listen",
    kind: Kind::List { of: "socket addresses, such as `0.0.0.0:80` or `[::]:80`" },
    default: Fallback::Unset,
    doc: "Addresses that answer the challenges of the certificate authority and nothing else. Every other listener answers them \
          too, for a proxy that forwards port 80.",
};

static DIRECTORY_CA_FILE: Setting = Setting {
    key: "acme.directory_ca_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "PEM file of certificate authorities that are trusted, besides Mozilla's and `outbound.ca_file`, for the connection to \
          the directory. For a certificate authority of your own.",
};

impl AcmeConfig {
    pub(super) const DOMAINS: &'static Setting = &DOMAINS;

    pub(super) fn read(reader: &mut Reader<'_>) -> Optional<Self> {
        let terms_agreed = reader.boolean(&TERMS_AGREED);
        if !reader.is_set(&DOMAINS) {
            return refuse_without_domains(reader);
        }
        let domains = reader.list(&DOMAINS, parse_domain);
        if let Some(domains) = &domains {
            refuse_repeated(reader, &DOMAINS, domains, |_| true);
        }
        let directory_url = required(reader, &DIRECTORY_URL).then(|| reader.value(&DIRECTORY_URL, parse_url)).flatten();
        let contact = if reader.is_set(&CONTACT) { reader.list(&CONTACT, parse_mail) } else { Some(Vec::new()) };
        let http_listen = if reader.is_set(&HTTP_LISTEN) { reader.list(&HTTP_LISTEN, parse_address) } else { Some(Vec::new()) };
        let directory_ca_file = reader.named_file(&DIRECTORY_CA_FILE);
        if terms_agreed == Some(false) {
            let error = ConfigError::new(TERMS_AGREED.key, reader.place(&DOMAINS), "is required with acme.domains");
            reader.refuse(error.with_fix("read the terms of service of the certificate authority and set it to true"));
            return Optional::Refused;
        }
        let read = || {
            Some(Self {
                directory_url: directory_url?,
                directory_ca_file,
                contact: contact?,
                domains: domains?,
                http_listen: http_listen?,
            })
        };
        read().map_or(Optional::Refused, Optional::On)
    }
}

fn refuse_without_domains(reader: &mut Reader<'_>) -> Optional<AcmeConfig> {
    let mut outcome = Optional::Off;
    for setting in [&DIRECTORY_URL, &CONTACT, &HTTP_LISTEN, &DIRECTORY_CA_FILE] {
        if reader.is_set(setting) {
            let error = ConfigError::new(setting.key, reader.place(setting), "is set although acme.domains is not");
            reader.refuse(error.with_fix("set acme.domains, or leave this out"));
            outcome = Optional::Refused;
        }
    }
    outcome
}

fn required(reader: &mut Reader<'_>, setting: &'static Setting) -> bool {
    let is_set = reader.is_set(setting);
    if !is_set {
        let error = ConfigError::of(setting, &reader.place(&DOMAINS), "is required with acme.domains");
        reader.refuse(error.with_fix("name the directory of the certificate authority"));
    }
    is_set
}

fn parse_domain(text: &str) -> Result<String, Refusal> {
    if text.starts_with("*.") {
        return Err(Refusal::new("is a wildcard, which HTTP-01 challenges cannot prove").with_fix("list the names one by one"));
    }
    let is_label = |label: &str| {
        let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_legal) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    let is_name = text.len() <= MAX_NAME && text.split('.').all(is_label);
    if is_name && !is_address { Ok(text.to_owned()) } else { Err(Refusal::new("is not a domain name in lower case")) }
}

fn parse_url(text: &str) -> Result<String, Refusal> {
    match url::Url::parse(text) {
        Ok(url) if url.username().is_empty() && url.password().is_none() && url.host().is_some() => match url.scheme() {
            "https" => Ok(text.to_owned()),
            _ => Err(Refusal::new("is not an https URL")),
        },
        _ => Err(Refusal::new("is not a URL without user name").hiding_value()),
    }
}

fn parse_mail(text: &str) -> Result<String, Refusal> {
    let (name, domain) = text.rsplit_once('@').unwrap_or_default();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b",?;<>\"\\".contains(&byte));
    if is_plain && !name.is_empty() && domain.contains('.') && !text.starts_with("mailto:") {
        return Ok(text.to_owned());
    }
    Err(Refusal::new("is not a mail address").with_fix("write name@example.com"))
}
