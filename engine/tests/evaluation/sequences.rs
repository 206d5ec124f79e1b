use std::fmt::Write as _;

use portico_engine::Arm;
use portico_engine::evaluate::{Finding, Level, Lift, LiftError, MeanSequence, Range};
use proptest::prelude::*;

use crate::chance::Chance;
use crate::streams::{World, level, lift, within};

const HOLD_OUT: World = World { model_share: 0.9, model_rate: 0.02, control_rate: 0.02, visitors: 30_000 };
const HALVES: World = World { model_share: 0.5, ..HOLD_OUT };

#[test]
fn without_a_difference_lift_is_claimed_no_more_often_than_the_level_says() {
    for world in [HOLD_OUT, HALVES, World { model_rate: 0.2, control_rate: 0.2, visitors: 5_000, ..HOLD_OUT }] {
        let claims = (0..1_000).filter(|run| world.first_finding(*run).is_some()).count();
        assert!(claims <= 50, "{claims} of 1000 comparisons without a difference claimed one");
    }
}

/// Values as they are in practice: most bring nothing, few a little, very few much, and a contact costs.
#[test]
fn without_a_difference_in_value_lift_is_claimed_no_more_often_than_the_level_says() {
    let mut claims = 0;
    for run in 0..1_000 {
        let mut chance = Chance(run);
        let mut lift = Lift::new(0.8, Range::new(-1.0, 50.0).unwrap(), level()).unwrap();
        claims += u32::from((0..8_000).any(|_| {
            let arm = if chance.happens(0.8) { Arm::Model } else { Arm::Control };
            let reward = match chance.uniform() {
                point if point < 0.002 => 50.0,
                point if point < 0.02 => 3.0,
                point if point < 0.05 => -1.0,
                _ => return false,
            };
            lift.observe(arm, reward).unwrap();
            lift.finding() != Finding::Open
        }));
    }
    assert!(claims <= 50, "{claims} of 1000 comparisons without a difference claimed one");
}

#[test]
fn a_lift_from_two_to_three_percent_is_found_and_with_the_right_sign() {
    let check = |world: World, half: u64, nine_in_ten: u64, expect: Finding| {
        let findings: Vec<_> = (0..200).map(|run| world.first_finding(run)).collect();
        assert!(findings.iter().flatten().all(|(_, finding)| *finding == expect));
        let firsts: Vec<_> = findings.iter().map(|finding| finding.map(|(number, _)| number)).collect();
        let (at_half, at_nine) = (within(firsts.clone(), 0.5).unwrap(), within(firsts, 0.9).unwrap());
        assert!(at_half <= half && at_nine <= nine_in_ten, "half after {at_half}, nine in ten after {at_nine}");
    };
    let lifted = World { model_rate: 0.03, visitors: 120_000, ..HOLD_OUT };
    check(lifted, 30_000, 60_000, Finding::ModelBetter);
    check(World { model_share: 0.5, ..lifted }, 13_000, 26_000, Finding::ModelBetter);
    check(World { model_rate: 0.01, ..lifted }, 40_000, 70_000, Finding::ModelWorse);
}

