//! What a mark names, and which of it a token matches.

use std::fmt;

use countersign_protocol::{Audience, ClientId, Timestamp};

use crate::ids::{AuthorizationServerId, CredentialId, SigningKeyId, TokenKeyId};

/// The tokens that a mark is about: each of them issued before the mark is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    /// Every token of an authorization server.
    All(AuthorizationServerId),
    /// Those for an audience, which has a meaning only at its authorization server.
    Audience(AuthorizationServerId, Audience),
    /// Those issued to a client.
    Client(ClientId),
    /// Those obtained with a credential.
    Credential(CredentialId),
    /// Those signed by a key.
    Key(SigningKeyId),
    /// Those sealed by a key.
    TokenKey(TokenKeyId),
    /// Those about a subject.
    Subject(String),
}

impl Marked {
    /// The kind, as in storage and in the feed.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::All(_) => ALL,
            Self::Audience(..) => AUDIENCE,
            Self::Client(_) => CLIENT,
            Self::Credential(_) => CREDENTIAL,
            Self::Key(_) | Self::TokenKey(_) => KEY,
            Self::Subject(_) => SUBJECT,
        }
    }

    /// The authorization server, where the value has a meaning only there; else empty.
    pub fn authorization_server(&self) -> &str {
        match self {
            Self::All(server) | Self::Audience(server, _) => server.as_str(),
            Self::Client(_) | Self::Credential(_) | Self::Key(_) | Self::TokenKey(_) | Self::Subject(_) => "",
        }
    }

    /// The value; empty for [`Marked::All`].
    pub fn value(&self) -> &str {
        match self {
            Self::All(_) => "",
            Self::Audience(_, audience) => audience.as_str(),
            Self::Client(id) => id.as_str(),
            Self::Credential(id) => id.as_str(),
            Self::Key(id) => id.as_str(),
            Self::TokenKey(id) => id.as_str(),
            Self::Subject(subject) => subject,
        }
    }
}

const ALL: &str = "all";
const AUDIENCE: &str = "aud";
const CLIENT: &str = "client";
const CREDENTIAL: &str = "cred";
const KEY: &str = "kid";
const SUBJECT: &str = "sub";

/// A mark as it stands in storage: tokens it names are revoked if they were issued
/// before `not_before`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMark {
    /// Which tokens; see [`MarkName`].
    pub name: MarkName,
    /// A whole second.
    pub not_before: Timestamp,
}

/// Kind, authorization server and value in one text: ids have no spaces, and the
/// value, which may have some, comes last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MarkName(Box<str>);

impl MarkName {
    /// A name from its parts.
    pub fn new(kind: &str, authorization_server: &str, value: &str) -> Self {
        Self(format!("{kind} {authorization_server} {value}").into())
    }
}

impl MarkName {
    /// Kind, authorization server and value.
    pub fn parts(&self) -> (&str, &str, &str) {
        let mut parts = self.0.splitn(3, ' ');
        let mut next = || parts.next().unwrap_or_default();
        (next(), next(), next())
    }
}

impl From<&Marked> for MarkName {
    fn from(marked: &Marked) -> Self {
        Self::new(marked.kind(), marked.authorization_server(), marked.value())
    }
}

impl fmt::Display for StoredMark {
    /// The form in the change feed: it says everything that a node needs to know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.not_before.as_seconds(), self.name.0)
    }
}

impl StoredMark {
    /// Reads the form in the change feed.
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, name) = text.split_once(' ')?;
        Some(Self { not_before: Timestamp::from_seconds(seconds.parse().ok()?), name: MarkName(name.into()) })
    }
}

/// What of a token a mark can name.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts<'a> {
    /// Who issued it.
    pub server: &'a AuthorizationServerId,
    /// Its `aud`.
    pub audience: &'a str,
    /// Its `client_id`.
    pub client_id: &'a str,
    /// Its `cred`.
    pub credential_id: &'a str,
    /// Its `kid`.
    pub key_id: &'a str,
    /// Its `sub`.
    pub subject: &'a str,
}

impl TokenFacts<'_> {
    /// The names of the marks that the token matches, one of each kind.
    pub(super) fn names(&self) -> [MarkName; 6] {
        let server = self.server.as_str();
        [
            MarkName::new(ALL, server, ""),
            MarkName::new(AUDIENCE, server, self.audience),
            MarkName::new(CLIENT, "", self.client_id),
            MarkName::new(CREDENTIAL, "", self.credential_id),
            MarkName::new(KEY, "", self.key_id),
            MarkName::new(SUBJECT, "", self.subject),
        ]
    }
}
