//! What the comment above a command promises.

use super::ran::Ran;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Exit code 0.
    Success,
    /// An HTTP status: `-> 200`.
    Status(u16),
    /// One line that is a token: `-> prints a token`.
    Token,
    /// `-> JSON`.
    Json,
}

impl Expected {
    /// Reads the text after the arrow.
    pub(crate) fn read(promise: &str) -> Result<Self, String> {
        if let Some(status) = promise.split_whitespace().next().and_then(status) {
            return Ok(Self::Status(status));
        }
        match promise {
            "prints a token" => Ok(Self::Token),
            "JSON" => Ok(Self::Json),
            _ => Err(format!("`{promise}` is none of: an HTTP status, `prints a token`, `JSON`")),
        }
    }

    /// The error says what is wrong.
    pub(crate) fn check(&self, ran: &Ran) -> Result<(), String> {
        if !ran.succeeded() {
            return Err(format!("it failed\n{}", ran.output()));
        }
        let kept = match self {
            Self::Success => true,
            Self::Status(status) => ran.http_status() == Some(*status),
            Self::Token => is_token(ran.stdout()),
            Self::Json => is_json(ran.stdout()),
        };
        if kept { Ok(()) } else { Err(format!("expected {self:?}, HTTP status {:?}\n{}", ran.http_status(), ran.output())) }
    }
}

fn status(word: &str) -> Option<u16> {
    word.parse().ok().filter(|status| (100..600).contains(status))
}

/// One word, too long to be a message.
fn is_token(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 20 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_json(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('[') && text.ends_with(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_tokens_and_json_from_messages() {
        assert!(is_token("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl\n"));
        assert!(!is_token("error: no such client demo-client"));
        assert!(!is_token(""));
        assert!(is_json(" {\"active\":false}\n"));
        assert!(!is_json("not json"));
    }
}