/// The experiment behind the choice of the sequence: see the head of `mixture.rs`.
#[test]
fn the_sequences_that_could_have_been_chosen() {
    let lifted = World { model_rate: 0.03, visitors: 200_000, ..HOLD_OUT };
    type Way<'a> = &'a dyn Fn(World, u64) -> Option<u64>;
    let ways: [(&str, Way<'_>); 5] = [
        ("mixture of bets (chosen)", &|world, run| world.first_finding(run).map(|(number, _)| number)),
        ("predictable plug-in", &|world, run| world.first_of_plug_in(run)),
        ("asymptotic, from 1 click", &|world, run| world.first_of_asymptotic(run, 1.0)),
        ("asymptotic, from 5 clicks", &|world, run| world.first_of_asymptotic(run, 5.0)),
        ("asymptotic, from 20 clicks", &|world, run| world.first_of_asymptotic(run, 20.0)),
    ];
    let mut table = String::from("sequence                    half found  9 in 10   false claims of 1000\n");
    for (name, way) in ways {
        let firsts: Vec<_> = (0..200).map(|run| way(lifted, run)).collect();
        let false_claims = (0..1_000).filter(|run| way(HOLD_OUT, *run).is_some()).count();
        let rounded = |share| (within(firsts.clone(), share).unwrap() + 50) / 100 * 100;
        writeln!(table, "{name:<28}{:>10}{:>9}{false_claims:>11}", rounded(0.5), rounded(0.9)).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_mean_is_in_every_interval_of_nearly_every_stream() {
    for rate in [0.02, 0.5] {
        let misses = (0..400).filter(|run| {
            let (mut chance, mut sequence) = (Chance(*run), MeanSequence::new(Range::new(0.0, 1.0).unwrap(), level()));
            (0..3_000).any(|number| {
                sequence.observe(f64::from(u8::from(chance.happens(rate)))).unwrap();
                number % 10 == 0 && {
                    let interval = sequence.interval();
                    !(interval.lower..=interval.upper).contains(&rate)
                }
            })
        });
        let misses = misses.count();
        assert!(misses <= 20, "{misses} of 400 streams at {rate}");
    }
}

#[test]
fn the_interval_of_a_mean_narrows_to_it() {
    let mut chance = Chance(1);
    let mut sequence = MeanSequence::new(Range::new(0.0, 1.0).unwrap(), level());
    let whole = sequence.interval();
    assert_eq!((whole.lower, whole.upper), (0.0, 1.0));
    let mut widths = Vec::new();
    for _ in 0..3 {
        for _ in 0..20_000 {
            sequence.observe(f64::from(u8::from(chance.happens(0.02)))).unwrap();
        }
        let interval = sequence.interval();
        widths.push(interval.upper - interval.lower);
    }
    assert_eq!(sequence.count(), 60_000);
    // A fixed-size interval at 60,000 would have 0.0022.
    assert!(widths[0] < 0.009 && widths[2] < 0.005, "{widths:?}");
}

#[test]
fn what_does_not_belong_is_refused_and_not_counted() {
    let range = Range::new(0.0, 1.0).unwrap();
    let mut sequence = MeanSequence::new(range, level());
    let mut lift = lift(0.9, 1.0);
    for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(sequence.observe(wrong).is_err());
        assert!(matches!(lift.observe(Arm::Model, wrong), Err(LiftError::OutOfRange(_))));
    }
    assert_eq!(lift.observe(Arm::Explore, 0.0), Err(LiftError::Explorer));
    assert_eq!((sequence.count(), lift.model_visitors(), lift.control_visitors()), (0, 0, 0));
    assert_eq!(Lift::new(1.0, range, level()), Err(LiftError::Share(1.0)));
    let above = Range::new(1.0, 2.0).unwrap();
    assert_eq!(Lift::new(0.5, above, level()), Err(LiftError::RangeWithoutZero));
    assert!([0.0, 1.0, f64::NAN].into_iter().all(|wrong| Level::new(wrong).is_none()));
    assert!(
        [(1.0, 0.0), (0.0, 0.0), (0.0, f64::INFINITY)].into_iter().all(|(low, high)| Range::new(low, high).is_none())
    );
}

proptest! {
    #[test]
    fn a_finding_is_the_side_of_zero_on_which_the_interval_lies(
        share in 0.05..0.95_f64,
        model_rate in 0.0..1.0_f64,
        control_rate in 0.0..1.0_f64,
        visitors in 0..600_u32,
        seed: u64,
    ) {
        let mut chance = Chance(seed);
        let mut lift = lift(share, 2.0);
        for _ in 0..visitors {
            let arm = if chance.happens(share) { Arm::Model } else { Arm::Control };
            let rate = if arm == Arm::Model { model_rate } else { control_rate };
            lift.observe(arm, if chance.happens(rate) { 2.0 * chance.uniform() } else { 0.0 }).unwrap();
        }
        let interval = lift.interval();
        prop_assert!(interval.lower <= interval.upper);
        // At the very boundary, rounding decides.
        if interval.lower.abs() > 1e-9 && interval.upper.abs() > 1e-9 {
            let expect = match (interval.lower > 0.0, interval.upper < 0.0) {
                (true, _) => Finding::ModelBetter,
                (_, true) => Finding::ModelWorse,
                _ => Finding::Open,
            };
            prop_assert_eq!(lift.finding(), expect);
        }
        // Nobody's reward, nobody's news; and a checkpoint goes on where it stopped.
        let before = lift.finding();
        lift.observe(Arm::Model, 0.0).unwrap();
        lift.observe(Arm::Control, 0.0).unwrap();
        prop_assert_eq!(lift.finding(), before);
    }

    #[test]
    fn a_written_sequence_goes_on_where_it_stopped(rewards in prop::collection::vec(0..=4_u8, 0..40)) {
        let mut lift = lift(0.75, 1.0);
        let mut mean = MeanSequence::new(Range::new(0.0, 1.0).unwrap(), level());
        for reward in rewards {
            lift.observe(Arm::Model, f64::from(reward) / 4.0).unwrap();
            mean.observe(f64::from(reward) / 4.0).unwrap();
        }
        let read: Lift = serde_json::from_str(&serde_json::to_string(&lift).unwrap()).unwrap();
        prop_assert!((read.estimate() - lift.estimate()).abs() < 1e-12);
        prop_assert_eq!((read.model_visitors(), read.finding()), (lift.model_visitors(), lift.finding()));
        let read: MeanSequence = serde_json::from_str(&serde_json::to_string(&mean).unwrap()).unwrap();
        prop_assert!((read.interval().lower - mean.interval().lower).abs() < 1e-9);
    }
}
