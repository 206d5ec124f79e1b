//! The results as Markdown tables, and run by run as CSV.

use serde_json::{Value, json};

use crate::engine::{CHANGE_KEEPS, DECISION_MS, HALF_LIFE};
use crate::experiments::{ARRIVING, CHANGED, EQUAL_WORLDS, Equal, HOLD_OUT, Learner, Plan, Results, Speed};
use crate::lift::Estimate;
use crate::stream::{Course, LAG};
use crate::world::{BASE_RATE, Family, GROUPS, OFFERS};

/// All tables.
pub(crate) fn text(plan: &Plan<'_>, results: &Results) -> String {
    let mut text = format!(
        "Visitors: {}. {OFFERS} offers in {GROUPS} groups, base rate {} %, learner behind by {LAG} decisions, a decision \
         every {} s, {} seeds. Lift captured: (chosen − uniform) / (best − uniform) in true values; ± is one standard \
         error over seeds; intervals are paired, by Student's t.\n",
        plan.table.origin,
        BASE_RATE * 100.0,
        DECISION_MS as f64 / 1_000.0,
        plan.seeds.len(),
    );
    asked(&mut text, &figures(plan, results));
    let view = View { plan, results };
    view.stationary(&mut text);
    view.change(&mut text);
    view.arrivals(&mut text);
    view.delayed(&mut text);
    if !results.equal.is_empty() {
        plan.lengths(Course::Equal).into_iter().for_each(|decisions| equal(&mut text, &results.equal, decisions));
    }
    if let Some(speed) = &results.speed {
        speeds(&mut text, speed);
    }
    text
}

/// A line for each run and each of its lifts.
pub(crate) fn runs(results: &Results) -> String {
    let mut text = "course,decisions,family,seed,learner,measure,lift\n".to_owned();
    for run in &results.runs {
        for (measure, lift) in run.lifts.iter().enumerate() {
            let (family, learner) = (run.family.name(), run.learner.name().replace(", ", " "));
            line(
                &mut text,
                &format!("{:?},{},{family},{},{learner},{measure},{lift:.5}", run.course, run.decisions, run.seed),
            );
        }
    }
    text
}

/// A figure of the results, and what is asked of it.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    target: Option<Target>,
}

#[derive(Clone, Copy)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    fn holds(&self) -> Option<bool> {
        self.target.map(|target| match target {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
        })
    }

    fn target(&self) -> Option<String> {
        self.target.map(|target| match target {
            Target::AtLeast(least) => format!("≥ {least}"),
            Target::AtMost(most) => format!("≤ {most}"),
        })
    }
}

/// For machines: `{"rows":[{"name","value","unit","target","holds"}]}`.
pub(crate) fn rows(plan: &Plan<'_>, results: &Results) -> String {
    let row = |figure: Figure| {
        json!({
            "name": figure.name, "value": figure.value, "unit": figure.unit, "target": figure.target(), "holds": figure.holds(),
        })
    };
    json!({ "rows": figures(plan, results).into_iter().map(row).collect::<Vec<Value>>() }).to_string()
}

/// For people: those of which something is asked.
fn asked(text: &mut String, figures: &[Figure]) {
    line(text, "\n| asked | measured | target | |\n|---|---|---|---|");
    for figure in figures {
        if let (Some(target), Some(holds)) = (figure.target(), figure.holds()) {
            let verdict = if holds { "holds" } else { "**missed**" };
            line(text, &format!("| {} | {:.3} {} | {target} | {verdict} |", figure.name, figure.value, figure.unit));
        }
    }
}

