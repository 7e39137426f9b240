//! What people paste where a token belongs.

use countersign_protocol::ErrorCode;
use countersign_verify::Presented;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// Schemes that are sent with tokens where `Bearer` belongs.
const SCHEMES: [&str; 5] = ["dpop", "basic", "jwt", "token", "mac"];

/// A text in which a token was looked for.
#[derive(Debug)]
pub(super) struct Pasted {
    /// The token inside.
    pub(super) token: String,
    /// What a verifier would say to this header, or to `Bearer` and this text, if that is
    /// not `Bearer` and the token.
    pub(super) refusal: Option<ErrorCode>,
    pub(super) oddities: Vec<Oddity>,
}

/// What stood around the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// Another scheme stands where `Bearer` belongs.
    AnotherScheme,
    /// A whole header, without `Bearer`.
    NoBearer,
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
        let header = strip_word(text, "authorization:");
        let value = header.unwrap_or(text);
        let mut oddities = Vec::new();
        let (mut rest, sent) = match (strip_word(value, "bearer"), strip_scheme(value)) {
            (Some(rest), _) => (rest, value.to_owned()),
            (None, Some(rest)) => {
                oddities.push(Oddity::AnotherScheme);
                (rest, value.to_owned())
            }
            (None, None) if header.is_some() => {
                oddities.push(Oddity::NoBearer);
                (value, value.to_owned())
            }
            (None, None) => (value, format!("Bearer {value}")),
        };
        let mut note = |oddity| {
            if !oddities.contains(&oddity) {
                oddities.push(oddity);
            }
        };
        while let Some(inner) = strip_word(rest, "bearer") {
            note(Oddity::BearerTwice);
            rest = inner;
        }
        while let Some(inner) = unquoted(rest) {
            note(Oddity::Quoted);
            rest = inner;
        }
        let mut token = rest.to_owned();
        if token.contains(char::is_whitespace) {
            note(Oddity::Broken);
            token.retain(|c| !c.is_whitespace());
        }
        let refusal = refusal(&sent, &token);
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

/// What stands after the name of a scheme that is not `Bearer`.
fn strip_scheme(value: &str) -> Option<&str> {
    SCHEMES.into_iter().find_map(|scheme| strip_word(value, scheme))
}

/// What a verifier says to this value of the header, when it is not `Bearer` and `token`.
fn refusal(sent: &str, token: &str) -> Option<ErrorCode> {
    // What is wrong with a token that stands where it belongs, the checks of tokens say.
    let credentials = sent.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if credentials.is_some_and(|(_, credentials)| credentials.trim_start_matches(' ') == token) {
        return None;
    }
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_str(sent) else { return Some(ErrorCode::AuthorizationMalformed) };
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
        let (malformed, missing) = (Some(ErrorCode::AuthorizationMalformed), Some(ErrorCode::TokenMissing));
        for (text, refusal, oddities) in [
            ("Bearer Bearer a.b.c", malformed, vec![Oddity::BearerTwice]),
            ("\"a.b.c\"", Some(ErrorCode::TokenNotBase64Url), vec![Oddity::Quoted]),
            ("Bearer 'a.b.c'", Some(ErrorCode::TokenNotBase64Url), vec![Oddity::Quoted]),
            ("a.b\n.c", malformed, vec![Oddity::Broken]),
            ("a.b .c", malformed, vec![Oddity::Broken]),
            ("Bearer Bearer \"a.b.c\"", malformed, vec![Oddity::BearerTwice, Oddity::Quoted]),
            ("Authorization: a.b.c", missing, vec![Oddity::NoBearer]),
            ("Authorization: DPoP a.b.c", missing, vec![Oddity::AnotherScheme]),
            ("Basic a.b.c", missing, vec![Oddity::AnotherScheme]),
            ("authorization: \"a.b.c\"", missing, vec![Oddity::NoBearer, Oddity::Quoted]),
            ("Bearer\ta.b.c", missing, vec![]),
            ("Authorization: Bearer\ta.b.c", missing, vec![]),
        ] {
            assert_eq!(read(text), ("a.b.c".to_owned(), refusal, oddities), "{text:?}");
        }
    }

    #[test]
    fn a_megabyte_of_quotes_and_bearers_is_looked_through_in_one_go() {
        // Each layer copied is 10^11 bytes: nobody would wait for it.
        let layers = 500_000;
        let quoted = format!("{}a.b.c{}", "\"".repeat(layers), "\"".repeat(layers));
        assert_eq!(read(&quoted), ("a.b.c".to_owned(), Some(ErrorCode::TokenNotBase64Url), vec![Oddity::Quoted]));
        let twice = format!("{}a.b.c", "Bearer ".repeat(layers));
        assert_eq!(read(&twice), ("a.b.c".to_owned(), Some(ErrorCode::AuthorizationMalformed), vec![Oddity::BearerTwice]));
    }
}
