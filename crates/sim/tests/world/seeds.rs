//! Seeds that once failed, each by the name of what was wrong. A seed names a world only as long as the simulation itself
//! is not changed, so beside each stands the test of the core that holds the mend for good.

use riskd_sim::world::Plan;

use crate::play;

/// Core: `a_trade_that_a_living_hub_lost_is_found_by_the_next_look`.
#[test]
fn a_lost_trade_was_never_missed() {
    play([3, 5].into_iter().map(Plan::new));
}

/// Core: `without_a_lock_a_position_opened_below_the_limit_is_closed_though_its_trade_came_first`.
#[test]
fn a_position_opened_below_the_limit_was_left_alone() {
    play([4].into_iter().map(Plan::new));
}
