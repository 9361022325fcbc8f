//! The sample in the repository is what its generator writes.

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/make_sample.rs"]
mod make_sample;

#[test]
fn the_committed_sample_is_what_the_generator_writes() {
    let committed = include_str!("../sample/ticks.csv");
    assert!(make_sample::sample_text() == committed, "run the example make_sample and commit sample/ticks.csv");
}
