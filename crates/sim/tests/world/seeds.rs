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

/// Core: `an_old_word_of_the_hub_does_not_end_the_lock`.
#[test]
fn an_old_word_of_the_hub_ended_the_lock_of_rule_010() {
    play([213].into_iter().map(Plan::new));
}

/// The journals, here and in the daemon: `what_was_refused_is_written_again_in_the_order_in_which_it_happened`.
#[test]
fn the_taking_back_of_a_trade_overtook_the_trade_on_a_failing_disk() {
    play([126].into_iter().map(Plan::new));
}

/// The oracle was wrong: `a_close_beside_one_on_its_way_is_found_and_not_beside_one_for_the_other_side`.
#[test]
fn a_close_of_a_position_that_was_turned_round_was_judged_beside_the_close_of_the_old_one() {
    play([63, 93, 155, 175, 197].into_iter().map(Plan::new));
    play([Plan { faults: false, ..Plan::new(1_000_017) }].into_iter());
}

/// The oracle was wrong: `a_lock_that_is_set_while_an_older_one_ends_stays`.
#[test]
fn a_lock_that_was_set_while_an_older_one_ended_was_forgotten() {
    play([119, 176, 230].into_iter().map(Plan::new));
    play([Plan { stops: true, ..Plan::new(3_000_008) }].into_iter());
}
