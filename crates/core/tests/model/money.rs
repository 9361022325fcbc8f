//! [`Money`] and [`Price`]: exact, whatever they are read from.

use proptest::prelude::*;
use riskd_core::model::{Invalid, Money, Noun, NumberError, Price};

use crate::{money, price};

/// Text, and the millionths it stands for.
#[test]
fn text_is_read_exactly() {
    use NumberError::{NotANumber, NotFinite, OutOfRange};
    for (text, expected) in [
        ("0", Ok(0)),
        ("-0", Ok(0)),
        ("1", Ok(1_000_000)),
        ("+1", Ok(1_000_000)),
        ("-12.5", Ok(-12_500_000)),
        ("  7.25 ", Ok(7_250_000)),
        (".5", Ok(500_000)),
        ("5.", Ok(5_000_000)),
        ("007", Ok(7_000_000)),
        ("0.000001", Ok(1)),
        ("1e3", Ok(1_000_000_000)),
        ("1E+3", Ok(1_000_000_000)),
        ("1.5e-3", Ok(1_500)),
        ("12345e-3", Ok(12_345_000)),
        // Digits beyond the sixth are rounded half to even.
        ("1e-7", Ok(0)),
        ("0.0000005", Ok(0)),
        ("0.0000015", Ok(2)),
        ("0.0000025", Ok(2)),
        ("0.0000035", Ok(4)),
        ("-0.0000015", Ok(-2)),
        ("-0.0000025", Ok(-2)),
        ("0.00000050000000000000000000000000000000000000001", Ok(1)),
        ("0.0000004999999999999999999999999999999999999999", Ok(0)),
        ("1e-50", Ok(0)),
        ("1e-300", Ok(0)),
        ("1e-99999999999", Ok(0)),
        ("0e999", Ok(0)),
        // The ends of the range.
        ("9223372036854.775807", Ok(i64::MAX)),
        ("-9223372036854.775808", Ok(i64::MIN)),
        ("9223372036854.7758074", Ok(i64::MAX)),
        ("9223372036854.775808", Err(OutOfRange)),
        ("-9223372036854.775809", Err(OutOfRange)),
        ("9223372036854.7758075", Err(OutOfRange)),
        ("1e13", Err(OutOfRange)),
        ("1e100", Err(OutOfRange)),
        ("1e999999999999", Err(OutOfRange)),
        ("99999999999999999999999999999999999999999999999999", Err(OutOfRange)),
        ("nan", Err(NotFinite)),
        ("NaN", Err(NotFinite)),
        ("-inf", Err(NotFinite)),
        ("Infinity", Err(NotFinite)),
        ("+INFINITY", Err(NotFinite)),
        ("", Err(NotANumber)),
        (" ", Err(NotANumber)),
        ("-", Err(NotANumber)),
        (".", Err(NotANumber)),
        ("e5", Err(NotANumber)),
        ("1e", Err(NotANumber)),
        ("1e1.5", Err(NotANumber)),
        ("1.2.3", Err(NotANumber)),
        ("--1", Err(NotANumber)),
        ("1,000", Err(NotANumber)),
        ("1_000", Err(NotANumber)),
        ("0x10", Err(NotANumber)),
        ("$5", Err(NotANumber)),
        ("five", Err(NotANumber)),
        ("１", Err(NotANumber)),
    ] {
        assert_eq!(Money::parse(text).map(Money::micros), expected, "{text:?}");
    }
    assert_eq!(Price::parse("0.0000005").map(Price::nanos), Ok(500), "a price keeps nine digits");
    assert_eq!(Price::parse("9223372036.854775807").map(Price::nanos), Ok(i64::MAX));
    assert_eq!(Price::parse("9223372036.854775808"), Err(OutOfRange));
}

#[test]
fn floats_are_read_as_what_their_writer_meant() {
    for (value, expected) in [
        (0.1, Ok(100_000)),
        (-0.0, Ok(0)),
        (0.1 + 0.2, Ok(300_000)),
        (1e-7, Ok(0)),
        (5e-324, Ok(0)),
        (2.675, Ok(2_675_000)),
        (-512.5, Ok(-512_500_000)),
        (9_007_199_254.740_993, Ok(9_007_199_254_740_993)),
        (1e300, Err(NumberError::OutOfRange)),
        (9.3e12, Err(NumberError::OutOfRange)),
        (f64::NAN, Err(NumberError::NotFinite)),
        (f64::INFINITY, Err(NumberError::NotFinite)),
        (f64::NEG_INFINITY, Err(NumberError::NotFinite)),
    ] {
        assert_eq!(Money::from_f64(value).map(Money::micros), expected, "{value}");
    }
    assert_eq!(Price::from_f64(5e-7).map(Price::nanos), Ok(500), "a tick of the yen, 5e-07");
    assert_eq!(Price::from_f64(f64::NAN), Err(NumberError::NotFinite));
}

