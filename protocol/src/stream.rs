//! What a visitor's pages say of them: when they come, what they are after, how far they are, and what they left unfinished.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pages::Journey;

/// A pause after which a page view begins a new visit.
pub const VISIT_PAUSE_MS: u64 = 30 * 60 * 1_000;
/// A day.
const DAY_MS: f64 = 86_400_000.0;
/// Days after which a visit counts half towards how often somebody comes.
const FREQUENCY_HALF_LIFE_DAYS: f64 = 30.0;
/// Days after which what somebody was after counts half.
const INTENT_HALF_LIFE_DAYS: f64 = 7.0;
/// Topics that somebody may be after.
const MOST_WANTED: usize = 4;
/// What somebody has to have shown of it: two pages of research, or one of choosing.
const LEAST_INTENT: f64 = 3.5;
/// Forms that somebody may have left unfinished.
const MOST_BEGUN: usize = 3;
/// How long a form may rest before it counts as left unfinished.
const ABANDONED_AFTER_MS: u64 = 10 * 60 * 1_000;
/// Days after which nobody goes on where they left off.
const ABANDONED_DAYS: u64 = 30;
/// Length of a form's address, in bytes.
const PATH_BYTES: usize = 160;

/// The trace of somebody's page views, bounded so that it fits into a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// When the last page was seen, in milliseconds since 1970.
    seen_ms: u64,
    /// When the last page of the visit before this one was; 0 for none.
    before_ms: u64,
    /// Visits, each half as much for every half-life since, as of `seen_ms`.
    frequency: f32,
    /// Topics with what was shown of wanting them, as of `seen_ms`; the most wanted first.
    wanted: Vec<(String, f32)>,
    /// The furthest stage of the journey in this visit, as [`Journey`] counts them from 1; 0 for none.
    stage: u8,
    /// Forms that were begun and not finished, the latest last.
    begun: Vec<Unfinished>,
}

/// A page that is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageView {
    /// Its topic.
    pub topic: Option<String>,
    /// Where its visitors are on their way.
    pub stage: Option<Journey>,
    /// The form that it begins.
    pub begins: Option<String>,
    /// The form that is finished there.
    pub ends: Option<String>,
    /// Its path.
    pub path: String,
}

