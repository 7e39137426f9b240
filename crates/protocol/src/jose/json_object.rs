//! Writing a JSON object whose members are known: the tokens and answers of the hot
//! endpoints, straight into their buffer.

use std::fmt::Write as _;

use serde_json::Value;

/// An object in the making.
#[derive(Debug)]
pub(crate) struct JsonObject(String);

impl JsonObject {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut text = String::with_capacity(bytes);
        text.push('{');
        Self(text)
    }

    /// A string. `name` needs no escape.
    pub(crate) fn text(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.name(name);
        push_string(&mut self.0, value);
        self
    }

    /// `true` or `false`. `name` needs no escape.
    pub(crate) fn flag(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    /// A number. `name` needs no escape.
    pub(crate) fn number(&mut self, name: &'static str, value: i64) -> &mut Self {
        self.name(name);
        // Writing to memory does not fail.
        let _ = write!(self.0, "{value}");
        self
    }

    /// Any value under any name.
    pub(crate) fn value(&mut self, name: &str, value: &Value) -> &mut Self {
        self.separate();
        push_string(&mut self.0, name);
        let _ = write!(self.0, ":{value}");
        self
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &'static str) {
        self.separate();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn separate(&mut self) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
    }
}

fn push_string(json: &mut String, text: &str) {
    // Without an early end the comparison covers many bytes at a time.
    let needs_escape = text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'));
    if needs_escape {
        let _ = write!(json, "{}", Value::from(text));
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_character_reads_back() {
        let every: String = (0..0x3000_u32).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"", "\\", "\u{7f}", "a\u{0}b", "caf\u{e9}", every.as_str()] {
            let mut object = JsonObject::with_capacity(0);
            object.text("a", text).number("b", i64::MIN).flag("t", true).flag("f", false).value(text, &json!([1, { "c": text }]));
            let read: Value = serde_json::from_str(&object.end()).unwrap();
            assert_eq!(read["a"], text);
            assert_eq!((&read["b"], &read["t"], &read["f"]), (&json!(i64::MIN), &json!(true), &json!(false)));
            assert_eq!(read[text][1]["c"], text);
        }
    }

    #[test]
    fn an_object_without_members_is_one() {
        assert_eq!(JsonObject::with_capacity(0).end(), "{}");
    }
}