/// With floats, ten thousand dollars in dimes come out as 10000.000000018848.
#[test]
fn sums_do_not_drift() {
    let dime = Money::from_f64(0.1).unwrap();
    let total: Money = std::iter::repeat_n(dime, 100_000).sum();
    assert_eq!(total, Money::from_dollars(10_000));
    assert_eq!(dime.times(100_000), total);
    let drifted: f64 = std::iter::repeat_n(0.1, 100_000).sum();
    assert_eq!(drifted.to_string(), "10000.000000018848", "this is what is avoided");
}

#[test]
fn arithmetic_stops_at_the_ends_of_the_range() {
    let (least, most, one) = (Money::from_micros(i64::MIN), Money::from_micros(i64::MAX), Money::from_micros(1));
    assert_eq!((most + one, least - one), (most, least));
    assert_eq!((-least, least.abs()), (most, most));
    assert_eq!((most.times(2), most.times(-2), least.times(-1)), (most, least, most));
    let mut total = most;
    total += one;
    assert_eq!(total, most);
    total -= most;
    assert_eq!(total, Money::ZERO);
    assert!(least.is_negative() && !Money::ZERO.is_negative() && !most.is_negative());
    assert_eq!((Money::from_dollars(-3), Money::from_cents(-250)), (money("-3"), money("-2.5")));
}

#[test]
fn amounts_are_shown_with_cents_and_prices_with_what_there_is() {
    for (micros, shown) in [
        (0, "0.00"),
        (1, "0.000001"),
        (-1, "-0.000001"),
        (500_000, "0.50"),
        (-512_500_000, "-512.50"),
        (12_345_678, "12.345678"),
        (1_000_000, "1.00"),
        (i64::MIN, "-9223372036854.775808"),
        (i64::MAX, "9223372036854.775807"),
    ] {
        assert_eq!(Money::from_micros(micros).to_string(), shown);
    }
    for (text, shown) in [("2670.250", "2670.25"), ("100", "100"), ("-0.0000005", "-0.0000005"), ("0", "0")] {
        assert_eq!(price(text).to_string(), shown);
    }
}

#[test]
fn amounts_in_documents_are_numbers_or_text() {
    for (document, expected) in [
        ("500", Some("500")),
        ("-500", Some("-500")),
        ("500.00", Some("500")),
        ("0.1", Some("0.1")),
        ("\"12.34\"", Some("12.34")),
        ("1e2", Some("100")),
        ("\"nan\"", None),
        ("true", None),
        ("null", None),
        ("[]", None),
        ("9223372036855", None),
        ("18446744073709551615", None),
    ] {
        let found: Option<Money> = serde_json::from_str(document).ok();
        assert_eq!(found, expected.map(money), "{document}");
    }
}

#[test]
fn a_refused_number_says_which_field_and_why() {
    for (error, expected) in [
        (NumberError::NotANumber, "Quote.bid = \"x\": must be a decimal number"),
        (NumberError::NotFinite, "Quote.bid = \"x\": must be finite"),
        (NumberError::OutOfRange, "Quote.bid = \"x\": must fit the range of amounts"),
    ] {
        let invalid = Invalid::number(Noun::Quote, "bid", format_args!("{:?}", "x"), error);
        assert_eq!(invalid.to_string(), expected);
        assert_eq!(error.to_string(), invalid.rule);
    }
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(units in any::<i64>()) {
        prop_assert_eq!(Money::parse(&Money::from_micros(units).to_string()), Ok(Money::from_micros(units)));
        prop_assert_eq!(Price::parse(&Price::from_nanos(units).to_string()), Ok(Price::from_nanos(units)));
    }

    /// A REAL column holds 15 digits for certain: a thousand million dollars to the micro-dollar.
    #[test]
    fn what_a_real_column_holds_reads_back(micros in -999_999_999_999_999_i64..=999_999_999_999_999) {
        let amount = Money::from_micros(micros);
        prop_assert_eq!(Money::from_f64(amount.to_f64()), Ok(amount));
        let price = Price::from_nanos(micros);
        prop_assert_eq!(Price::from_f64(price.to_f64()), Ok(price));
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,40}|[-+0-9.eE]{0,40}|[0-9]{0,60}\\.[0-9]{0,60}(e-?[0-9]{0,12})?") {
        let _ = Money::parse(&text);
        let _ = Price::parse(&text);
    }

    #[test]
    fn no_float_is_a_panic_and_none_is_far_off(value in any::<f64>()) {
        if let Ok(amount) = Money::from_f64(value) {
            prop_assert!((amount.to_f64() - value).abs() <= 0.51e-6_f64.max(value.abs() * 1e-15));
        }
    }

    /// In exact tenths of a millionth, written out: the neighbour is within half a unit, and ties go to the even one.
    #[test]
    fn rounding_is_half_to_even(tenths in -10_000_000_i64..10_000_000) {
        let sign = if tenths < 0 { "-" } else { "" };
        let size = tenths.abs();
        let text = format!("{sign}{}.{:07}", size / 10_000_000, size % 10_000_000);
        let found = Money::parse(&text).map(Money::micros).unwrap();
        let off = (found * 10 - tenths).abs();
        prop_assert!(off < 5 || (off == 5 && found % 2 == 0), "{} became {}", text, found);
    }
}
