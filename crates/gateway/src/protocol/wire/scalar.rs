//! Numbers, times and codes as they stand on the wire.

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use riskd_core::model::{Money, NumberError, Price, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A decimal number as the text that stood on the wire, so that nothing is lost on its way to [`Price`] or [`Money`].
///
/// Reads a JSON number or a string that holds one; writes a JSON number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(Box<str>);

impl Number {
    /// The text, such as `6335.250000000`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads it as a price, in points.
    pub fn to_price(&self) -> Result<Price, NumberError> {
        Price::parse(&self.0)
    }

    /// Reads it as dollars.
    pub fn to_money(&self) -> Result<Money, NumberError> {
        Money::parse(&self.0)
    }
}

impl From<Price> for Number {
    fn from(price: Price) -> Self {
        Self(price.to_string().into())
    }
}

impl From<Money> for Number {
    fn from(money: Money) -> Self {
        Self(money.to_string().into())
    }
}

impl From<i64> for Number {
    fn from(whole: i64) -> Self {
        Self(whole.to_string().into())
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = decode_text(raw.get()).ok_or_else(|| D::Error::custom("must be a decimal number"))?;
        let json = canonical_number(&text).ok_or_else(|| D::Error::custom("must be a decimal number"))?;
        Ok(Self(json.into()))
    }
}

/// A time on the wire: RFC 3339; without an offset it counts as UTC. Written like the gateway does, with `+00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl Time {
    /// Reads the text of a time; absent when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(time) = text.parse::<Timestamp>() {
            return Some(Self(time));
        }
        let local: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(local).ok().map(Self)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        write!(formatter, "{}+00:00", text.strip_suffix('Z').unwrap_or(&text))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be a time as RFC 3339 writes it"))
    }
}

/// The gateway's own order status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderStatus {
    /// 0
    None,
    /// 1
    Open,
    /// 2
    Filled,
    /// 3
    Cancelled,
    /// 4
    Expired,
    /// 5
    Rejected,
    /// 6
    Pending,
    /// 7
    PendingCancellation,
    /// 8: a bracket's child that waits for its parent. Left out by `searchOpen`.
    Suspended,
}

impl OrderStatus {
    /// Statuses of orders that can still fill.
    pub const ALIVE: [Self; 5] = [Self::None, Self::Open, Self::Pending, Self::PendingCancellation, Self::Suspended];

    /// The gateway's number.
    pub const fn code(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Open => 1,
            Self::Filled => 2,
            Self::Cancelled => 3,
            Self::Expired => 4,
            Self::Rejected => 5,
            Self::Pending => 6,
            Self::PendingCancellation => 7,
            Self::Suspended => 8,
        }
    }
}

/// The content of a JSON string, or the text of any other scalar; absent for objects, arrays and null.
pub(crate) fn decode_text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => {
            let inner = raw.get(1..raw.len() - 1)?;
            if inner.contains('\\') {
                serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
            } else {
                Some(Cow::Borrowed(inner))
            }
        }
        b'{' | b'[' => None,
        _ if raw == "null" => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

/// The text as a JSON number, if it is a decimal number at all (`+5`, `.5` and `05` are, but not in JSON).
fn canonical_number(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    if matches!(text.as_bytes().first()?, b'-' | b'0'..=b'9') && serde_json::from_str::<&RawValue>(text).is_ok() {
        return Some(Cow::Borrowed(text));
    }
    Price::parse(text).ok().map(|price| Cow::Owned(price.to_string()))
}