/// A form, or a cart, that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unfinished {
    /// What it is called.
    pub form: String,
    /// The path of its page.
    pub path: String,
    /// When it was last seen, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Stream {
    /// A page view.
    pub fn see(&mut self, view: &PageView, now_ms: u64) {
        let PageView { topic, stage, begins, ends, path } = view;
        let now_ms = now_ms.max(self.seen_ms);
        let days = (now_ms - self.seen_ms) as f64 / DAY_MS;
        let fade = |half_life: f64| libm::exp2(-days / half_life) as f32;
        if self.seen_ms == 0 || now_ms - self.seen_ms >= VISIT_PAUSE_MS {
            self.before_ms = self.seen_ms;
            self.frequency = self.frequency * fade(FREQUENCY_HALF_LIFE_DAYS) + 1.0;
            self.stage = 0;
        } else {
            self.frequency *= fade(FREQUENCY_HALF_LIFE_DAYS);
        }
        let fade = fade(INTENT_HALF_LIFE_DAYS);
        self.wanted.iter_mut().for_each(|(_, weight)| *weight *= fade);
        if let Some(topic) = topic {
            self.want(topic, shows(*stage));
        }
        self.stage = self.stage.max(stage.map_or(0, number));
        if let Some(form) = ends {
            self.begun.retain(|begun| begun.form != *form);
        }
        if let Some(form) = begins {
            self.begin(form, path, now_ms);
        }
        self.seen_ms = now_ms;
    }

    fn want(&mut self, topic: &str, weight: f32) {
        match self.wanted.iter_mut().find(|(known, _)| known == topic) {
            Some((_, known)) => *known += weight,
            None => {
                // The least wanted gives way.
                self.wanted.truncate(MOST_WANTED - 1);
                self.wanted.push((topic.to_owned(), weight));
            }
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.wanted.sort_by(|(left, of_left), (right, of_right)| of_right.total_cmp(of_left).then(left.cmp(right)));
        self.wanted.truncate(MOST_WANTED);
    }

    fn begin(&mut self, form: &str, path: &str, at_ms: u64) {
        let end =
            path.char_indices().map(|(at, letter)| at + letter.len_utf8()).take_while(|end| *end <= PATH_BYTES).last();
        let path = path.get(..end.unwrap_or(0)).unwrap_or_default().to_owned();
        self.begun.retain(|begun| begun.form != form);
        self.begun.push(Unfinished { form: form.to_owned(), path, at_ms });
        self.begun.drain(..self.begun.len().saturating_sub(MOST_BEGUN));
    }

    /// Full days between this visit and the one before; none in a first visit.
    #[must_use]
    pub fn days_away(&self, now_ms: u64) -> Option<u64> {
        // In a new visit, whose page is not seen yet, the last one seen is of the one before.
        let is_new = now_ms.saturating_sub(self.seen_ms) >= VISIT_PAUSE_MS;
        let (from, to) = if is_new { (self.seen_ms, now_ms) } else { (self.before_ms, self.seen_ms) };
        (from > 0).then(|| to.saturating_sub(from) / DAY_MS as u64)
    }

    /// How often they come: visits, each counting half after 30 days.
    #[must_use]
    pub fn frequency(&self, now_ms: u64) -> f64 {
        let days = now_ms.saturating_sub(self.seen_ms) as f64 / DAY_MS;
        f64::from(self.frequency) * libm::exp2(-days / FREQUENCY_HALF_LIFE_DAYS)
    }

    /// The topic that they are after, if they have shown enough of it.
    #[must_use]
    pub fn intent(&self, now_ms: u64) -> Option<&str> {
        let days = now_ms.saturating_sub(self.seen_ms) as f64 / DAY_MS;
        let (topic, weight) = self.wanted.first()?;
        (f64::from(*weight) * libm::exp2(-days / INTENT_HALF_LIFE_DAYS) >= LEAST_INTENT).then_some(topic)
    }

    /// The furthest stage of the journey in this visit.
    #[must_use]
    pub fn stage(&self) -> Option<Journey> {
        Journey::ALL.into_iter().find(|stage| number(*stage) == self.stage)
    }

    /// What they began and left, the latest last.
    pub fn abandoned(&self, now_ms: u64) -> impl Iterator<Item = &Unfinished> {
        let age_ms = move |begun: &&Unfinished| now_ms.saturating_sub(begun.at_ms);
        let ages = ABANDONED_AFTER_MS..ABANDONED_DAYS * DAY_MS as u64;
        self.begun.iter().filter(move |begun| ages.contains(&age_ms(begun)))
    }

    /// What they began and did not finish, the latest last, however lately.
    #[must_use]
    pub fn unfinished(&self) -> &[Unfinished] {
        &self.begun
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen_ms == 0
    }

    /// Adds what was seen under another name.
    pub fn add(&mut self, other: &Self) {
        let latest_ms = self.seen_ms.max(other.seen_ms);
        let fade =
            |of: &Self, half_life: f64| libm::exp2(-((latest_ms - of.seen_ms) as f64) / DAY_MS / half_life) as f32;
        let (mine, theirs) = (fade(self, FREQUENCY_HALF_LIFE_DAYS), fade(other, FREQUENCY_HALF_LIFE_DAYS));
        self.frequency = self.frequency * mine + other.frequency * theirs;
        let (mine, theirs) = (fade(self, INTENT_HALF_LIFE_DAYS), fade(other, INTENT_HALF_LIFE_DAYS));
        self.wanted.iter_mut().for_each(|(_, weight)| *weight *= mine);
        for (topic, weight) in &other.wanted {
            match self.wanted.iter_mut().find(|(known, _)| known == topic) {
                Some((_, known)) => *known += weight * theirs,
                None => self.wanted.push((topic.clone(), weight * theirs)),
            }
        }
        self.sort();
        for begun in &other.begun {
            match self.begun.iter_mut().find(|known| known.form == begun.form) {
                Some(known) if known.at_ms < begun.at_ms => known.clone_from(begun),
                Some(_) => {}
                None => self.begun.push(begun.clone()),
            }
        }
        self.begun.sort_by(|left, right| (left.at_ms, &left.form).cmp(&(right.at_ms, &right.form)));
        self.begun.drain(..self.begun.len().saturating_sub(MOST_BEGUN));
        let (latest, earlier) = if self.seen_ms >= other.seen_ms { (&*self, other) } else { (other, &*self) };
        // What was seen elsewhere in the course of the latest visit is part of it.
        let is_apart = earlier.seen_ms + VISIT_PAUSE_MS <= latest.seen_ms;
        let before_ms = latest.before_ms.max(if is_apart { earlier.seen_ms } else { earlier.before_ms });
        (self.stage, self.before_ms, self.seen_ms) = (latest.stage, before_ms, latest_ms);
    }

    /// Forgets what is least needed, for what does not fit into a token. False where nothing is left.
    pub fn forget_half(&mut self) -> bool {
        let most = self.wanted.len() / 2;
        self.wanted.truncate(most);
        self.begun.drain(..self.begun.len().div_ceil(2));
        !self.wanted.is_empty() || !self.begun.is_empty()
    }
}

fn number(stage: Journey) -> u8 {
    Journey::ALL.iter().position(|known| *known == stage).map_or(0, |at| at as u8 + 1)
}

