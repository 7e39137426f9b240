//! What a refusal did not say. It is put into words off the request path, so that
//! what is said of a client that exists takes no longer than of one that does not.

use std::fmt::Write as _;
use std::sync::Arc;

use countersign_protocol::{CredentialText, Timestamp};

use crate::clients::{Client, Credential, CredentialKind};
use crate::ids::CredentialId;
use crate::log::rfc3339;
use crate::oauth::RefusalReason;

/// Longest detail, in characters.
const MAX_CHARS: usize = 600;
/// Most characters of a text that a caller sent.
const MAX_SHOWN_CHARS: usize = 100;
/// Most credentials of a client that are listed.
const MAX_CREDENTIALS: usize = 8;

/// From how many characters on a word is no name: ids have 31, a UUID 36, secrets 66.
const LONGEST_NAME: usize = 40;

/// What stands for a credential.
const HIDDEN: &str = "(a credential, not shown)";

/// What a refusal did not say.
#[derive(Clone, Debug)]
pub(crate) enum Detail {
    /// Why a client is not authenticated.
    Authentication(Box<AuthenticationDetail>),
    /// Anything else.
    Text(String),
}

/// Why a client that was named is not authenticated.
#[derive(Clone, Debug)]
pub(crate) struct AuthenticationDetail {
    /// The client, if there is one.
    pub(crate) client: Option<Arc<Client>>,
    /// Why.
    pub(crate) reason: RefusalReason,
    /// The credential that would fit, were it or its client in force.
    pub(crate) would_fit: Option<CredentialId>,
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Detail {
    /// The words, as of the refusal at `at`: bounded, and nothing that moves a cursor.
    pub(super) fn render(&self, at: Timestamp) -> String {
        let text = match self {
            Self::Authentication(detail) => detail.render(at),
            Self::Text(text) => text.clone(),
        };
        bounded(&text, MAX_CHARS)
    }
}

impl AuthenticationDetail {
    fn render(&self, at: Timestamp) -> String {
        let Some(client) = &self.client else {
            return "there is no client with the id that was sent".to_owned();
        };
        let would_fit = self.would_fit.as_ref().and_then(|id| client.credentials.iter().find(|own| own.id == *id));
        match (self.reason, would_fit) {
            (RefusalReason::ClientDisabled, _) => {
                let since = client.disabled_at.map_or_else(String::new, |since| format!(" since {}", rfc3339(since)));
                let right = would_fit.map_or_else(String::new, |right| format!("; credential {} is right", right.id));
                format!("client {} is disabled{since}{right}", client.id)
            }
            (_, Some(credential)) => format!("it fits credential {}, which {}", credential.id, state(credential, at)),
            (RefusalReason::SignatureNotAccepted, None) => {
                let keys = |credential: &Credential| !matches!(credential.kind, CredentialKind::Secret { .. });
                format!("the signature fits no key of client {}: {}", client.id, listed(client, keys, "no keys", at))
            }
            (RefusalReason::SecretNotAccepted | RefusalReason::ClientUnknown, None) => {
                let secrets = |credential: &Credential| matches!(credential.kind, CredentialKind::Secret { .. });
                format!("the secret matches none of client {}: {}", client.id, listed(client, secrets, "no secrets", at))
            }
        }
    }
}

fn listed(client: &Client, which: impl Fn(&Credential) -> bool, none: &str, at: Timestamp) -> String {
    let credentials: Vec<&Credential> = client.credentials.iter().filter(|credential| which(credential)).collect();
    if credentials.is_empty() {
        return format!("it has {none}");
    }
    // The newest are those that people mean.
    let described = credentials.iter().rev().take(MAX_CREDENTIALS);
    let mut text: Vec<String> = described.map(|credential| format!("{} {}", credential.id, state(credential, at))).collect();
    if credentials.len() > MAX_CREDENTIALS {
        text.push(format!("and {} older ones", credentials.len() - MAX_CREDENTIALS));
    }
    format!("it has {}", text.join(", "))
}

fn state(credential: &Credential, at: Timestamp) -> String {
    let over = |time: Option<Timestamp>| time.filter(|time| *time <= at).map(rfc3339);
    if let Some(revoked_at) = credential.revoked_at {
        return format!("was revoked at {}", rfc3339(revoked_at));
    }
    if let Some(expired_at) = over(credential.expires_at) {
        return format!("expired at {expired_at}");
    }
    match credential.not_before.filter(|start| *start > at) {
        Some(start) => format!("is not accepted before {}", rfc3339(start)),
        None => "is in force".to_owned(),
    }
}

/// A text that a caller sent.
pub(crate) fn shown(text: &str) -> String {
    format!("`{}`", bounded(text, MAX_SHOWN_CHARS))
}

/// At most `max` characters, of which none is invisible or turns the line around, and
/// no credential that came in the wrong field.
fn bounded(text: &str, max: usize) -> String {
    let mut kept = String::new();
    for (number, c) in without_credentials(text).chars().enumerate() {
        if number == max {
            kept.push_str("...");
            break;
        }
        if matches!(c, ' '..='~') || c.is_alphanumeric() {
            kept.push(c);
        } else {
            let _ = write!(kept, "{}", c.escape_unicode());
        }
    }
    kept
}

/// The text with every word replaced that is a secret, a token or an assertion.
fn without_credentials(text: &str) -> String {
    let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut kept = String::new();
    for piece in text.split_inclusive(|c| !in_word(c)) {
        let word = piece.trim_end_matches(|c| !in_word(c));
        if is_credential(word) {
            kept.push_str(HIDDEN);
            kept.push_str(piece.get(word.len()..).unwrap_or_default());
        } else {
            kept.push_str(piece);
        }
    }
    kept
}

fn is_credential(word: &str) -> bool {
    // A JWT begins with `{"` in base64url; an opaque token says what it is.
    word.contains("eyJ")
        || word.contains("cst_")
        || word.split(['-', '.']).any(|part| CredentialText::parse(part).is_ok())
        // Most of a secret, or one with a slip in it.
        || word.split('.').any(|part| part.len() >= LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sent_is_short_and_printable() {
        assert_eq!(shown("https://api.test"), "`https://api.test`");
        assert_eq!(shown("a\u{1b}[2Jb\u{202e}\n\u{e9}"), "`a\\u{1b}[2Jb\\u{202e}\\u{a}\u{e9}`");
        assert_eq!(shown(&"x ".repeat(2_500)).len(), 105);
    }

    #[test]
    fn a_credential_in_the_wrong_field_is_not_shown() {
        let secret = CredentialText::generate("csec", [7; 9], [9; 32]);
        let (jwt, opaque) = ("eyJhbGciOiJub25lIn0.e30._-x", "cst_01hx2b3c4d5e6f7g8h9jkmnpqrAAAA-_");
        let secret = secret.expose().as_str();
        let (mistyped, truncated) = (secret.replacen('_', "_x", 1), secret.get(..40).unwrap());
        for text in [secret, jwt, opaque, &mistyped, truncated] {
            assert_eq!(shown(text), format!("`{HIDDEN}`"));
            let detail = Detail::from(format!("there is no client `{text}`")).render(Timestamp::from_seconds(0));
            assert_eq!(detail, format!("there is no client `{HIDDEN}`"));
            assert_eq!(shown(&format!("https://a.test/?s={text}&t=1")), format!("`https://a.test/?s={HIDDEN}&t=1`"));
        }
    }

    #[test]
    fn ids_and_names_are_shown() {
        for name in
            ["cred_01hx2b3c4d5e6f7g8h9jkmnpqr", "123e4567-e89b-12d3-a456-426614174000", "https://billing-api.internal.example.com"]
        {
            assert_eq!(shown(name), format!("`{name}`"));
        }
    }

    #[test]
    fn a_detail_has_an_end() {
        let detail = Detail::from("y ".repeat(5_000)).render(Timestamp::from_seconds(0));
        assert_eq!(detail.len(), MAX_CHARS + 3);
    }
}
