//! The layer of the configuration file.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::error::{ConfigError, shown};
use super::given::{Given, Item};
use super::place::Place;
use super::setting::{self, Kind, SECTIONS, Section, Setting};
use super::suggest::{nearest_key, nearest_section};

/// Reads a TOML text; `path` only names it.
pub(super) fn read(path: &str, text: &str) -> (Vec<Given>, Vec<ConfigError>) {
    let mut reading = Reading { path, text, given: Vec::new(), errors: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    // What a broken file seems to say is no basis for more errors.
    if errors.is_empty() {
        reading.document(document.get_ref());
    }
    for error in &errors {
        reading.syntax_error(error);
    }
    (reading.given, reading.errors)
}

struct Reading<'a> {
    path: &'a str,
    text: &'a str,
    given: Vec<Given>,
    errors: Vec<ConfigError>,
}

impl Reading<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            match SECTIONS.iter().find(|section| section.name == name.get_ref().as_ref()) {
                Some(section) => self.section(section, name.span(), value),
                None => self.unknown_section(name, value.get_ref()),
            }
        }
    }

    fn section(&mut self, section: &Section, name_span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = value.get_ref() else {
            let error = ConfigError::new(section.name, self.place(name_span.start), "is not a table");
            return self.errors.push(error.with_fix(format!("write [{}] and its settings below it", section.name)));
        };
        for (name, value) in table {
            let key = format!("{}.{}", section.name, name.get_ref());
            match setting::find(&key) {
                Some(setting) => self.setting(setting, value),
                None => self.unknown_key(&key, name.span()),
            }
        }
    }

    fn setting(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let place = self.place(value.span().start);
        let items = match (setting.kind, value.get_ref()) {
            (Kind::List { .. }, DeValue::Array(array)) => array.iter().map(|item| self.list_item(setting, item)).collect(),
            (Kind::List { .. }, _) => None,
            (kind, value) => scalar_text(kind, value).map(|text| vec![Item::new(&text, &place)]),
        };
        match items {
            Some(items) => self.given.push(Given { setting, items, place }),
            None if matches!((setting.kind, value.get_ref()), (Kind::List { .. }, DeValue::Array(_))) => {}
            None => self.errors.push(wrong_type(setting, &place, value.get_ref())),
        }
    }

    fn list_item(&mut self, setting: &'static Setting, item: &Spanned<DeValue<'_>>) -> Option<Item> {
        let place = self.place(item.span().start);
        let text = item.get_ref().as_str().map(|text| Item::new(text, &place));
        if text.is_none() {
            self.errors.push(wrong_type(setting, &place, item.get_ref()));
        }
        text
    }

    fn unknown_section(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, value: &DeValue<'_>) {
        let is_table = value.is_table();
        let meant = if is_table { nearest_section(name.get_ref()) } else { nearest_key(name.get_ref()) };
        let problem = if is_table { "is not a known section" } else { "is not a known setting" };
        let error = ConfigError::new(name.get_ref(), self.place(name.span().start), problem);
        self.errors.push(did_you_mean(error, meant));
    }

    fn unknown_key(&mut self, key: &str, span: Range<usize>) {
        let meant = nearest_key(key);
        let error = ConfigError::new(key, self.place(span.start), "is not a known setting");
        self.errors.push(did_you_mean(error, meant));
    }

    /// The parser's message names what it expected and never quotes the text,
    /// which may hold a secret. A key that stands twice is quoted: it is a name.
    fn syntax_error(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or_default();
        let place = self.place(span.start);
        let key = self.text.get(span).filter(|_| error.message().contains("duplicate key"));
        self.errors.push(match key {
            Some(key) => ConfigError::new(key, place, "is set twice").with_fix("keep one of the two"),
            None => ConfigError::without_key(place, format!("is not valid TOML: {}", error.message())),
        });
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place::File { path: self.path.to_owned(), line, column }
    }
}

fn did_you_mean(error: ConfigError, meant: Option<&str>) -> ConfigError {
    match meant {
        Some(meant) => error.with_fix(format!("did you mean {meant}?")),
        None => error,
    }
}

/// The text of a value of the right type.
fn scalar_text(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    match kind {
        Kind::Bool => value.as_bool().map(|value| value.to_string()),
        Kind::Integer { .. } => value.as_integer().map(integer_text),
        Kind::List { .. } => None,
        Kind::Ratio => value.as_float().map(|value| value.as_str().to_owned()).or_else(|| value.as_integer().map(integer_text)),
        Kind::Choice(_) | Kind::Path | Kind::Secret { .. } | Kind::Text { .. } => value.as_str().map(str::to_owned),
    }
}

/// An integer in decimal; one beyond all bounds as it was written.
fn integer_text(integer: &DeInteger<'_>) -> String {
    i128::from_str_radix(integer.as_str(), integer.radix()).map_or_else(|_| integer.to_string(), |value| value.to_string())
}

fn wrong_type(setting: &Setting, place: &Place, value: &DeValue<'_>) -> ConfigError {
    let expected = setting.kind.toml_type();
    let (found, text) = described(value);
    let error = ConfigError::of(setting, place, format!("is {found}, not {expected}"));
    let value = text.filter(|_| !setting.is_secret()).map(|text| shown(&text));
    let fix = match (setting.kind, value.as_ref().filter(|_| found == "a string")) {
        (Kind::Bool | Kind::Integer { .. } | Kind::Ratio, Some(_)) => Some("write it without quotes".into()),
        (Kind::List { .. }, Some(text)) => Some(format!("write [\"{text}\"]").into()),
        _ => None,
    };
    ConfigError { value, fix, ..error }
}

/// The type of a value and, where it is short and simple, its text.
fn described(value: &DeValue<'_>) -> (&'static str, Option<String>) {
    match value {
        DeValue::String(text) => ("a string", Some(text.to_string())),
        DeValue::Integer(integer) => ("an integer", Some(integer_text(integer))),
        DeValue::Float(float) => ("a float", Some(float.as_str().to_owned())),
        DeValue::Boolean(value) => ("a boolean", Some(value.to_string())),
        DeValue::Datetime(time) => ("a date or time", Some(time.to_string())),
        DeValue::Array(_) => ("a list", None),
        DeValue::Table(_) => ("a table", None),
    }
}
