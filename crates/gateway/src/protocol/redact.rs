//! Takes secrets out of text that is about to be logged or shown.

use std::borrow::Cow;

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";

/// The longest text given back, in bytes; the rest is cut off and said to be.
pub const TEXT_LIMIT_BYTES: usize = 2_000;

/// Names whose values are secret, wherever they stand: as a JSON key or as a parameter of a URL.
const SECRET_NAMES: [&str; 9] =
    ["access_token", "newtoken", "token", "apikey", "api_key", "password", "authorization", "bearer", "verifykey"];

/// Takes out values of secret names in JSON and in URLs, and anything that looks like a token; cuts long text.
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(TEXT_LIMIT_BYTES));
    let mut rest = text;
    while let Some((start, name)) = next_secret_name(rest) {
        let after_name = start + name.len();
        clean.push_str(&rest[..after_name]);
        rest = &rest[after_name..];
        let (separator, value) = split_value(rest, name == "bearer");
        clean.push_str(&rest[..separator]);
        if separator > 0 && value > 0 {
            clean.push_str(REDACTED);
        }
        rest = &rest[separator + value..];
    }
    clean.push_str(rest);
    shorten(&redact_tokens(&clean)).into_owned()
}

/// Like [`redact`], and also takes out every given secret as it is spelled.
pub fn redact_known(text: &str, secrets: &[&str]) -> String {
    let mut clean = Cow::Borrowed(text);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if clean.contains(secret) {
            clean = Cow::Owned(clean.replace(secret, REDACTED));
        }
    }
    redact(&clean)
}

fn next_secret_name(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|start| {
        let name = SECRET_NAMES.into_iter().find(|name| {
            bytes.get(start..start + name.len()).is_some_and(|part| part.eq_ignore_ascii_case(name.as_bytes()))
        })?;
        Some((start, name))
    })
}

/// Lengths of the separator after a secret's name and of the value behind it; 0 and 0 when no value follows.
///
/// Only after the word `Bearer` is a space enough of a separator: elsewhere `token` may be part of a sentence.
fn split_value(text: &str, space_is_enough: bool) -> (usize, usize) {
    let is_separator = |byte: u8| matches!(byte, b'"' | b'\\' | b'\'' | b':' | b'=' | b' ');
    let separator = text.bytes().take_while(|byte| is_separator(*byte)).count();
    let is_separated = text[..separator].contains([':', '=']) || (space_is_enough && text.starts_with(' '));
    if !is_separated {
        return (0, 0);
    }
    let value = &text[separator..];
    let quoted = text[..separator].ends_with(['"', '\'']);
    let end = if quoted && text[..separator].contains('\\') {
        // JSON inside a JSON string: its quotes are escaped, the closing one too.
        value.find(['\\', '"'])
    } else if quoted {
        end_of_quoted(value)
    } else {
        value.find(['&', ',', '}', ']', ';', '"', '\n', '\r', '#'])
    };
    (separator, end.unwrap_or(value.len()))
}

fn end_of_quoted(value: &str) -> Option<usize> {
    let mut is_escaped = false;
    value.bytes().position(|byte| {
        let ends = !is_escaped && matches!(byte, b'"' | b'\'');
        is_escaped = !is_escaped && byte == b'\\';
        ends
    })
}

/// A JSON Web Token in base64 begins with `eyJ`, which is `{"`.
fn redact_tokens(text: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_.+/=".contains(character);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("eyJ") {
        let end = rest[start..].find(|character: char| !is_part(character)).map_or(rest.len(), |length| start + length);
        clean.push_str(&rest[..start]);
        clean.push_str(if end - start >= 16 { REDACTED } else { &rest[start..end] });
        rest = &rest[end..];
    }
    clean.push_str(rest);
    clean
}

fn shorten(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_LIMIT_BYTES {
        return Cow::Borrowed(text);
    }
    let end = (0..=TEXT_LIMIT_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Cow::Owned(format!("{}… ({} bytes in all)", &text[..end], text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let cases = [
            ("", ""),
            ("nothing to hide", "nothing to hide"),
            (r#"{"token":"abc","size":1}"#, r#"{"token":"[redacted]","size":1}"#),
            (r#"{"newToken": "abc", "size":1}"#, r#"{"newToken": "[redacted]", "size":1}"#),
            (r#"{"apiKey":"a\"b","x":1}"#, r#"{"apiKey":"[redacted]","x":1}"#),
            (r#"{"apiKey":"a\\","x":1}"#, r#"{"apiKey":"[redacted]","x":1}"#),
            (r#""{\"token\":\"abc\",\"x\":1}""#, r#""{\"token\":\"[redacted]\",\"x\":1}""#),
            ("wss://h/hubs/user?access_token=abc&x=1", "wss://h/hubs/user?access_token=[redacted]&x=1"),
            ("wss://h/hubs/user?ACCESS_TOKEN=abc", "wss://h/hubs/user?ACCESS_TOKEN=[redacted]"),
            ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
            ("sent Bearer abc.def", "sent Bearer [redacted]"),
            ("the token expired", "the token expired"),
            ("bearer of bad news: none", "bearer [redacted]"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.sig here", "[redacted] here"),
            ("eyJ is short", "eyJ is short"),
            (r#"{"password":null}"#, r#"{"password":[redacted]}"#),
            ("é token=ü", "é token=[redacted]"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn known_secrets_go_wherever_they_stand() {
        assert_eq!(redact_known("user k-1 sent k-1", &["k-1", ""]), "user [redacted] sent [redacted]");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let cut = redact(&"é".repeat(TEXT_LIMIT_BYTES));
        assert!(cut.ends_with("… (4000 bytes in all)"), "{cut}");
        assert!(cut.len() < TEXT_LIMIT_BYTES + 40);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        /// Any text can be cleaned, and a secret in a payload never survives.
        #[test]
        fn a_secret_never_survives(before in ".{0,40}", secret in "[a-z0-9]{12}", after in ".{0,40}") {
            let _ = redact(&before);
            let json = serde_json::json!({ "x": before, "accessToken": secret, "y": after }).to_string();
            proptest::prop_assert!(!redact(&json).contains(&secret) || before.contains(&secret) || after.contains(&secret));
        }
    }
}
