use proptest::prelude::*;

use super::*;
use crate::features::bias;

fn taught(answers: &[(u32, bool)]) -> Model {
    let mut model = Model::default();
    for (feature, yes) in answers {
        let features = [bias(), *feature];
        let places = model.place_all(&features);
        model.update(-3.0, &[(Block::site(&Priors::default(), 0), &places)], f64::from(u8::from(*yes)), 1.0);
    }
    model
}

#[test]
fn answers_move_the_belief_towards_them_and_narrow_it() {
    let features = [bias(), 5];
    let prior = Model::default().belief(Block::site(&Priors::default(), 0), &features);
    let yes = taught(&[(5, true); 50]).belief(Block::site(&Priors::default(), 0), &features);
    let no = taught(&[(5, false); 50]).belief(Block::site(&Priors::default(), 0), &features);
    assert!(yes.mean > prior.mean && no.mean < prior.mean);
    assert!(yes.variance < prior.variance && no.variance < prior.variance);
}

#[test]
fn a_rate_is_found() {
    let answers: Vec<_> = (0..4000).map(|at| (5, at % 10 == 0)).collect();
    let belief = taught(&answers).belief(Block::site(&Priors::default(), 0), &[bias(), 5]);
    let rate = sigmoid(belief.mean - 3.0);
    assert!((rate - 0.1).abs() < 0.02, "{rate}");
}

#[test]
fn a_step_taken_back_at_once_leaves_what_was() {
    let mut model = taught(&[(5, true), (5, false), (6, true)]);
    let before = model.clone();
    let places = model.place_all(&[bias(), 5]);
    let blocks: [(Block, &[usize]); 1] = [(Block::site(&Priors::default(), 0), &places)];
    for y in [0.0, 1.0] {
        model.update(-3.0, &blocks, y, 0.7);
        model.update(-3.0, &blocks, y, -0.7);
        let (now, then) = (model.belief(blocks[0].0, &[bias(), 5]), before.belief(blocks[0].0, &[bias(), 5]));
        assert!((now.mean - then.mean).abs() < 1e-4, "{now:?} was {then:?}");
        assert!((now.variance - then.variance).abs() < 1e-4, "{now:?} was {then:?}");
    }
}

#[test]
fn the_mode_is_where_prior_and_answer_agree() {
    for (mean, variance) in [(-4.6, 10.0), (-3.0, 0.1), (0.0, 30.0), (6.0, 2.0)] {
        for (y, w) in [(1.0, 1.0), (0.0, 1.0), (0.0, 0.22), (1.0, 5.0)] {
            let mode = Belief { mean, variance }.mode(y, w);
            let miss = mode - mean - variance * w * (y - sigmoid(mode));
            assert!(miss.abs() < 1e-6, "N({mean}, {variance}), y = {y}, w = {w}: {mode} misses by {miss}");
        }
    }
}

/// One block taught with two facts that differ and some that hold for everybody.
fn with_common_facts(common: u32) -> [(f64, f64); 2] {
    let mut model = Model::default();
    let block = Block::site(&Priors::default(), 0);
    let features = |fact: u32| [bias(), fact].into_iter().chain(100..100 + common).collect::<Vec<_>>();
    for at in 0..3_000_u32 {
        let fact = at % 2;
        // 20 % and 5 %, spread evenly.
        let y = f64::from(u8::from(at % (if fact == 0 { 10 } else { 40 }) == fact));
        let places = model.place_all(&features(fact));
        model.update(-3.0, &[(block, &places)], y, 1.0);
    }
    [0, 1].map(|fact| {
        let belief = model.belief(block, &features(fact));
        (belief.mean, belief.variance)
    })
}

#[test]
fn facts_that_hold_for_everybody_change_neither_belief_nor_its_width() {
    let alone = with_common_facts(0);
    for (fact, (mean, variance)) in with_common_facts(12).into_iter().enumerate() {
        assert!((mean - alone[fact].0).abs() < 0.05, "{mean} beside {}", alone[fact].0);
        assert!((variance / alone[fact].1 - 1.0).abs() < 0.1, "{variance} beside {}", alone[fact].1);
    }
    for ((mean, _), rate) in alone.into_iter().zip([0.2, 0.05]) {
        assert!((sigmoid(mean - 3.0) / rate - 1.0).abs() < 0.2, "{} for {rate}", sigmoid(mean - 3.0));
    }
}

/// With much evidence, the width is that of the whole matrix where facts are independent.
#[test]
fn the_width_is_that_of_two_independent_facts() {
    let mut model = Model::default();
    let block = Block::site(&Priors::default(), 0);
    for at in 0..4_000_u32 {
        let places = model.place_all(&[bias(), at % 2, 10 + at / 2 % 2]);
        model.update(-3.0, &[(block, &places)], f64::from(u8::from(at % 9 == 0)), 1.0);
    }
    let belief = model.belief(block, &[bias(), 0, 10]);
    let evidence: f64 = 4_000.0 * (1.0 / 9.0) * (8.0 / 9.0);
    // Bias and two centred facts of ±½: 1/E + 2·(¼ / (E/4)).
    let exact = 3.0 / evidence;
    assert!((belief.variance / exact - 1.0).abs() < 0.2, "{} for {exact}", belief.variance);
}

#[test]
fn faded_evidence_widens_the_belief() {
    let mut model = taught(&[(5, true); 50]);
    let before = model.belief(Block::site(&Priors::default(), 0), &[bias(), 5]);
    model.fade(&Priors::default(), 0, 0.5);
    let faded = model.belief(Block::site(&Priors::default(), 0), &[bias(), 5]);
    assert!(faded.variance > before.variance);
    assert!(faded.mean.abs() < before.mean.abs(), "what is forgotten goes back to the prior");
    model.fade(&Priors::default(), 0, 1e-9);
    assert!(model.blocks.is_empty());
}

#[test]
fn forgetting_in_many_steps_is_forgetting_in_one() {
    let answers: Vec<_> = (0..3_000).map(|at| (at % 3, at % 7 == 0)).collect();
    let (mut once, mut often) = (taught(&answers), taught(&answers));
    once.fade(&Priors::default(), 0, 0.25);
    (0..256).for_each(|_| often.fade(&Priors::default(), 0, libm::exp2(-2.0 / 256.0)));
    for fact in 0..3 {
        let [one, many] =
            [&once, &often].map(|model| model.belief(Block::site(&Priors::default(), 0), &[bias(), fact]));
        assert!((one.mean - many.mean).abs() < 0.01, "{one:?}, {many:?}");
        assert!((one.variance / many.variance - 1.0).abs() < 0.01, "{one:?}, {many:?}");
    }
}

proptest! {
    #[test]
    fn encoding_loses_nothing(answers in prop::collection::vec((any::<u32>(), any::<bool>()), 0..200)) {
        let model = taught(&answers);
        prop_assert_eq!(Model::decode(&model.encode()), Ok(model));
    }

    #[test]
    fn hostile_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..400), magic in any::<bool>()) {
        if magic {
            bytes.splice(0..0, *b"PMD3");
        }
        let _ = Model::decode(&bytes);
    }

    #[test]
    fn weights_stay_finite(answers in prop::collection::vec((0_u32..4, 0..2, -1.0..3.0_f64), 0..300)) {
        let mut model = Model::default();
        for (feature, y, w) in answers {
            let places = model.place_all(&[bias(), feature]);
            model.update(-3.0, &[(Block::site(&Priors::default(), 0), &places)], f64::from(y), w);
        }
        prop_assert!(Model::decode(&model.encode()).is_ok());
    }
}
