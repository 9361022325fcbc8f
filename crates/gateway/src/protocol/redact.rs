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
    let end =
        if quoted { value.find(['"', '\'']) } else { value.find(['&', ',', '}', ']', ';', '"', '\n', '\r', '#']) };
    (separator, end.unwrap_or(value.len()))
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
