//! What people paste where a token belongs.

use countersign_protocol::ErrorCode;
use countersign_verify::Presented;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// A text in which a token was looked for.
#[derive(Debug)]
pub(super) struct Pasted {
    /// The token inside.
    pub(super) token: String,
    /// What a verifier would say to `Bearer` and this text, if it is not the token.
    pub(super) refusal: Option<ErrorCode>,
    pub(super) oddities: Vec<Oddity>,
}

/// What stood around the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// `Bearer` stands there twice.
    BearerTwice,
    /// A line break or another space stands inside.
    Broken,
    /// It is in quotes.
    Quoted,
}

impl Pasted {
    /// Finds the token. A whole header, and the line break at the end of a file, are
    /// nothing odd: they are not sent.
    pub(super) fn read(text: &str) -> Self {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let value = strip_word(text, "authorization:").unwrap_or(text);
        let sent = strip_word(value, "bearer").unwrap_or(value);
        let mut oddities = Vec::new();
        let mut token = sent.to_owned();
        while let Some(inner) = strip_word(&token, "bearer") {
            oddities.push(Oddity::BearerTwice);
            token = inner.to_owned();
        }
        while let Some(inner) = unquoted(&token) {
            oddities.push(Oddity::Quoted);
            token = inner.to_owned();
        }
        if token.contains(char::is_whitespace) {
            oddities.push(Oddity::Broken);
            token.retain(|c| !c.is_whitespace());
        }
        oddities.dedup();
        let refusal = if token == sent { None } else { refusal(sent) };
        Self { token, refusal, oddities }
    }
}

/// What stands after a word and its spaces.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    let is_word = start.eq_ignore_ascii_case(word) && (word.ends_with(':') || rest.starts_with([' ', '\t']));
    is_word.then(|| rest.trim_start_matches([' ', '\t']))
}

fn unquoted(text: &str) -> Option<&str> {
    ['"', '\'', '`'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

/// What a verifier says to this text behind `Bearer`, when it is no token.
fn refusal(sent: &str) -> Option<ErrorCode> {
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_str(&format!("Bearer {sent}")) else { return Some(ErrorCode::AuthorizationMalformed) };
    headers.insert(AUTHORIZATION, value);
    match Presented::from_headers(&headers) {
        Ok(_) => Some(ErrorCode::TokenNotBase64Url),
        Err(error) => Some(error.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Option<ErrorCode>, Vec<Oddity>) {
        let Pasted { token, refusal, oddities } = Pasted::read(text);
        (token, refusal, oddities)
    }

    #[test]
    fn a_header_or_a_line_of_a_file_is_the_token() {
        for text in ["a.b.c", " a.b.c\r\n", "Bearer a.b.c", "authorization:  bearer   a.b.c\n", "Authorization:Bearer a.b.c"] {
            assert_eq!(read(text), ("a.b.c".to_owned(), None, Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn what_a_verifier_would_refuse_is_said_and_looked_through() {
        let malformed = Some(ErrorCode::AuthorizationMalformed);
        for (text, refusal, oddities) in [
            ("Bearer Bearer a.b.c", malformed, vec![Oddity::BearerTwice]),
            ("\"a.b.c\"", Some(ErrorCode::TokenNotBase64Url), vec![Oddity::Quoted]),
            ("Bearer 'a.b.c'", Some(ErrorCode::TokenNotBase64Url), vec![Oddity::Quoted]),
            ("a.b\n.c", malformed, vec![Oddity::Broken]),
            ("a.b .c", malformed, vec![Oddity::Broken]),
            ("Bearer Bearer \"a.b.c\"", malformed, vec![Oddity::BearerTwice, Oddity::Quoted]),
        ] {
            assert_eq!(read(text), ("a.b.c".to_owned(), refusal, oddities), "{text:?}");
        }
    }
}
