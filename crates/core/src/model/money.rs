//! Amounts of money and prices, as whole numbers of a small decimal unit, so that sums never drift.

use super::fixed::{self, NumberError};

/// An amount in US dollars, held as whole millionths of a dollar.
///
/// Range: about ±9.2 trillion dollars. Sums saturate at the ends of the range: a clamped loss still breaches a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i64);

/// A price, in points of the instrument, held as whole billionths of a point. May be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Price(i64);

/// The smallest price step of a contract; greater than zero by construction of the contract.
pub type TickSize = Price;

impl Money {
    /// Decimal digits of a dollar that are kept.
    pub const DIGITS: u32 = 6;
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Whole millionths of a dollar.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Whole dollars.
    pub const fn from_dollars(dollars: i32) -> Self {
        Self(dollars as i64 * 1_000_000)
    }

    /// Whole cents.
    pub const fn from_cents(cents: i32) -> Self {
        Self(cents as i64 * 10_000)
    }

    /// Millionths of a dollar.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads decimal dollars, exactly; digits beyond the sixth decimal are rounded half to even.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        fixed::parse(text, Self::DIGITS).map(Self)
    }

    /// Reads a float of dollars, as a REAL column holds it. NaN and infinities are refused.
    pub fn from_f64(dollars: f64) -> Result<Self, NumberError> {
        fixed::from_f64(dollars, Self::DIGITS).map(Self)
    }

    /// Dollars as a float, for a REAL column or a chart. Never use it to compute.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The amount without its sign.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Whether the amount is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The amount so many times over.
    pub const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl Price {
    /// Decimal digits of a point that are kept.
    pub const DIGITS: u32 = 9;

    /// Whole billionths of a point.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Billionths of a point.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Reads a decimal price, exactly; digits beyond the ninth decimal are rounded half to even.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        fixed::parse(text, Self::DIGITS).map(Self)
    }

    /// Reads a float, as a REAL column holds it. NaN and infinities are refused.
    pub fn from_f64(points: f64) -> Result<Self, NumberError> {
        fixed::from_f64(points, Self::DIGITS).map(Self)
    }

    /// Points as a float, for a REAL column or a chart. Never use it to compute.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Whether the price is above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

/// What `count` contracts gain when the price moves by `difference_nanos`: difference / tick size × tick value × count.
///
/// Multiplies before it divides, in 128 bits, so an average price off the tick grid loses nothing;
/// the result is rounded half to even to a millionth of a dollar, and clamped to the range of amounts.
pub(crate) fn value_of_move(difference_nanos: i64, tick_size: TickSize, tick_value: Money, count: i64) -> Money {
    let of_one = i128::from(difference_nanos) * i128::from(tick_value.0);
    match of_one.checked_mul(i128::from(count)) {
        Some(dividend) => Money(clamp(fixed::divide_half_even(dividend, i128::from(tick_size.0)))),
        // Too large for 128 bits is too large for an amount, whatever 64 bits it is divided by.
        None if (of_one < 0) == (count < 0) => Money(i64::MAX),
        None => Money(i64::MIN),
    }
}

fn clamp(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

impl std::ops::Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |total, amount| total + amount)
    }
}

/// `-512.50`: dollars with at least two decimals; with `{:#}`, `-$512.50`.
impl std::fmt::Display for Money {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if formatter.alternate() {
            formatter.write_str(if self.is_negative() { "-$" } else { "$" })?;
            return fixed::write(formatter, self.abs().0, Self::DIGITS, 2);
        }
        fixed::write(formatter, self.0, Self::DIGITS, 2)
    }
}

/// `2670.25`: points with as many decimals as there are.
impl std::fmt::Display for Price {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fixed::write(formatter, self.0, Self::DIGITS, 0)
    }
}

/// Amounts in config files are decimal numbers or decimal text; both are read without passing through a float's error.
impl<'de> serde::Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;
        impl serde::de::Visitor<'_> for Amount {
            type Value = Money;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an amount in dollars")
            }
            fn visit_i64<E: serde::de::Error>(self, dollars: i64) -> Result<Money, E> {
                dollars.checked_mul(1_000_000).map(Money).ok_or_else(|| E::custom(NumberError::OutOfRange))
            }
            fn visit_u64<E: serde::de::Error>(self, dollars: u64) -> Result<Money, E> {
                i64::try_from(dollars).map_err(E::custom).and_then(|dollars| self.visit_i64(dollars))
            }
            fn visit_f64<E: serde::de::Error>(self, dollars: f64) -> Result<Money, E> {
                Money::from_f64(dollars).map_err(E::custom)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Money, E> {
                Money::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Amount)
    }
}

/// A price is kept as decimal text: exact, and readable in the log's details.
impl serde::Serialize for Price {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Price {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
