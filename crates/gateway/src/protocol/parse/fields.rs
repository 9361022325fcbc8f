//! One field of a row: text on the wire to a value, or the reason why not.

use std::borrow::Cow;

use jiff::Timestamp;
use riskd_core::model::{Invalid, Money, Noun, NumberError, Price};
use serde_json::value::RawValue;

use super::excerpt;
use crate::protocol::wire::{Time, decode_text};

/// A field as it stands on the wire: absent and null are the same.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// Reads fields in the name of a noun.
#[derive(Clone, Copy)]
pub(super) struct Reader(pub(super) Noun);

impl Reader {
    pub(super) fn text<'a>(self, field: &'static str, raw: Raw<'a>) -> Result<Option<Cow<'a, str>>, Invalid> {
        let Some(raw) = raw else { return Ok(None) };
        match decode_text(raw.get()) {
            Some(text) => Ok(Some(text)),
            None => Err(self.invalid(field, raw, "must be a text or a number")),
        }
    }

    pub(super) fn price(self, field: &'static str, raw: Raw<'_>) -> Result<Option<Price>, Invalid> {
        self.number(field, raw, Price::parse)
    }

    /// A price where 0 stands for none.
    pub(super) fn price_not_zero(self, field: &'static str, raw: Raw<'_>) -> Result<Option<Price>, Invalid> {
        Ok(self.price(field, raw)?.filter(|price| price.nanos() != 0))
    }

    pub(super) fn money(self, field: &'static str, raw: Raw<'_>) -> Result<Option<Money>, Invalid> {
        self.number(field, raw, Money::parse)
    }

    /// A whole number; `2.0` and `"2"` are whole, `2.5` is not.
    pub(super) fn whole(self, field: &'static str, raw: Raw<'_>) -> Result<Option<i64>, Invalid> {
        let Some(text) = self.text(field, raw)? else { return Ok(None) };
        let text = text.trim();
        if let Ok(whole) = text.parse() {
            return Ok(Some(whole));
        }
        const NANOS: i64 = 10_i64.pow(Price::DIGITS);
        match Price::parse(text) {
            Ok(number) if number.nanos() % NANOS == 0 => Ok(Some(number.nanos() / NANOS)),
            _ => Err(Invalid::new(self.0, field, excerpt(text), "must be a whole number")),
        }
    }

    /// A code of the gateway.
    pub(super) fn code(self, field: &'static str, raw: Raw<'_>) -> Result<Option<i32>, Invalid> {
        let Some(whole) = self.whole(field, raw)? else { return Ok(None) };
        match i32::try_from(whole) {
            Ok(code) => Ok(Some(code)),
            Err(_) => Err(Invalid::new(self.0, field, whole, "must fit a 32-bit code")),
        }
    }

    pub(super) fn flag(self, field: &'static str, raw: Raw<'_>) -> Result<Option<bool>, Invalid> {
        let Some(text) = self.text(field, raw)? else { return Ok(None) };
        match text.trim() {
            "1" => Ok(Some(true)),
            "0" => Ok(Some(false)),
            word if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            word if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            other => Err(Invalid::new(self.0, field, excerpt(other), "must be true or false")),
        }
    }

    /// A time; the year 1, which stands for "never" on the gateway's platform, counts as absent.
    pub(super) fn time(self, field: &'static str, raw: Raw<'_>) -> Result<Option<Timestamp>, Invalid> {
        let Some(text) = self.text(field, raw)? else { return Ok(None) };
        if text.starts_with("0001-01-01") {
            return Ok(None);
        }
        match Time::parse(&text) {
            Some(time) => Ok(Some(time.0)),
            None => Err(Invalid::new(self.0, field, excerpt(&text), "must be a time as RFC 3339 writes it")),
        }
    }

    /// Refuses an absent field.
    pub(super) fn required<T>(self, field: &'static str, value: Option<T>) -> Result<T, Invalid> {
        value.ok_or_else(|| Invalid::absent(self.0, field, "must be present"))
    }

    fn number<T>(
        self,
        field: &'static str,
        raw: Raw<'_>,
        parse: impl Fn(&str) -> Result<T, NumberError>,
    ) -> Result<Option<T>, Invalid> {
        let Some(text) = self.text(field, raw)? else { return Ok(None) };
        parse(&text).map(Some).map_err(|error| Invalid::number(self.0, field, excerpt(&text), error))
    }

    fn invalid(self, field: &'static str, raw: &RawValue, rule: &'static str) -> Invalid {
        Invalid::new(self.0, field, excerpt(raw.get()), rule)
    }
}
