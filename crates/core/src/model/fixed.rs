//! Decimal text to fixed point and back, exactly. Money and prices share it.

/// Why a number cannot become an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is not a decimal number.
    #[error("must be a decimal number")]
    NotANumber,
    /// NaN or an infinity: a limit compared with it would never fire.
    #[error("must be finite")]
    NotFinite,
    /// Beyond what 64 bits of the unit can hold.
    #[error("must fit the range of amounts")]
    OutOfRange,
}

/// Reads decimal text (`-12.5`, `5E-07`) as a whole number of units of `10^-digits`.
///
/// Digits beyond the unit are rounded half to even.
pub(crate) fn parse(text: &str, digits: u32) -> Result<i64, NumberError> {
    let bytes = text.trim().as_bytes();
    let (negative, unsigned) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, bytes),
    };
    if is_word_for_non_finite(unsigned) {
        return Err(NumberError::NotFinite);
    }
    let (mantissa, exponent) = split_exponent(unsigned)?;
    let mut units: i128 = 0;
    let mut decimals: i64 = 0;
    let mut seen_point = false;
    let mut seen_digit = false;
    let mut sticky = false;
    for &byte in mantissa {
        match byte {
            b'.' if !seen_point => seen_point = true,
            b'0'..=b'9' => {
                seen_digit = true;
                // 30 significant digits are far beyond any unit; the rest only matters for rounding.
                if units < 10_i128.pow(30) {
                    units = units * 10 + i128::from(byte - b'0');
                    decimals += i64::from(seen_point);
                } else {
                    sticky |= byte != b'0';
                    decimals -= i64::from(!seen_point);
                }
            }
            _ => return Err(NumberError::NotANumber),
        }
    }
    if !seen_digit {
        return Err(NumberError::NotANumber);
    }
    let shift = i64::from(digits) + exponent - decimals;
    let scaled = scale(units, shift, sticky)?;
    i64::try_from(if negative { -scaled } else { scaled }).map_err(|_| NumberError::OutOfRange)
}

/// Turns a float read from a REAL column, or typed in a test, into units of `10^-digits`.
///
/// The shortest decimal that reads back as the same float is what the writer meant, so it is that text which is read.
pub(crate) fn from_f64(value: f64, digits: u32) -> Result<i64, NumberError> {
    if !value.is_finite() {
        return Err(NumberError::NotFinite);
    }
    parse(&value.to_string(), digits)
}

/// Writes units of `10^-digits` as decimal text with at least `least_decimals` decimals and no trailing zeros beyond.
pub(crate) fn write(
    formatter: &mut std::fmt::Formatter<'_>,
    units: i64,
    digits: u32,
    least_decimals: usize,
) -> std::fmt::Result {
    let scale = 10_u64.pow(digits);
    let size = units.unsigned_abs();
    let sign = if units < 0 { "-" } else { "" };
    let width = digits as usize;
    let fraction = format!("{:0width$}", size % scale);
    let kept = fraction.trim_end_matches('0').len().max(least_decimals);
    if kept == 0 {
        write!(formatter, "{sign}{}", size / scale)
    } else {
        write!(formatter, "{sign}{}.{}", size / scale, &fraction[..kept])
    }
}

/// Divides, rounding half to even. The divisor must not be zero.
pub(crate) fn divide_half_even(dividend: i128, divisor: i128) -> i128 {
    debug_assert!(divisor != 0);
    let quotient = dividend / divisor;
    let remainder = dividend % divisor;
    let twice = remainder.unsigned_abs() * 2;
    let size = divisor.unsigned_abs();
    let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
    if twice > size || (twice == size && quotient % 2 != 0) { quotient + away } else { quotient }
}

fn is_word_for_non_finite(text: &[u8]) -> bool {
    ["nan", "inf", "infinity"].iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

fn split_exponent(text: &[u8]) -> Result<(&[u8], i64), NumberError> {
    let Some(at) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) else {
        return Ok((text, 0));
    };
    let (mantissa, exponent) = (&text[..at], &text[at + 1..]);
    let (sign, digits) = match exponent.split_first() {
        Some((b'-', rest)) => (-1, rest),
        Some((b'+', rest)) => (1, rest),
        _ => (1, exponent),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::NotANumber);
    }
    // Beyond a thousand million every exponent means the same: nothing, or out of range.
    let size = digits.iter().fold(0, |size: i64, digit| (size * 10 + i64::from(digit - b'0')).min(1_000_000_000));
    Ok((mantissa, sign * size))
}

fn scale(units: i128, shift: i64, sticky: bool) -> Result<i128, NumberError> {
    if units == 0 {
        return Ok(0);
    }
    let power = u32::try_from(shift.unsigned_abs()).ok().and_then(|places| 10_i128.checked_pow(places));
    if shift >= 0 {
        return power.and_then(|factor| units.checked_mul(factor)).ok_or(NumberError::OutOfRange);
    }
    match power {
        // A digit dropped earlier can only break an exact tie, upwards.
        Some(divisor) if sticky && (units % divisor) * 2 == divisor => Ok(units / divisor + 1),
        Some(divisor) => Ok(divide_half_even(units, divisor)),
        None => Ok(0),
    }
}
