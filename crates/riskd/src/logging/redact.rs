//! Masks what looks like a secret in a line of text.

use std::borrow::Cow;

/// What stands in place of a secret.
const MASK: &str = "[REDACTED]";

/// Names after which a secret stands: `access_token=…`, `"apiKey":"…"`, `token: …`.
const NAMES: [&str; 10] = [
    "access_token",
    "accesstoken",
    "connectiontoken",
    "newtoken",
    "api_key",
    "apikey",
    "api-key",
    "password",
    "secret",
    "token",
];

/// The text without the values that stand after a telling name, and without bearer tokens.
pub(crate) fn without_secrets(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let mut clean = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some((start, end)) = next_secret(text, &lower, at) {
        clean.push_str(&text[copied..start]);
        clean.push_str(MASK);
        copied = end;
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(&text[copied..]);
    Cow::Owned(clean)
}

/// The range of the first secret at or after `from`.
fn next_secret(text: &str, lower: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    while at < lower.len() {
        let rest = &lower[at..];
        let named =
            NAMES.iter().find(|name| rest.starts_with(**name)).and_then(|name| value_after(text, at + name.len()));
        let bearer = rest.starts_with("bearer ").then(|| value_at(text, at + "bearer ".len()));
        match named.or(bearer) {
            Some((start, end)) if end > start && &text[start..end] != MASK => return Some((start, end)),
            _ => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    None
}

/// The value behind a name: after quotes (escaped or not), blanks, and one `:` or `=`.
fn value_after(text: &str, mut at: usize) -> Option<(usize, usize)> {
    let skip = |at: &mut usize, wanted: &[char]| {
        let rest = &text[*at..];
        *at += rest.len() - rest.trim_start_matches(wanted).len();
    };
    skip(&mut at, &['"', '\\', '\'', ' ']);
    if !text[at..].starts_with([':', '=']) {
        return None;
    }
    at += 1;
    skip(&mut at, &['"', '\\', '\'', ' ']);
    if text[at..].to_ascii_lowercase().starts_with("bearer ") {
        at += "bearer ".len();
    }
    Some(value_at(text, at))
}

fn value_at(text: &str, start: usize) -> (usize, usize) {
    let ends = |character: char| character.is_whitespace() || "\"'\\&,;)}]".contains(character);
    // A mask is left whole: its bracket is no end.
    let length = if text[start..].starts_with(MASK) {
        MASK.len()
    } else {
        text[start..].find(ends).unwrap_or(text.len() - start)
    };
    (start, start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_after_telling_names_are_masked() {
        for (text, expected) in [
            ("wss://h/hubs/user?access_token=abc.def&id=1", "wss://h/hubs/user?access_token=[REDACTED]&id=1"),
            (r#"{"userName":"me","apiKey":"s3cret"}"#, r#"{"userName":"me","apiKey":"[REDACTED]"}"#),
            (r#"{\"token\":\"s3cret\",\"success\":true}"#, r#"{\"token\":\"[REDACTED]\",\"success\":true}"#),
            ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer [REDACTED]"),
            ("authorization=bearer abc", "authorization=bearer [REDACTED]"),
            ("token: Bearer abc, next", "token: Bearer [REDACTED], next"),
            ("password = 'hunter2'", "password = '[REDACTED]'"),
            ("API_KEY=abc API_KEY=def", "API_KEY=[REDACTED] API_KEY=[REDACTED]"),
            ("Überweisung token=ß€ ende", "Überweisung token=[REDACTED] ende"),
        ] {
            assert_eq!(without_secrets(text), expected);
            assert_eq!(without_secrets(expected), expected, "masking twice changes nothing");
        }
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in [
            "the token expires in 2 h",
            "quote is old account_id=7",
            "secretary: Ann",
            "",
            "token",
            "token=",
            "bearer ",
        ] {
            let clean = without_secrets(text);
            assert!(matches!(clean, Cow::Borrowed(_)), "{text} became {clean}");
        }
    }
}
