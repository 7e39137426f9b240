//! Strict JSON objects: UTF-8, one value, no member twice after unescaping.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not a strict JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// An object at some depth names a member twice.
    #[error("a member occurs twice")]
    DuplicateMember,
    /// Not one JSON object, or nested too deeply.
    #[error("not a JSON object")]
    Malformed,
}

/// Parses one JSON object; nesting is bounded at 128 levels.
///
/// # Errors
/// [`JsonError`] for anything else, and for a member that occurs twice at any depth.
pub fn strict_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let strict = serde_json::from_slice::<Strict>(bytes);
    #[cfg(weakened)]
    let strict = strict.or_else(|error| {
        let check = if error.is_data() { crate::Check::DuplicateMember } else { crate::Check::Json };
        let object = if check.is_on() { None } else { crate::weakened::object(bytes) };
        object.map(|members| Strict(Value::Object(members))).ok_or(error)
    });
    match strict {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(Strict(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))) => {
            Err(JsonError::Malformed)
        }
        Err(error) if error.is_data() => Err(JsonError::DuplicateMember),
        Err(_) => Err(JsonError::Malformed),
    }
}

/// A JSON value whose visitor fails on a repeated member, and only on that:
/// every other failure is a syntax error of serde_json itself.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("repeated member"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_members_are_found_after_unescaping_and_at_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"aud":1,"\u0061ud":2}"#, r#"{"x":[{"a":1,"a":2}]}"#] {
            assert_eq!(strict_object(text.as_bytes()), Err(JsonError::DuplicateMember), "{text}");
        }
    }

    #[test]
    fn anything_but_one_object_is_malformed() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        for text in
            ["", "[]", "1", "null", "{} {}", "{}x", "\u{feff}{}", r#"{"a":NaN}"#, r#"{"a":1e400}"#, r#"{"a":"\ud800"}"#, &deep]
        {
            assert_eq!(strict_object(text.as_bytes()), Err(JsonError::Malformed), "{:.40}", text);
        }
        assert_eq!(strict_object(b"{\"a\":\"\xff\"}"), Err(JsonError::Malformed));
    }
}
