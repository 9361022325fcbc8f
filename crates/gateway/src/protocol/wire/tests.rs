#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

#[test]
fn numbers_keep_their_text() {
    let cases = [
        ("6335.250000000", "6335.250000000"),
        ("123456789.123456789", "123456789.123456789"),
        ("\"2100.5\"", "2100.5"),
        ("\" 2100.5 \"", "2100.5"),
        ("\"+5\"", "5"),
        ("\"05\"", "5"),
        ("\".5\"", "0.5"),
        ("5E-07", "5E-07"),
        ("-0.1", "-0.1"),
    ];
    for (json, expected) in cases {
        let number: Number = serde_json::from_str(json).unwrap();
        assert_eq!(number.as_str(), expected, "{json}");
        assert_eq!(serde_json::to_string(&number).unwrap(), expected, "{json}");
    }
    for wrong in ["null", "true", "{}", "[]", "\"\"", "\"NaN\"", "\"1,5\"", "\"0x10\""] {
        assert!(serde_json::from_str::<Number>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn times_are_read_with_and_without_an_offset_and_written_like_the_gateway_does() {
    let cases = [
        ("2026-11-20T14:00:00+00:00", "2026-11-20T14:00:00+00:00"),
        ("2026-11-20T14:00:00Z", "2026-11-20T14:00:00+00:00"),
        ("2026-11-20T08:00:00.250-06:00", "2026-11-20T14:00:00.25+00:00"),
        ("2026-11-20T14:00:00.1234567", "2026-11-20T14:00:00.1234567+00:00"),
    ];
    for (text, expected) in cases {
        let time: Time = serde_json::from_value(json!(text)).unwrap();
        assert_eq!(serde_json::to_value(time).unwrap(), json!(expected), "{text}");
    }
    assert!(serde_json::from_value::<Time>(json!("noon")).is_err());
}

#[test]
fn answers_carry_their_envelope_beside_their_body() {
    let answer = Answer::success(PlaceOrderAnswer { order_id: Some(9056) });
    let text = serde_json::to_string(&answer).unwrap();
    let expected = json!({ "orderId": 9056, "success": true, "errorCode": 0, "errorMessage": null });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    assert_eq!(serde_json::from_str::<Answer<PlaceOrderAnswer>>(&text).unwrap(), answer);

    let refusal: Answer<Positions> = Answer::refusal(1, None);
    let text = serde_json::to_string(&refusal).unwrap();
    assert_eq!(text, r#"{"success":false,"errorCode":1,"errorMessage":null}"#);
    assert_eq!(serde_json::from_str::<Answer<Positions>>(&text).unwrap(), refusal);
    assert_eq!(
        serde_json::to_string(&Answer::success(NoBody {})).unwrap(),
        serde_json::to_string(&Envelope::SUCCESS).unwrap()
    );
    let bare: Envelope = serde_json::from_str(r#"{"success":true,"errorCode":null}"#).unwrap();
    assert_eq!(bare, Envelope::SUCCESS);
    // A success without its list is no success: it would say "flat".
    assert!(serde_json::from_str::<Answer<Positions>>(r#"{"success":true}"#).is_err());
    assert!(serde_json::from_str::<Answer<Positions>>(r#"{"success":true,"positions":null}"#).is_err());
}

#[test]
fn rows_read_what_the_documents_show() {
    let text = r#"{"orders":[{"id":36598,"accountId":704,"contractId":"CON.F.US.EP.U25","symbolId":"F.US.EP",
        "creationTimestamp":"2025-07-18T21:00:01.268009+00:00","updateTimestamp":"2025-07-18T21:00:01.268009+00:00",
        "status":2,"type":2,"side":0,"size":1,"limitPrice":null,"stopPrice":null,"fillVolume":1,
        "filledPrice":6335.250000000,"customTag":null}],"success":true,"errorCode":0,"errorMessage":null}"#;
    let answer: Answer<Orders> = serde_json::from_str(text).unwrap();
    let order = &answer.body.as_ref().unwrap().orders[0];
    assert_eq!((order.id, order.status, order.fill_volume), (36598, 2, Some(1)));
    assert_eq!(order.filled_price.as_ref().unwrap().to_price().unwrap().to_string(), "6335.25");
    let again: Answer<Orders> = serde_json::from_str(&serde_json::to_string(&answer).unwrap()).unwrap();
    assert_eq!(again, answer);
}

#[test]
fn requests_may_leave_out_what_is_optional() {
    let text = r#"{"accountId":465,"contractId":"CON.F.US.DA6.M25","type":2,"side":1,"size":1}"#;
    let order: PlaceOrderRequest = serde_json::from_str(text).unwrap();
    assert_eq!((order.order_type, order.limit_price, order.custom_tag), (2, None, None));
    let query: OrderQueryRequest = serde_json::from_str(r#"{"filter":{"accountId":465}}"#).unwrap();
    assert_eq!((query.filter.account_id, query.page_size), (465, None));
}

#[test]
fn codes_and_meanings_lead_to_each_other() {
    let cases = [
        (Endpoint::ClosePosition, 2, Meaning::PositionNotFound),
        (Endpoint::ClosePosition, 8, Meaning::AccountRejected),
        (Endpoint::PartialClosePosition, 5, Meaning::InvalidSize),
        (Endpoint::PartialClosePosition, 6, Meaning::Rejected),
        (Endpoint::PartialClosePosition, 9, Meaning::AccountRejected),
        (Endpoint::CancelOrder, 2, Meaning::OrderNotFound),
        (Endpoint::ModifyOrder, 7, Meaning::ContractNotFound),
        (Endpoint::PlaceOrder, 5, Meaning::OutsideTradingHours),
        (Endpoint::PlaceOrder, 10, Meaning::AccountRejected),
        (Endpoint::LoginKey, 3, Meaning::InvalidCredentials),
        (Endpoint::LoginKey, 10, Meaning::KeyAuthenticationDisabled),
        (Endpoint::Validate, 3, Meaning::SessionExpired),
        (Endpoint::SearchTrades, 1, Meaning::AccountNotFound),
    ];
    for (endpoint, code, meaning) in cases {
        assert_eq!(endpoint.meaning(code), meaning, "{endpoint} {code}");
        assert_eq!(endpoint.code_of(meaning), Some(code), "{endpoint} {meaning}");
    }
    for endpoint in Endpoint::ALL {
        for code in [i32::MIN, -1, 0, 11, i32::MAX] {
            assert_eq!(endpoint.meaning(code), Meaning::Unlisted, "{endpoint} {code}");
        }
    }
}

#[test]
fn only_what_changes_nothing_may_be_asked_twice() {
    let once: Vec<String> =
        Endpoint::ALL.iter().filter(|endpoint| !endpoint.is_query()).map(ToString::to_string).collect();
    let expected = [
        "Auth/loginKey",
        "Auth/logout",
        "Order/place",
        "Order/modify",
        "Order/cancel",
        "Position/closeContract",
        "Position/partialCloseContract",
    ];
    assert_eq!(once, expected);
}

#[test]
fn secrets_do_not_show_in_debug() {
    let login = LoginKeyRequest { user_name: "trader".to_owned(), api_key: "very-secret".to_owned() };
    let texts = [
        format!("{login:?}"),
        format!("{:?}", Answer::success(LoginAnswer { token: Some("very-secret".to_owned()) })),
        format!("{:?}", Answer::success(ValidateAnswer { new_token: Some("very-secret".to_owned()) })),
    ];
    for text in texts {
        assert!(!text.contains("very-secret"), "{text}");
    }
}