/// What the results come to. What is asked after a change and of arrivals is asked of the longest stream, and of a change of
/// most offers: `docs/decisions/014-what-a-change-is-judged-by.md`.
fn figures(plan: &Plan<'_>, results: &Results) -> Vec<Figure> {
    let view = View { plan, results };
    let mut figures = Vec::new();
    let mut add = |name: &str, value: f64, least: Option<f64>| {
        let target = least.map(Target::AtLeast);
        figures.push(Figure { name: name.to_owned(), value, unit: "of the possible lift", target });
    };
    let longest = |course, decisions| plan.lengths(course).last() == Some(&decisions);
    for (measure, mark) in plan.marks().into_iter().enumerate() {
        let ours = view.lifts(view.short(Course::Stationary), Learner::Ours, None, measure);
        let theirs = view.lifts(view.short(Course::Stationary), Learner::VowpalWabbit, None, measure);
        if ours.is_empty() {
            break;
        }
        let least = [(50_000, 0.55), (200_000, 0.69)].into_iter().find(|(at, _)| *at == mark).map(|(_, least)| least);
        add(&format!("lift captured at {mark} decisions"), Estimate::of(&ours).mean, least);
        if ours.len() == theirs.len() {
            let lead = difference(&ours, &theirs);
            let asked = mark == 50_000;
            add(&format!("lead over Vowpal Wabbit at {mark} decisions"), lead.mean, asked.then_some(0.03));
            let name = format!("lower 95 % bound of the lead at {mark} decisions");
            add(&name, lead.interval().0, asked.then_some(0.0));
        }
    }
    for (decisions, offers) in view.over_lengths(CHANGED, Course::Change) {
        let of = |learner| view.lifts((Course::Change(offers), decisions), learner, None, 0);
        let (without, with) = (of(Learner::Ours), of(Learner::OursForgetting));
        if with.is_empty() {
            break;
        }
        let when = format!("after {offers} of {OFFERS} offers changed, last quarter of {decisions} decisions");
        let asked = offers > OFFERS / 2 && longest(Course::Change(offers), decisions);
        add(&when, Estimate::of(&with).mean, asked.then_some(0.48));
        let name = format!("{when}: lead over never forgetting");
        add(&name, difference(&with, &without).mean, asked.then_some(0.06));
    }
    for (decisions, of_each) in view.over_lengths(ARRIVING, Course::Arrivals) {
        let ours = view.lifts((Course::Arrivals(of_each), decisions), Learner::Ours, None, 0);
        if ours.is_empty() {
            break;
        }
        let asked = of_each > 0 && longest(Course::Arrivals(of_each), decisions);
        let name = match of_each {
            0 => format!("the tenth after half of {decisions} decisions, no offer being new"),
            _ => {
                format!("the tenth after half of {decisions} decisions, when {of_each} of each group's offers arrived")
            }
        };
        add(&name, Estimate::of(&ours).mean, asked.then_some(0.57));
    }
    let delayed = |course| view.lifts(view.short(course), Learner::Ours, None, 0);
    let (late, at_once) = (delayed(Course::Delayed), delayed(Course::DelayedKnownAtOnce));
    if !late.is_empty() {
        let ratio = Estimate::of_ratio(&late, &at_once).mean;
        add("delayed two-stage outcomes ÷ the same known at once", ratio, Some(0.95));
    }
    if !results.equal.is_empty() {
        let claims = results.equal.iter().filter(|run| run.sequence).count() as f64 / results.equal.len() as f64;
        figures.push(Figure {
            name: "A/A worlds with a false claim of lift, looked at continuously".to_owned(),
            value: claims,
            unit: "of runs",
            target: Some(Target::AtMost(0.05)),
        });
    }
    figures
}

struct View<'a> {
    plan: &'a Plan<'a>,
    results: &'a Results,
}