/// What a page shows of wanting its topic: who chooses is nearer to it than who reads, and who has it wants it no more.
fn shows(stage: Option<Journey>) -> f32 {
    match stage {
        Some(Journey::Use | Journey::Support) => 0.0,
        None | Some(Journey::Need) => 1.0,
        Some(Journey::Research) => 2.0,
        Some(Journey::Choose) => 4.0,
        Some(Journey::Buy) => 8.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000;
    const DAY: u64 = 86_400_000;
    const MINUTE: u64 = 60_000;

    fn view(topic: Option<&str>, stage: Option<Journey>) -> PageView {
        PageView { topic: topic.map(str::to_owned), stage, path: "/".to_owned(), ..PageView::default() }
    }

    fn begins(form: &str, path: &str) -> PageView {
        PageView { begins: Some(form.to_owned()), path: path.to_owned(), ..PageView::default() }
    }

    #[test]
    fn visits_are_told_apart_and_fade() {
        let mut stream = Stream::default();
        assert_eq!((stream.days_away(START), stream.frequency(START)), (None, 0.0));
        stream.see(&view(None, None), START);
        stream.see(&view(None, None), START + 10 * MINUTE);
        assert_eq!((stream.days_away(START + 20 * MINUTE), stream.frequency(START + 10 * MINUTE).round()), (None, 1.0));
        assert_eq!(stream.days_away(START + 3 * DAY), Some(2), "not quite three days after the last page");
        stream.see(&view(None, None), START + 30 * DAY + 10 * MINUTE);
        assert_eq!(stream.days_away(START + 30 * DAY + 11 * MINUTE), Some(30));
        let frequency = stream.frequency(START + 30 * DAY + 10 * MINUTE);
        assert!((frequency - 1.5).abs() < 1e-3, "{frequency}");
        // A clock that went back changes nothing of what was.
        stream.see(&view(None, None), START);
        assert!((stream.frequency(START + 30 * DAY + 10 * MINUTE) - frequency).abs() < 1e-6);
    }

    #[test]
    fn intent_is_what_was_wanted_most_lately() {
        let mut stream = Stream::default();
        stream.see(&view(Some("cards"), Some(Journey::Research)), START);
        assert_eq!(stream.intent(START), None, "one page is no intent");
        stream.see(&view(Some("cards"), Some(Journey::Research)), START + MINUTE);
        assert_eq!(stream.intent(START + MINUTE), Some("cards"));
        stream.see(&view(Some("loans"), Some(Journey::Buy)), START + 2 * MINUTE);
        assert_eq!((stream.intent(START + 2 * MINUTE), stream.stage()), (Some("loans"), Some(Journey::Buy)));
        for at in 0..20 {
            stream.see(&view(Some("help"), Some(Journey::Support)), START + (3 + at) * MINUTE);
        }
        assert_eq!(stream.intent(START + 40 * MINUTE), Some("loans"), "help is not wanted for itself");
        assert_eq!(stream.intent(START + 30 * DAY), None);
        for topic in ["a", "b", "c", "d", "e"] {
            stream.see(&view(Some(topic), None), START + 60 * MINUTE);
        }
        assert_eq!((stream.wanted.len(), stream.intent(START + 60 * MINUTE)), (MOST_WANTED, Some("loans")));
    }

    #[test]
    fn what_was_begun_and_left_can_be_taken_up_again() {
        let mut stream = Stream::default();
        let names =
            |stream: &Stream, now_ms| stream.abandoned(now_ms).map(|left| left.form.clone()).collect::<Vec<_>>();
        stream.see(&begins("mortgage", "/mortgages/apply"), START);
        assert!(names(&stream, START + 9 * MINUTE).is_empty(), "perhaps they are still at it");
        assert_eq!(names(&stream, START + 10 * MINUTE), ["mortgage"]);
        assert!(names(&stream, START + 30 * DAY).is_empty());
        stream.see(&begins("card", &"/é".repeat(200)), START + MINUTE);
        assert_eq!(
            (stream.unfinished()[0].path.as_str(), stream.unfinished()[1].path.len()),
            ("/mortgages/apply", 160)
        );
        stream.see(&PageView { ends: Some("mortgage".to_owned()), ..PageView::default() }, START + 2 * MINUTE);
        assert_eq!(names(&stream, START + DAY), ["card"]);
    }

    #[test]
    fn streams_add_up_whichever_comes_first() {
        let (mut phone, mut desk) = (Stream::default(), Stream::default());
        phone.see(&view(Some("cards"), Some(Journey::Choose)), START);
        phone.see(&view(Some("cards"), Some(Journey::Choose)), START + 20 * DAY);
        desk.see(&view(Some("loans"), Some(Journey::Research)), START + 15 * DAY);
        desk.see(&PageView { topic: Some("cards".to_owned()), ..begins("cart", "/cart") }, START + 15 * DAY);
        let sum = |left: &Stream, right: &Stream| {
            let mut sum = left.clone();
            sum.add(right);
            sum
        };
        let both = sum(&phone, &desk);
        assert_eq!(both, sum(&desk, &phone));
        assert_eq!((both.days_away(START + 20 * DAY), both.intent(START + 20 * DAY)), (Some(5), Some("cards")));
        assert_eq!(both.unfinished().len(), 1);
    }
}
