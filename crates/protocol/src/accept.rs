//! Which of several representations a client wants (RFC 9110 section 12.5.1).

/// What an `Accept` of no weight weighs, in thousandths.
const FULL_WEIGHT: u16 = 1_000;

/// The offer whose media type the `Accept` header prefers. Among those that weigh the same
/// it is the one that was named more exactly, then the one that stands first.
/// `None`: there is no such header, or it accepts nothing that is offered. What is
/// malformed in it counts as not sent. Parameters other than `q` are not looked at:
/// what is offered has none.
pub fn preferred<'h, T: Copy>(accept: impl IntoIterator<Item = &'h [u8]>, offers: &[(&str, T)]) -> Option<T> {
    let ranges: Vec<Range<'h>> = accept
        .into_iter()
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| pieces(value, ',').filter_map(Range::parse))
        .collect();
    let wanted = offers.iter().filter_map(|(media_type, offer)| {
        // The most exact range that matches says how much, whatever the others say.
        let (exactness, weight) = ranges.iter().filter_map(|range| Some((range.exactness(media_type)?, range.weight))).max()?;
        (weight > 0).then_some((weight, exactness, *offer))
    });
    // The first of the largest.
    let best = wanted.reduce(|best, next| if (next.0, next.1) > (best.0, best.1) { next } else { best });
    best.map(|(.., offer)| offer)
}

/// A media range and its weight in thousandths.
struct Range<'h> {
    kind: &'h str,
    subtype: &'h str,
    weight: u16,
}

impl<'h> Range<'h> {
    fn parse(text: &'h str) -> Option<Self> {
        let mut parts = pieces(text, ';').map(|part| part.trim_matches([' ', '\t']));
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let is_token = |name: &str| !name.is_empty() && !name.contains([' ', '\t', '/', '"']);
        if !is_token(kind) || !is_token(subtype) || (kind == "*" && subtype != "*") {
            return None;
        }
        let named = parts.filter_map(|parameter| parameter.split_once('='));
        let weight = named.filter(|(name, _)| name.eq_ignore_ascii_case("q")).map(|(_, value)| weight(value)).next();
        Some(Self { kind, subtype, weight: weight.unwrap_or(Some(FULL_WEIGHT))? })
    }

    /// How exactly it names a media type; `None`: not at all.
    fn exactness(&self, media_type: &str) -> Option<u8> {
        let (kind, subtype) = media_type.split_once('/')?;
        if self.kind == "*" {
            return Some(0);
        }
        let is_kind = self.kind.eq_ignore_ascii_case(kind);
        match self.subtype {
            "*" => is_kind.then_some(1),
            own => (is_kind && own.eq_ignore_ascii_case(subtype)).then_some(2),
        }
    }
}

/// RFC 9110 section 12.4.2: 0 to 1 with at most three decimals.
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(FULL_WEIGHT),
        _ => None,
    }
}

/// What stands between separators; one in a quoted string is none (RFC 9110 section 5.6.4).
fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        let separates = !quoted && character == separator;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERS: [(&str, &str); 3] =
        [("application/json", "json"), ("application/token-introspection+jwt", "signed"), ("application/jwt", "jwt")];

    fn chosen(accept: &[&str]) -> Option<&'static str> {
        preferred(accept.iter().map(|value| value.as_bytes()), &OFFERS)
    }

    #[test]
    fn what_is_named_alone_is_chosen() {
        for (accept, expected) in [
            ("application/json", "json"),
            ("application/token-introspection+jwt", "signed"),
            ("application/jwt", "jwt"),
            ("APPLICATION/JWT", "jwt"),
            (" application/jwt ; q=0.1 ", "jwt"),
            ("application/jwt;charset=utf-8", "jwt"),
            ("application/jwt;Q=1.000", "jwt"),
            ("text/html, application/jwt", "jwt"),
        ] {
            assert_eq!(chosen(&[accept]), Some(expected), "{accept}");
        }
    }

    #[test]
    fn the_larger_weight_wins_whatever_the_order() {
        for (accept, expected) in [
            ("application/json;q=0.5, application/jwt;q=0.6", "jwt"),
            ("application/jwt;q=0.6, application/json;q=0.5", "jwt"),
            ("application/json;q=0.501, application/jwt;q=0.5", "json"),
            ("application/token-introspection+jwt, application/json;q=0.9", "signed"),
            ("application/jwt;q=0.2, */*;q=0.1", "jwt"),
            ("application/json;q=0.1, */*", "signed"),
        ] {
            assert_eq!(chosen(&[accept]), Some(expected), "{accept}");
            // The field's lines are one list.
            let lines: Vec<&str> = accept.split(", ").collect();
            assert_eq!(chosen(&lines), Some(expected), "{accept}");
        }
    }

    #[test]
    fn the_more_exact_range_says_how_much() {
        assert_eq!(chosen(&["application/json;q=0, application/*;q=0.5, application/jwt;q=0.1"]), Some("signed"));
        assert_eq!(chosen(&["*/*, application/json;q=0, application/token-introspection+jwt;q=0"]), Some("jwt"));
        assert_eq!(chosen(&["application/*;q=0, */*"]), None);
    }

    #[test]
    fn of_equals_the_one_that_was_named_and_then_the_first() {
        assert_eq!(chosen(&["*/*"]), Some("json"));
        assert_eq!(chosen(&["application/*"]), Some("json"));
        assert_eq!(chosen(&["application/jwt, */*"]), Some("jwt"));
        assert_eq!(chosen(&["application/json, text/plain, */*"]), Some("json"));
        assert_eq!(chosen(&["application/jwt, application/json"]), Some("json"));
    }

    #[test]
    fn nothing_that_is_offered_is_no_choice() {
        for accept in ["", "text/html", "application/json;q=0", "application/jwt;q=0.000", "application/xml, text/*"] {
            assert_eq!(chosen(&[accept]), None, "{accept}");
        }
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn what_is_malformed_counts_as_not_sent() {
        for accept in [
            "jwt",
            "*/jwt",
            "application/",
            "/jwt",
            "application/jwt;q=2",
            "application/jwt;q=1.001",
            "application/jwt;q=0.0001",
            "application/jwt;q=-0",
            "application/jwt;q=.5",
            "application/jwt;q=",
            "application/jwt;q=\"1\"",
            "application/jwt/x",
        ] {
            assert_eq!(chosen(&[accept]), None, "{accept}");
            assert_eq!(chosen(&[accept, "application/json;q=0.1"]), Some("json"), "{accept}");
        }
        assert_eq!(preferred([b"application/jwt\xff".as_slice(), b"*/*;q=0.1"], &OFFERS), Some("json"));
    }

    #[test]
    fn a_quoted_string_is_no_list() {
        assert_eq!(chosen(&[r#"text/html;a="x, application/jwt", application/json"#]), Some("json"));
        assert_eq!(chosen(&[r#"text/html;a="\", application/jwt;b=", application/json"#]), Some("json"));
        assert_eq!(chosen(&[r#"application/json;a=";q=0", text/html"#]), Some("json"));
        assert_eq!(chosen(&[r#"text/html;a="never closed, application/jwt"#]), None);
    }
}
