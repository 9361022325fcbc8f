//! Faults on request: what can go wrong between a broker and a client, one rule at a time.

use std::time::Duration;

use riskd_core::engine::Hub;
use riskd_gateway::protocol::wire::{Endpoint, Meaning};

/// A fault of the REST interface.
#[derive(Debug, Clone, PartialEq)]
pub struct RestFault {
    /// The endpoint that has it; absent for all of them.
    pub endpoint: Option<Endpoint>,
    /// How many calls have it; absent for all until the faults are cleared.
    pub times: Option<u32>,
    /// What happens to such a call.
    pub effect: RestEffect,
}

/// What happens to a call instead of a plain answer.
#[derive(Debug, Clone, PartialEq)]
pub enum RestEffect {
    /// It is answered with this HTTP status and nothing is done: 401, 429, 500, 503 …
    Status(u16),
    /// It is answered with `success` false and nothing is done.
    Refuse(Meaning),
    /// Nobody answers, and nothing is done.
    HangBeforeActing,
    /// It is done, and nobody answers.
    HangAfterActing,
    /// It is done at once and answered after this time.
    AnswerAfter(Duration),
    /// It is done, and this text is answered with status 200.
    AnswerWith(String),
}

impl RestFault {
    /// The next `times` calls of an endpoint are answered with an HTTP status.
    pub fn status(endpoint: Endpoint, status: u16, times: u32) -> Self {
        Self { endpoint: Some(endpoint), times: Some(times), effect: RestEffect::Status(status) }
    }

    /// The next `times` calls of an endpoint are refused with the number it has for this meaning.
    pub fn refusal(endpoint: Endpoint, meaning: Meaning, times: u32) -> Self {
        Self { endpoint: Some(endpoint), times: Some(times), effect: RestEffect::Refuse(meaning) }
    }

    /// The next call of an endpoint is done, and never answered.
    pub fn time_out_after_acting(endpoint: Endpoint) -> Self {
        Self { endpoint: Some(endpoint), times: Some(1), effect: RestEffect::HangAfterActing }
    }

    /// The next call of an endpoint is neither done nor answered.
    pub fn time_out_before_acting(endpoint: Endpoint) -> Self {
        Self { endpoint: Some(endpoint), times: Some(1), effect: RestEffect::HangBeforeActing }
    }
}

/// A fault of a hub's events.
#[derive(Debug, Clone, PartialEq)]
pub struct HubFault {
    /// The hub that has it.
    pub hub: Hub,
    /// The event that has it, such as `GatewayUserPosition`; absent for all of them.
    pub event: Option<&'static str>,
    /// How many events have it; absent for all until the faults are cleared.
    pub times: Option<u32>,
    /// What happens to such an event.
    pub effect: HubEffect,
}

/// What happens to an event on its way to those who subscribed to it.
#[derive(Debug, Clone, PartialEq)]
pub enum HubEffect {
    /// It is lost.
    Drop,
    /// It comes later, past others.
    Delay(Duration),
    /// It comes twice.
    Duplicate,
    /// It is held until so many are together, which then come in reverse order.
    Reorder(usize),
    /// It comes in another shape.
    Shape(PayloadShape),
}

/// The shapes in which payloads have been seen in practice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PayloadShape {
    /// Whether each is wrapped as `{action, data}`.
    pub wrapped: bool,
    /// Whether it stands in a list of its own inside `arguments`.
    pub in_a_list: bool,
    /// Whether its numbers are written as strings.
    pub numbers_as_strings: bool,
    /// Fields that are left out.
    pub without: Vec<String>,
    /// Fields that are given, with their JSON text: to make a payload invalid.
    pub with: Vec<(String, String)>,
}

impl HubFault {
    /// This effect on the next `times` events of one kind.
    pub fn of_event(hub: Hub, event: &'static str, times: u32, effect: HubEffect) -> Self {
        Self { hub, event: Some(event), times: Some(times), effect }
    }

    /// This effect on every event of a hub until the faults are cleared.
    pub fn of_hub(hub: Hub, effect: HubEffect) -> Self {
        Self { hub, event: None, times: None, effect }
    }
}

impl PayloadShape {
    /// Rewrites the payload of an event; one that is not an object stays as it is.
    pub(crate) fn apply(&self, payload: &str) -> String {
        let Ok(mut value) = serde_json::from_str::<serde_json::Value>(payload) else { return payload.to_owned() };
        if let Some(object) = value.as_object_mut() {
            for field in &self.without {
                object.remove(field);
            }
            if self.numbers_as_strings {
                for number in object.values_mut().filter(|field| field.is_number()) {
                    *number = number.to_string().into();
                }
            }
            for (field, text) in &self.with {
                let given = serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into());
                object.insert(field.clone(), given);
            }
        }
        if self.wrapped {
            value = serde_json::json!({ "action": 1, "data": value });
        }
        if self.in_a_list {
            value = serde_json::json!([value]);
        }
        value.to_string()
    }
}

/// Takes the first matching rule of a list, and one from its count.
pub(crate) fn take_rest_effect(faults: &mut Vec<RestFault>, endpoint: Endpoint) -> Option<RestEffect> {
    let index = faults.iter().position(|fault| fault.endpoint.is_none_or(|only| only == endpoint))?;
    let effect = faults[index].effect.clone();
    if count_down(&mut faults[index].times) {
        faults.remove(index);
    }
    Some(effect)
}

/// Takes one from a count; says whether it is used up.
pub(crate) fn count_down(times: &mut Option<u32>) -> bool {
    match times {
        None => false,
        Some(left) => {
            *left = left.saturating_sub(1);
            *left == 0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_endpoint_and_its_count() {
        let mut faults = vec![
            RestFault::status(Endpoint::CancelOrder, 503, 2),
            RestFault { endpoint: None, times: Some(1), effect: RestEffect::Status(429) },
        ];
        let mut take = |endpoint| take_rest_effect(&mut faults, endpoint);
        assert_eq!(take(Endpoint::CancelOrder), Some(RestEffect::Status(503)));
        assert_eq!(take(Endpoint::SearchTrades), Some(RestEffect::Status(429)));
        assert_eq!(take(Endpoint::SearchTrades), None);
        assert_eq!(take(Endpoint::CancelOrder), Some(RestEffect::Status(503)));
        assert_eq!(take(Endpoint::CancelOrder), None);
    }

    #[test]
    fn payloads_take_every_shape() {
        let shape = |shape: PayloadShape| shape.apply(r#"{"id":7,"size":0}"#);
        assert_eq!(shape(PayloadShape::default()), r#"{"id":7,"size":0}"#);
        let wrapped = PayloadShape { wrapped: true, ..PayloadShape::default() };
        assert_eq!(shape(wrapped), r#"{"action":1,"data":{"id":7,"size":0}}"#);
        let listed = PayloadShape { in_a_list: true, without: vec!["id".to_owned()], ..PayloadShape::default() };
        assert_eq!(shape(listed), r#"[{"size":0}]"#);
        let texts = PayloadShape { numbers_as_strings: true, ..PayloadShape::default() };
        assert_eq!(shape(texts), r#"{"id":"7","size":"0"}"#);
        let broken = PayloadShape { with: vec![("size".to_owned(), "\"many\"".to_owned())], ..PayloadShape::default() };
        assert_eq!(shape(broken), r#"{"id":7,"size":"many"}"#);
    }
}
