//! What several rules' configs share: a loss limit, spelled either way.

use super::RuleConfigError;
use crate::model::Money;

/// A loss limit as a positive amount, from `loss_limit: 500` or `limit: -500`.
pub(super) fn loss_limit(
    rule: &'static str,
    loss_limit: Option<Money>,
    limit: Option<Money>,
    default: Money,
) -> Result<Money, RuleConfigError> {
    let (option, given) = match (loss_limit, limit) {
        (Some(_), Some(_)) => {
            let problem = "stands beside loss_limit: give one of the two".to_owned();
            return Err(RuleConfigError { rule, option: "limit", problem });
        }
        (Some(given), None) => ("loss_limit", given),
        (None, Some(given)) => ("limit", given),
        (None, None) => return Ok(default),
    };
    if given == Money::ZERO {
        let problem = "must not be 0: every account would breach it at once".to_owned();
        return Err(RuleConfigError { rule, option, problem });
    }
    Ok(given.abs())
}