impl View<'_> {
    /// A course with the first of its lengths.
    fn short(&self, course: Course) -> (Course, usize) {
        (course, self.plan.lengths(course).first().copied().unwrap_or_default())
    }

    /// Each size of a course with each of its lengths: (decisions, size).
    fn over_lengths<const N: usize>(&self, sizes: [usize; N], course: fn(usize) -> Course) -> Vec<(usize, usize)> {
        let lengths = self.plan.lengths(course(OFFERS));
        lengths.into_iter().flat_map(|decisions| sizes.map(|size| (decisions, size))).collect()
    }

    /// One lift by seed: of a family, or the mean of all families. Empty where it was not run.
    fn lifts(
        &self,
        (course, decisions): (Course, usize),
        learner: Learner,
        family: Option<Family>,
        measure: usize,
    ) -> Vec<f64> {
        let of_seed = |seed: &u64| {
            let lifts: Vec<f64> = self
                .results
                .runs
                .iter()
                .filter(|run| run.course == course && run.decisions == decisions)
                .filter(|run| run.learner == learner && run.seed == *seed)
                .filter(|run| family.is_none_or(|family| run.family == family))
                .filter_map(|run| run.lifts.get(measure).copied())
                .collect();
            (!lifts.is_empty()).then(|| lifts.iter().sum::<f64>() / lifts.len() as f64)
        };
        self.plan.seeds.iter().filter_map(of_seed).collect()
    }

    fn families(&self) -> impl Iterator<Item = (&'static str, Option<Family>)> {
        self.plan.families.iter().map(|family| (family.name(), Some(*family))).chain([("**mean**", None)])
    }

    fn stationary(&self, text: &mut String) {
        let marks = self.plan.marks();
        let lifts = |learner, family, measure| self.lifts(self.short(Course::Stationary), learner, family, measure);
        if lifts(Learner::Ours, None, 0).is_empty() {
            return;
        }
        if self.plan.rival.is_some() {
            line(text, &format!("\nVowpal Wabbit: `--cb_explore_adf {}`.", self.plan.setting));
        }
        line(
            text,
            "\n| stationary | decisions | ours | Vowpal Wabbit | lead | 95 % | ours, all so far | Vowpal Wabbit, all so far | naive Bayes | best single offer |",
        );
        line(text, "|---|---|---|---|---|---|---|---|---|---|");
        for (at, mark) in marks.iter().enumerate() {
            for (name, family) in self.families() {
                let (last, so_far) = (at, marks.len() + at);
                let ours = lifts(Learner::Ours, family, last);
                let theirs = lifts(Learner::VowpalWabbit, family, last);
                let (lead, interval) = lead(&ours, &theirs);
                line(
                    text,
                    &format!(
                        "| {name} | {mark} | {} | {} | {lead} | {interval} | {} | {} | {} | {} |",
                        estimate(&ours),
                        estimate(&theirs),
                        estimate(&lifts(Learner::Ours, family, so_far)),
                        estimate(&lifts(Learner::VowpalWabbit, family, so_far)),
                        estimate(&lifts(Learner::NaiveBayes, family, last)),
                        estimate(&lifts(Learner::WithoutContext, family, 0)),
                    ),
                );
            }
        }
    }

    fn change(&self, text: &mut String) {
        let lifts = |course, learner, family| self.lifts(course, learner, family, 0);
        if lifts(self.short(Course::Change(OFFERS)), Learner::Ours, None).is_empty() {
            return;
        }
        line(
            text,
            &format!(
                "\nAbrupt change at half time, lift in the last quarter. Forgetting: half-life \
                 {HALF_LIFE} decisions, and where the answers of all offers or of one fall to half of their promise, {:.0} % of the evidence is kept.\n",
                CHANGE_KEEPS * 100.0
            ),
        );
        line(
            text,
            "| change | decisions | offers changed | never forgetting | forgetting | lead | 95 % | naive Bayes, forgetting |",
        );
        line(text, "|---|---|---|---|---|---|---|---|");
        for (decisions, offers) in self.over_lengths(CHANGED, Course::Change) {
            let course = (Course::Change(offers), decisions);
            for (name, family) in self.families() {
                let without = lifts(course, Learner::Ours, family);
                let with = lifts(course, Learner::OursForgetting, family);
                let (lead, interval) = lead(&with, &without);
                let (without, with) = (estimate(&without), estimate(&with));
                let bayes = estimate(&lifts(course, Learner::NaiveBayesForgetting, family));
                line(
                    text,
                    &format!(
                        "| {name} | {decisions} | {offers} | {without} | {with} | {lead} | {interval} | {bayes} |"
                    ),
                );
            }
        }
    }

    fn arrivals(&self, text: &mut String) {
        let lifts = |of_each, decisions, learner, family| {
            self.lifts((Course::Arrivals(of_each), decisions), learner, family, 0)
        };
        let runs = self.over_lengths(ARRIVING, Course::Arrivals);
        if runs.iter().all(|(decisions, of_each)| lifts(*of_each, *decisions, Learner::Ours, None).is_empty()) {
            return;
        }
        line(
            text,
            "\nOffers arrive at half time; lift in the tenth after. The same offers there from the start are what it would \
             be if nothing new had to be learned.\n",
        );
        line(
            text,
            "| arrivals | decisions | offers of each group | ours | there from the start | ratio | naive Bayes |",
        );
        line(text, "|---|---|---|---|---|---|---|");
        for (decisions, of_each) in runs.into_iter().filter(|(_, of_each)| *of_each > 0) {
            for (name, family) in self.families() {
                let ours = lifts(of_each, decisions, Learner::Ours, family);
                let start = lifts(0, decisions, Learner::Ours, family);
                let ratio = shown(Estimate::of_ratio(&ours, &start));
                let bayes = estimate(&lifts(of_each, decisions, Learner::NaiveBayes, family));
                let (ours, start) = (estimate(&ours), estimate(&start));
                line(text, &format!("| {name} | {decisions} | {of_each} | {ours} | {start} | {ratio} | {bayes} |"));
            }
        }
    }

    fn delayed(&self, text: &mut String) {
        let lifts = |course, family, measure| self.lifts(self.short(course), Learner::Ours, family, measure);
        if lifts(Course::Delayed, None, 0).is_empty() {
            return;
        }
        let (_, decisions) = self.short(Course::Delayed);
        line(text, &format!("\nClicks soon and purchases late, {decisions} decisions; only a purchase has value.\n"));
        line(
            text,
            "| delayed | last tenth | all so far | known at once | as one stage at once | ratio to known at once | ratio to one stage at once |",
        );
        line(text, "|---|---|---|---|---|---|---|");
        for (name, family) in self.families() {
            let delayed = lifts(Course::Delayed, family, 0);
            let at_once = lifts(Course::DelayedKnownAtOnce, family, 0);
            let one_stage = lifts(Course::DelayedAsOneStage, family, 0);
            line(
                text,
                &format!(
                    "| {name} | {} | {} | {} | {} | {} | {} |",
                    estimate(&delayed),
                    estimate(&lifts(Course::Delayed, family, 1)),
                    estimate(&at_once),
                    estimate(&one_stage),
                    shown(Estimate::of_ratio(&delayed, &at_once)),
                    shown(Estimate::of_ratio(&delayed, &one_stage)),
                ),
            );
        }
    }
}

