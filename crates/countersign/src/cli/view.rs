//! What representations look like to people: tables and labelled lines.

use std::fmt::Write as _;

use countersign_protocol::Timestamp;
use serde_json::Value;

/// What stands for a value that is not there.
const NOTHING: &str = "-";
/// A column is never made narrower than this.
const NARROWEST: usize = 12;

/// Where a text is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// Columns of the terminal; none for a pipe or a file.
    pub(super) width: Option<usize>,
    pub(super) colours: bool,
    pub(super) now: Timestamp,
}

/// Lines up one row per item under the names of the members; `state` is what the
/// item's times say.
pub(super) fn table(items: &[Value], columns: &[&str], screen: Screen) -> String {
    let header: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let mut rows = vec![header];
    rows.extend(items.iter().map(|item| columns.iter().map(|column| cell(item, column, screen.now)).collect::<Vec<_>>()));
    let widths = widths(&rows, columns, screen.width);
    let lines: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let cells: Vec<String> = row
                .iter()
                .zip(columns)
                .zip(&widths)
                .map(|((text, column), width)| {
                    let padded = format!("{:<width$}", shortened(text, *width));
                    if number > 0 && *column == "state" { coloured(&padded, screen) } else { padded }
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// One line per member, times both exact and as people say them.
pub(super) fn labelled(object: &Value, more: &[(&str, &str)], screen: Screen) -> String {
    let Some(members) = object.as_object() else { return clean(&object.to_string()) };
    let mut lines: Vec<(String, String)> =
        members.iter().map(|(name, value)| (name.clone(), exact(name, value, screen.now))).collect();
    lines.sort_by_key(|(name, _)| rank(name));
    if let Some(state) = state(object, screen.now).filter(|_| !members.contains_key("state")) {
        lines.push(("state".to_owned(), coloured(&state, screen)));
    }
    lines.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{:<width$}  {value}", clean(name))).collect();
    lines.join("\n")
}

/// What it is comes first, when it was made last.
fn rank(name: &str) -> u8 {
    match name {
        "id" | "client_id" => 0,
        "client_secret" | "key" | "name" => 1,
        "created_at" => 3,
        "updated_at" => 4,
        _ => 2,
    }
}

fn cell(item: &Value, column: &str, now: Timestamp) -> String {
    if column == "state" && item.get("state").is_none() {
        return state(item, now).unwrap_or_else(|| NOTHING.to_owned());
    }
    let value = item.get(column).unwrap_or(&Value::Null);
    // When, of a use that says more than that.
    let (column, value) = value.get("at").map_or((column, value), |at| ("used_at", at));
    match time(column, value) {
        Some(at) => relative(at, now),
        None => brief(value),
    }
}

fn exact(name: &str, value: &Value, now: Timestamp) -> String {
    match time(name, value) {
        Some(at) => format!("{} ({})", brief(value), relative(at, now)),
        None => brief(value),
    }
}

/// A value on one line.
fn brief(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) => clean(text),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => {
            let names: Vec<String> = items.iter().map(|item| brief(name_of(item).unwrap_or(item))).collect();
            names.join(" ")
        }
        Value::Object(members) if members.is_empty() => NOTHING.to_owned(),
        Value::Number(_) | Value::Object(_) => clean(&value.to_string()),
    }
}

/// What stands for an object in a line: a scope, or the secret of a key.
fn name_of(item: &Value) -> Option<&Value> {
    item.get("scope").or_else(|| item.get("start"))
}

/// What the times of an object say of it.
fn state(item: &Value, now: Timestamp) -> Option<String> {
    let at = |name: &str| item.get(name).and_then(|value| time(name, value));
    let state = if at("revoked_at").is_some() {
        "revoked"
    } else if at("disabled_at").is_some() {
        "disabled"
    } else if at("expires_at").is_some_and(|at| at <= now) {
        "expired"
    } else if at("not_before").is_some_and(|at| at > now) {
        "not yet"
    } else if item.get("revoked_at").is_some() {
        "live"
    } else if item.get("disabled_at").is_some() {
        "enabled"
    } else {
        return None;
    };
    Some(state.to_owned())
}

fn time(name: &str, value: &Value) -> Option<Timestamp> {
    let is_time = name.ends_with("_at") || name.ends_with("_before") || name.ends_with("_from");
    let time: jiff::Timestamp = value.as_str().filter(|_| is_time)?.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// A time as people say it.
fn relative(at: Timestamp, now: Timestamp) -> String {
    const UNITS: [(i64, &str); 5] =
        [(86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let seconds = (now.as_millis() - at.as_millis()) / 1000;
    let (count, unit) = UNITS
        .into_iter()
        .find_map(|(size, unit)| Some((seconds.abs() / size, unit)).filter(|(count, _)| *count > 0))
        .unwrap_or((seconds.abs(), "second"));
    let plural = if count == 1 { "" } else { "s" };
    match seconds {
        -2..=2 => "now".to_owned(),
        3.. => format!("{count} {unit}{plural} ago"),
        _ => format!("in {count} {unit}{plural}"),
    }
}

/// Text that a partner may have written must not steer the operator's terminal.
pub(super) fn clean(text: &str) -> String {
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().fold(String::with_capacity(text.len()), |mut clean, c| {
        if steers(c) {
            let _ = write!(clean, "{}", c.escape_unicode());
        } else {
            clean.push(c);
        }
        clean
    })
}

/// How wide each column is: names and texts give way on a narrow terminal, ids and
/// states never do.
fn widths(rows: &[Vec<String>], columns: &[&str], screen: Option<usize>) -> Vec<usize> {
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let Some(screen) = screen else { return widths };
    let gives_way = |column: &str| !(column.ends_with("id") || matches!(column, "audience" | "issuers" | "state" | "alg"));
    loop {
        let too_much = (widths.iter().sum::<usize>() + 2 * columns.len().saturating_sub(1)).saturating_sub(screen);
        let next = widths.iter().copied().zip(columns).filter(|(width, column)| gives_way(column) && *width > NARROWEST);
        let Some(widest) = next.map(|(width, _)| width).max().filter(|_| too_much > 0) else { return widths };
        for (width, column) in widths.iter_mut().zip(columns) {
            if *width == widest && gives_way(column) {
                *width = widest - 1;
            }
        }
    }
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

fn coloured(text: &str, screen: Screen) -> String {
    let colour = match text.trim_end() {
        "enabled" | "live" | "active" => 32,
        "disabled" | "revoked" | "expired" | "retired" => 31,
        _ => 33,
    };
    if screen.colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-01-02T00:00:00.000Z";

    fn screen(width: Option<usize>) -> Screen {
        let now: jiff::Timestamp = NOW.parse().unwrap();
        Screen { width, colours: false, now: Timestamp::from_millis(now.as_millisecond()) }
    }

    #[test]
    fn columns_line_up_and_times_are_relative() {
        let items = [
            json!({ "client_id": "a", "name": "Long name", "disabled_at": null, "created_at": "2026-01-01T21:00:00.000Z" }),
            json!({ "client_id": "abc", "name": null, "disabled_at": NOW, "created_at": NOW }),
        ];
        let text = table(&items, &["client_id", "name", "state", "created_at"], screen(None));
        let lines = [
            "client_id  name       state     created_at",
            "a          Long name  enabled   3 hours ago",
            "abc        -          disabled  now",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn on_a_narrow_terminal_names_give_way_and_ids_do_not() {
        let items = [json!({ "id": "org_0123456789abcdef", "name": "x".repeat(80) })];
        let text = table(&items, &["id", "name"], screen(Some(40)));
        assert_eq!(text.lines().map(|line| line.chars().count()).max(), Some(40));
        assert!(text.contains("org_0123456789abcdef") && text.contains('…'), "{text}");
        assert!(table(&items, &["id", "name"], screen(None)).contains(&"x".repeat(80)));
    }

    #[test]
    fn terminal_escapes_in_a_name_are_shown_and_not_obeyed() {
        let items = [json!({ "id": "a", "name": "\u{1b}[2J\u{202e}evil\nx" })];
        for text in [table(&items, &["id", "name"], screen(None)), labelled(&items[0], &[], screen(None))] {
            assert!(text.contains("\\u{1b}[2J\\u{202e}evil\\u{a}x"), "{text}");
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        }
    }

    #[test]
    fn an_object_is_one_line_per_member() {
        let object = json!({ "id": "a", "expires_at": "2026-01-04T00:00:00.000Z", "revoked_at": null, "scopes": [{ "scope": "x" }, { "scope": "y" }] });
        let lines = [
            "id          a",
            "expires_at  2026-01-04T00:00:00.000Z (in 2 days)",
            "revoked_at  -",
            "scopes      x y",
            "state       live",
            "version     3",
        ];
        assert_eq!(labelled(&object, &[("version", "3")], screen(None)), lines.join("\n"));
    }

    #[test]
    fn a_state_is_what_the_times_say() {
        for (item, expected) in [
            (json!({ "revoked_at": NOW, "disabled_at": NOW }), "revoked"),
            (json!({ "revoked_at": null, "expires_at": NOW }), "expired"),
            (json!({ "revoked_at": null, "not_before": "2027-01-01T00:00:00Z" }), "not yet"),
            (json!({ "state": "retiring" }), "retiring"),
        ] {
            assert_eq!(cell(&item, "state", screen(None).now), expected);
        }
        let coloured = table(&[json!({ "state": "active" })], &["state"], Screen { colours: true, ..screen(None) });
        assert!(coloured.contains("\u{1b}[32mactive\u{1b}[0m"), "{coloured:?}");
    }
}
