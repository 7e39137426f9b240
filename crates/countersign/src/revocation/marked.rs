//! What a mark names.

use countersign_protocol::status::{MarkName, mark_kind};
use countersign_protocol::{Audience, ClientId};

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
            Self::All(_) => mark_kind::ALL,
            Self::Audience(..) => mark_kind::AUDIENCE,
            Self::Client(_) => mark_kind::CLIENT,
            Self::Credential(_) => mark_kind::CREDENTIAL,
            Self::Key(_) | Self::TokenKey(_) => mark_kind::KEY,
            Self::Subject(_) => mark_kind::SUBJECT,
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

impl From<&Marked> for MarkName {
    fn from(marked: &Marked) -> Self {
        Self::new(marked.kind(), marked.authorization_server(), marked.value())
    }
}
