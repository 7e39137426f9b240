//! What a mark names, and which marks a token matches.

use std::fmt;

use crate::Timestamp;

/// The kinds of marks, as in storage and on the wire.
pub mod mark_kind {
    /// Every token of an authorization server.
    pub const ALL: &str = "all";
    /// Those for an audience of an authorization server.
    pub const AUDIENCE: &str = "aud";
    /// Those issued to a client.
    pub const CLIENT: &str = "client";
    /// Those obtained with a credential.
    pub const CREDENTIAL: &str = "cred";
    /// Those made by a key.
    pub const KEY: &str = "kid";
    /// Those about a subject.
    pub const SUBJECT: &str = "sub";
}

/// A not-before time: tokens that `name` matches are revoked if they were issued
/// before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which tokens.
    pub name: MarkName,
    /// A whole second.
    pub not_before: Timestamp,
}

/// Kind, authorization server and value in one text: ids have no spaces, and the
/// value, which may have some, comes last. The feed of an authorization server leaves
/// its name out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkName(Box<str>);

impl MarkName {
    /// A name from its parts.
    pub fn new(kind: &str, authorization_server: &str, value: &str) -> Self {
        Self(format!("{kind} {authorization_server} {value}").into())
    }

    /// Kind, authorization server and value.
    pub fn parts(&self) -> (&str, &str, &str) {
        let mut parts = self.0.splitn(3, ' ');
        let mut next = || parts.next().unwrap_or_default();
        (next(), next(), next())
    }
}

impl fmt::Display for Mark {
    /// The form in the server's change feed: it says everything that a node needs to know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.not_before.as_seconds(), self.name.0)
    }
}

impl Mark {
    /// Reads the form in the server's change feed.
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, name) = text.split_once(' ')?;
        Some(Self { not_before: Timestamp::from_seconds(seconds.parse().ok()?), name: MarkName(name.into()) })
    }
}

/// What of a token a mark can name.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts<'a> {
    /// Who issued it; empty where only one can have.
    pub server: &'a str,
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
    pub fn names(&self) -> [MarkName; 6] {
        [
            MarkName::new(mark_kind::ALL, self.server, ""),
            MarkName::new(mark_kind::AUDIENCE, self.server, self.audience),
            MarkName::new(mark_kind::CLIENT, "", self.client_id),
            MarkName::new(mark_kind::CREDENTIAL, "", self.credential_id),
            MarkName::new(mark_kind::KEY, "", self.key_id),
            MarkName::new(mark_kind::SUBJECT, "", self.subject),
        ]
    }
}
