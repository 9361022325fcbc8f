//! [`Quote`]

use riskd_core::model::{Quote, QuoteDraft, Timestamp};

use crate::{check_changes, checks, checks_below_zero, contract_id, now_and, price, time};

fn quote() -> QuoteDraft {
    QuoteDraft {
        contract_id: contract_id(),
        bid: Some(price("100")),
        ask: Some(price("100.25")),
        last: Some(price("100.25")),
        timestamp: now_and(0),
    }
}

#[test]
fn prices_and_times() {
    check_changes(
        &quote(),
        |draft| Quote::new(draft, &checks()),
        &[
            (|_| {}, None),
            // Any one price is enough.
            (|quote| (quote.bid, quote.ask) = (None, None), None),
            (|quote| (quote.bid, quote.last) = (None, None), None),
            (|quote| (quote.ask, quote.last) = (None, None), None),
            (
                |quote| (quote.bid, quote.ask, quote.last) = (None, None, None),
                Some("Quote.last = absent: at least one of bid, ask and last is required"),
            ),
            (|quote| quote.bid = Some(price("0")), Some("Quote.bid = 0: must be greater than 0")),
            (|quote| quote.ask = Some(price("-1")), Some("Quote.ask = -1: must be greater than 0")),
            (|quote| quote.last = Some(price("0")), Some("Quote.last = 0: must be greater than 0")),
            (|quote| quote.last = Some(price("0.000000001")), None),
            // Locked is fine, crossed is not, by the smallest step.
            (|quote| quote.ask = quote.bid, None),
            (
                |quote| quote.ask = Some(price("99.999999999")),
                Some("Quote.ask = 99.999999999 (bid 100): must not be below bid"),
            ),
            // The last price may lie anywhere.
            (|quote| quote.last = Some(price("1")), None),
            (|quote| quote.timestamp = now_and(2_000), None),
            (
                |quote| quote.timestamp = now_and(2_001),
                Some("Quote.timestamp = 2025-06-02T14:30:02.001Z: must not be in the future"),
            ),
            (|quote| quote.timestamp = Timestamp::MIN, None),
        ],
    );
}

#[test]
fn below_zero_a_crossed_quote_is_still_crossed() {
    let draft = |bid, ask| QuoteDraft { bid: Some(price(bid)), ask: Some(price(ask)), ..quote() };
    assert!(Quote::new(draft("-37.64", "-37.63"), &checks_below_zero()).is_ok());
    let crossed = Quote::new(draft("-37.63", "-37.64"), &checks_below_zero()).unwrap_err();
    assert_eq!(crossed.to_string(), "Quote.ask = -37.64 (bid -37.63): must not be below bid");
}

#[test]
fn older_than_five_seconds_is_stale_and_valid() {
    let quote = Quote::new(quote(), &checks()).unwrap();
    for (age_ms, stale) in
        [(-2_000, false), (0, false), (4_999, false), (5_000, false), (5_001, true), (86_400_000, true)]
    {
        assert_eq!(quote.is_stale(now_and(age_ms)), stale, "{age_ms} ms old");
    }
    assert!(quote.is_stale(time("2025-06-02T14:30:05.000000001Z")));
}
