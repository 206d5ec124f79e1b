//! Simulated visitors of a hold-out comparison, and the two sequences that were not chosen, for comparing.

use portico_engine::Arm;
use portico_engine::evaluate::{Finding, Level, Lift, Range};

use crate::chance::Chance;

/// A world in which every visitor clicks or not.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) model_share: f64,
    pub(crate) model_rate: f64,
    pub(crate) control_rate: f64,
    pub(crate) visitors: u64,
}

pub(crate) fn level() -> Level {
    Level::new(0.05).unwrap()
}

pub(crate) fn lift(model_share: f64, high: f64) -> Lift {
    Lift::new(model_share, Range::new(0.0, high).unwrap(), level()).unwrap()
}

impl World {
    /// Calls with (number, arm, clicked) for each visitor until told to stop.
    pub(crate) fn each(self, run: u64, mut visitor: impl FnMut(u64, Arm, bool) -> bool) {
        let mut chance = Chance(run.wrapping_mul(0x5851_F42D_4C95_7F2D));
        for number in 1..=self.visitors {
            let arm = if chance.happens(self.model_share) { Arm::Model } else { Arm::Control };
            let rate = if arm == Arm::Model { self.model_rate } else { self.control_rate };
            if visitor(number, arm, chance.happens(rate)) {
                return;
            }
        }
    }

    /// The first visitor after whom anything is claimed, and what. Looked at after every click: a visitor without one
    /// changes no finding.
    pub(crate) fn first_finding(self, run: u64) -> Option<(u64, Finding)> {
        let (mut lift, mut first) = (lift(self.model_share, 1.0), None);
        self.each(run, |number, arm, clicked| {
            lift.observe(arm, f64::from(u8::from(clicked))).unwrap();
            let finding = if clicked { lift.finding() } else { Finding::Open };
            first = (finding != Finding::Open).then_some((number, finding));
            first.is_some()
        });
        first
    }

    /// The same by the predictable plug-in empirical-Bernstein sequence (Waudby-Smith & Ramdas 2022, theorem 2).
    pub(crate) fn first_of_plug_in(self, run: u64) -> Option<u64> {
        let (most_negative, most_positive) = (1.0 / (1.0 - self.model_share), 1.0 / self.model_share);
        let width = most_negative + most_positive;
        let no_lift = most_negative / width;
        let log_threshold = (2.0_f64 / 0.05).ln();
        let (mut sum, mut squares, mut bets, mut weighed, mut price) = (0.5, 0.25, 0.0, 0.0, 0.0);
        let mut first = None;
        self.each(run, |number, arm, clicked| {
            let reward = f64::from(u8::from(clicked));
            let difference = if arm == Arm::Model { reward * most_positive } else { -reward * most_negative };
            let observation = (difference + most_negative) / width;
            let count = number as f64;
            let (mean, variance) = (sum / count, squares / count);
            let bet = (2.0 * log_threshold / (variance * count * (count + 1.0).ln())).sqrt().min(0.5);
            bets += bet;
            weighed += bet * observation;
            price += (observation - mean).powi(2) * (-(-bet).ln_1p() - bet);
            sum += observation;
            squares += (observation - sum / (count + 1.0)).powi(2);
            let reach = (log_threshold + price) / bets;
            first = ((weighed / bets - no_lift).abs() > reach).then_some(number);
            first.is_some()
        });
        first
    }

    /// The same by an asymptotic sequence (Waudby-Smith et al. 2024, theorem 2.2), tuned for 10,000 visitors, not looked
    /// at before both arms have `burn_in` clicks.
    pub(crate) fn first_of_asymptotic(self, run: u64, burn_in: f64) -> Option<u64> {
        const TUNED_FOR: f64 = 10_000.0;
        let log_level = 0.05_f64.ln();
        let per_visitor = (-2.0 * log_level + (1.0 - 2.0 * log_level).ln()) / TUNED_FOR;
        // Visitors and clicks of the model's arm and of the hold-out.
        let mut seen = [[0.0; 2]; 2];
        let mut first = None;
        self.each(run, |number, arm, clicked| {
            let [visitors, clicks] = &mut seen[usize::from(arm == Arm::Control)];
            *visitors += 1.0;
            *clicks += f64::from(u8::from(clicked));
            if seen.iter().any(|[visitors, clicks]| *clicks < burn_in || *visitors < 1.0) {
                return false;
            }
            let count = number as f64;
            let [model, control] = seen.map(|[visitors, clicks]| clicks / visitors);
            let variance: f64 = seen.iter().map(|[n, k]| (k / n) * (1.0 - k / n) * count / n).sum();
            let grown = count * per_visitor + 1.0;
            let reach = (variance * 2.0 * grown / (count * (grown - 1.0)) * (grown.ln() / 2.0 - log_level)).sqrt();
            first = ((model - control).abs() > reach).then_some(number);
            first.is_some()
        });
        first
    }
}

/// The number within which a share of all runs came to a claim; none when fewer did.
pub(crate) fn within(mut firsts: Vec<Option<u64>>, share: f64) -> Option<u64> {
    firsts.sort_by_key(|first| first.unwrap_or(u64::MAX));
    let needed = (share * firsts.len() as f64).ceil() as usize;
    firsts.get(needed - 1).copied().flatten()
}
