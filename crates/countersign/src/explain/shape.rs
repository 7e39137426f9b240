//! What a text is by its form alone.

use countersign_protocol::CredentialText;
use countersign_protocol::CredentialTextError;

use super::unverified::Unverified;
use crate::clients::SECRET_PREFIX;
use crate::token_keys::TOKEN_PREFIX;

/// The parts of a credential's text behind its prefix: id, secret, checksum.
const CREDENTIAL_BODY: usize = 61;

/// A kind of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An API key, or another credential with a right checksum.
    ApiKey,
    /// A client secret.
    ClientSecret,
    /// A credential's form with a wrong checksum.
    CredentialWithTypo,
    /// An opaque token of Countersign.
    CountersignOpaque,
    /// An encrypted JWT (RFC 7516): five parts. `direct`: to a key that both sides hold.
    Encrypted { direct: bool },
    /// A JWT by its form.
    Jwt,
    /// A JWT that lacks a part.
    JwtCut,
    /// Something without parts.
    Opaque,
    /// Nothing at all.
    Empty,
    /// Anything else.
    Other,
}

impl Shape {
    pub(super) fn of(token: &str, unverified: &Unverified) -> Self {
        if token.is_empty() {
            return Self::Empty;
        }
        if let Some(credential) = Self::of_credential(token) {
            return credential;
        }
        match token.split('.').count() {
            3 => Self::Jwt,
            5 => Self::Encrypted { direct: unverified.header("alg") == Some("dir") },
            2 if unverified.has_header() => Self::JwtCut,
            1 if unverified.has_header() => Self::JwtCut,
            1 if token.starts_with(TOKEN_PREFIX) => Self::CountersignOpaque,
            1 if token.bytes().all(|byte| byte.is_ascii_graphic()) => Self::Opaque,
            _ => Self::Other,
        }
    }

    fn of_credential(token: &str) -> Option<Self> {
        match CredentialText::parse(token) {
            Ok(_) if token.starts_with(SECRET_PREFIX) => Some(Self::ClientSecret),
            Ok(_) => Some(Self::ApiKey),
            Err(CredentialTextError::Checksum) => {
                // An opaque token may end in as many letters and digits.
                let prefix = token.len().checked_sub(CREDENTIAL_BODY).and_then(|at| token.get(..at))?;
                (!prefix.starts_with(TOKEN_PREFIX)).then_some(Self::CredentialWithTypo)
            }
            Err(CredentialTextError::Malformed) => None,
        }
    }

    /// What it is, in words.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "an API key or another credential of Countersign's form",
            Self::ClientSecret => "a client secret of Countersign",
            Self::CredentialWithTypo => "a credential of Countersign's form with a wrong checksum: a character is wrong",
            Self::CountersignOpaque => "an opaque token of Countersign",
            Self::Encrypted { .. } => "an encrypted JWT: five parts",
            Self::Jwt => "a JWT: three parts",
            Self::JwtCut => "a JWT that was cut: not three parts",
            Self::Opaque => "an opaque text: one part",
            Self::Empty => "no text",
            Self::Other => "no token",
        }
    }
}
