//! JSON as Python's `json.dumps(…, sort_keys=True)` writes it: lock files hold hashes of that.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What stands between the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::python) enum Separators {
    /// Python's default: a blank after each comma and colon.
    Spaced,
    /// No blanks.
    Compact,
}

/// Renders a value as Python does: keys sorted, all letters beyond ASCII escaped.
pub(in crate::python) fn python_json(value: &Value, separators: Separators) -> String {
    let mut text = String::new();
    write_value(&mut text, value, separators);
    text
}

/// Turns a value of a TOML file into one of JSON.
pub(in crate::python) fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number).map_or(Value::Null, Value::from),
        toml::Value::Boolean(value) => Value::from(*value),
        // Python's json refuses dates, so no tool ever made a hash with one.
        toml::Value::Datetime(date) => Value::from(date.to_string()),
        toml::Value::Array(values) => values.iter().map(to_json).collect(),
        toml::Value::Table(table) => table_to_json(table),
    }
}

fn table_to_json(table: &toml::Table) -> Value {
    Value::Object(table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect())
}

/// Returns the SHA-256 of a text in hexadecimal digits.
pub(in crate::python) fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn write_value(text: &mut String, value: &Value, separators: Separators) {
    let (comma, colon) = match separators {
        Separators::Spaced => (", ", ": "),
        Separators::Compact => (",", ":"),
    };
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => text.push_str(&python_float(float)),
            None => text.push_str(&number.to_string()),
        },
        Value::String(string) => write_string(text, string),
        Value::Array(values) => {
            text.push('[');
            for (position, value) in values.iter().enumerate() {
                text.push_str(if position > 0 { comma } else { "" });
                write_value(text, value, separators);
            }
            text.push(']');
        }
        Value::Object(entries) => {
            text.push('{');
            let sorted: BTreeMap<_, _> = entries.iter().collect();
            for (position, (key, value)) in sorted.into_iter().enumerate() {
                text.push_str(if position > 0 { comma } else { "" });
                write_string(text, key);
                text.push_str(colon);
                write_value(text, value, separators);
            }
            text.push('}');
        }
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for unit in string.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'"') => text.push_str("\\\""),
            Ok(b'\\') => text.push_str("\\\\"),
            Ok(b'\n') => text.push_str("\\n"),
            Ok(b'\r') => text.push_str("\\r"),
            Ok(b'\t') => text.push_str("\\t"),
            Ok(0x08) => text.push_str("\\b"),
            Ok(0x0c) => text.push_str("\\f"),
            Ok(byte @ (b' '..=b'~' | 0x7f)) => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    text.push('"');
}

/// Writes the shortest digits, as Rust does, but with Python's idea of when to use an exponent.
fn python_float(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = float.to_string();
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_does() {
        for (toml, expected) in [
            ("x = 'hällo \u{1f40d}'", r#"{"x": "h\u00e4llo \ud83d\udc0d"}"#),
            ("x = \"\\\"\\\\\\n\\t\\u0001\\u007f\\b\"", "{\"x\": \"\\\"\\\\\\n\\t\\u0001\u{7f}\\b\"}"),
            ("b = 1\na = [true, {}, []]", r#"{"a": [true, {}, []], "b": 1}"#),
            ("b = 1\nA = 2\né = 3", ""),
            (
                "x = [1.0, 0.1, 1e16, 1.5e-5, 0.0001, 123456789.25, -0.0]",
                r#"{"x": [1.0, 0.1, 1e+16, 1.5e-05, 0.0001, 123456789.25, -0.0]}"#,
            ),
            ("'é' = 3\nB = 2\na = 1", r#"{"B": 2, "a": 1, "\u00e9": 3}"#),
        ] {
            let Ok(table) = toml.parse::<toml::Table>() else {
                assert_eq!(expected, "", "{toml}");
                continue;
            };
            let json = to_json(&toml::Value::Table(table));
            assert_eq!(python_json(&json, Separators::Spaced), expected, "{toml}");
        }
        let json = serde_json::json!({"b": [1, 2], "a": null});
        assert_eq!(python_json(&json, Separators::Compact), r#"{"a":null,"b":[1,2]}"#);
    }
}
