//! A server's error message → one line of bounded length.

use serde_json::Value;

const MESSAGE_CHARS_MAX: usize = 200;

/// Returns the error message in a JSON body: `message` (text or list), `error_description`, `error` or `name`.
pub(super) fn server_message(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    let text = ["message", "error_description", "error", "name"].iter().find_map(|key| text_of(value.get(key)?))?;
    Some(one_line(&text))
}

fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        Value::Object(inner) => return inner.get("message").and_then(text_of),
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// Returns the text as one line of bounded length, without control characters.
pub(super) fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(MESSAGE_CHARS_MAX).collect();
    if text.chars().nth(MESSAGE_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_messages_are_found() {
        for (body, expected) in [
            (r#"{"message":"no"}"#, Some("no")),
            (r#"{"message":["a","b"]}"#, Some("a; b")),
            (r#"{"error":"x","error_description":"why"}"#, Some("why")),
            (r#"{"error":{"message":"deep"}}"#, Some("deep")),
            (r#"{"name":"Not Found","message":""}"#, Some("Not Found")),
            (r#"{"name":"two\nlines"}"#, Some("two lines")),
            (r#"{"data":[]}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(server_message(body).as_deref(), expected, "{body}");
        }
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(MESSAGE_CHARS_MAX + 1));
        assert_eq!(server_message(&long).unwrap().chars().count(), MESSAGE_CHARS_MAX + 1);
    }
}