fn equal(text: &mut String, runs: &[Equal], decisions: usize) {
    let share = |of: fn(&Equal) -> bool| 100.0 * runs.iter().filter(|run| of(run)).count() as f64 / runs.len() as f64;
    let favourites: Vec<f64> = runs.iter().map(|run| run.favourite_share).collect();
    line(
        text,
        &format!(
            "\nNo offer is better than another: {} runs ({EQUAL_WORLDS} for each seed) of {decisions} decisions, hold-out \
             {} %. What a one-sided z-test at 5 % between arms would falsely claim, and what the engine does:\n",
            runs.len(),
            HOLD_OUT * 100.0
        ),
    );
    line(text, "| A/A | runs with a false claim |\n|---|---|");
    line(
        text,
        &format!("| the model beats the hold-out, one look at the end | {:.0} % |", share(|run| run.at_the_end)),
    );
    line(text, &format!("| the same, a look after each {LAG} decisions | {:.0} % |", share(|run| run.ever)));
    line(
        text,
        &format!("| **the engine's confidence sequence, at all these looks** | {:.0} % |", share(|run| run.sequence)),
    );
    line(
        text,
        &format!("| the model's favourite beats its other offers, one look | {:.0} % |", share(|run| run.favourite)),
    );
    line(
        text,
        &format!("\nThe favourite gets {} of what the model shows; 1/{OFFERS} would be even.", estimate(&favourites)),
    );
}

fn speeds(text: &mut String, speed: &Speed) {
    let decisions = speed.decisions as f64;
    let (deciding, learning) = (speed.ours.deciding.as_secs_f64(), speed.ours.learning.as_secs_f64());
    line(text, "\n| decisions a second, one thread | deciding | deciding and learning |\n|---|---|---|");
    let row = |deciding: f64, learning: f64| {
        format!("{:.0} | {:.0} |", decisions / deciding, decisions / (deciding + learning))
    };
    line(text, &format!("| ours, from facts | {}", row(deciding, learning)));
    if let Some(times) = speed.rival {
        line(text, &format!("| Vowpal Wabbit, examples parsed before | {}", row(times.deciding_s, times.learning_s)));
        line(text, &format!("| Vowpal Wabbit, from text | {:.0} | |", times.parsing_per_second));
    }
}

/// The paired lead of the left over the right, and its interval.
fn lead(left: &[f64], right: &[f64]) -> (String, String) {
    if left.len() != right.len() || left.is_empty() {
        return ("–".to_owned(), "–".to_owned());
    }
    let lead = difference(left, right);
    let (low, high) = lead.interval();
    (format!("{:+.3} ± {:.3}", lead.mean, lead.error), format!("{low:+.3} to {high:+.3}"))
}

fn difference(left: &[f64], right: &[f64]) -> Estimate {
    Estimate::of(&left.iter().zip(right).map(|(left, right)| left - right).collect::<Vec<_>>())
}

fn estimate(values: &[f64]) -> String {
    if values.is_empty() { "–".to_owned() } else { shown(Estimate::of(values)) }
}

fn shown(estimate: Estimate) -> String {
    format!("{:.3} ± {:.3}", estimate.mean, estimate.error)
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
