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
fn taking_back_a_negative_undoes_it() {
    let mut model = taught(&[(5, true), (5, false), (6, true)]);
    let before = model.clone();
    let places = model.place_all(&[bias(), 5]);
    let blocks: [(Block, &[usize]); 1] = [(Block::site(&Priors::default(), 0), &places)];
    model.update(-3.0, &blocks, 0.0, 1.0);
    model.update(-3.0, &blocks, 0.0, -1.0);
    let (now, then) = (model.belief(blocks[0].0, &[bias(), 5]), before.belief(blocks[0].0, &[bias(), 5]));
    assert!((now.mean - then.mean).abs() < 0.02 && (now.variance - then.variance).abs() < 0.02);
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
