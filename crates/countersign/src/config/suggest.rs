//! "Did you mean": the setting nearest to a name that is none.

use super::setting::{SECTIONS, settings};

/// The key that was probably meant by `key`.
pub(super) fn nearest_key(key: &str) -> Option<&'static str> {
    let name = key.rsplit('.').next().unwrap_or(key);
    let same_name = settings().find(|setting| setting.name() == name);
    let without_unit = settings().find(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('_')));
    same_name.or(without_unit).map(|setting| setting.key).or_else(|| nearest(key, settings().map(|setting| setting.key)))
}

/// The section that was probably meant by `name`.
pub(super) fn nearest_section(name: &str) -> Option<&'static str> {
    nearest(name, SECTIONS.iter().map(|section| section.name))
}

fn nearest(typed: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let typed = typed.to_ascii_lowercase();
    let bound = (typed.chars().count() / 4).max(1);
    candidates
        .map(|candidate| (edit_distance(&typed, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edit_distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        let mut next = vec![before];
        for (right, above) in to.chars().zip(row.iter().skip(1)) {
            let substituted = diagonal + usize::from(left != right);
            before = substituted.min(above + 1).min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (from, to, distance) in [("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("abc", "", 3)] {
            assert_eq!(edit_distance(from, to), distance, "{from} {to}");
        }
    }

    #[test]
    fn suggestions() {
        for (typed, meant) in [
            ("server.listn", Some("server.listen")),
            ("server_listen", Some("server.listen")),
            ("SERVER.LISTEN", Some("server.listen")),
            ("allow_plaintext", Some("server.allow_plaintext")),
            ("storage.base_urls", Some("server.base_urls")),
            ("server.drain_timeout", Some("server.drain_timeout_seconds")),
            ("server.tls", None),
            ("frobnicate", None),
        ] {
            assert_eq!(nearest_key(typed), meant, "{typed}");
        }
        assert_eq!(nearest_section("sever"), Some("server"));
        assert_eq!(nearest_section("gateway"), None);
    }
}
