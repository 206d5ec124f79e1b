//! `PagesObject`, one per site: which of its pages are about what, and what those are about that nobody says it of.
//!
//! Pages that say their topic, or of which the site's table says it, teach what words stand for: a multinomial naive Bayes
//! classifier (Manning, Raghavan & Schütze, *Introduction to Information Retrieval*, 2008, 13.2) over the words of paths and titles, each
//! page counting once however often it is seen. It reads the other pages, and edges have its readings with the answers to what
//! they report. Pages are a few thousand, so all of it is worked out anew, at most every ten seconds.
//!
//! Only pages that were seen by people who are not known are reported, without query, and with `*` for what looks like a
//! number of somebody's: nothing here is about anybody.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use portico_protocol::report::{PageReport, PagesReport, ReadBy, TopicReport};
use serde::{Deserialize, Serialize};
use worker::{Env, State};

use super::sql::{Database, Sql, number};
use super::{Call, Object, answer, object};
use crate::error::Failure;
use crate::http::now_ms;

const SCHEMA: [&str; 1] =
    ["CREATE TABLE IF NOT EXISTS pages (path TEXT PRIMARY KEY, title TEXT NOT NULL, views INTEGER NOT NULL, \
     seen INTEGER NOT NULL, topic TEXT NOT NULL, read_by TEXT NOT NULL) WITHOUT ROWID"];

/// Pages that are known of a site.
const MOST_PAGES: usize = 5_000;
/// Pages in a report.
const REPORTED: usize = 200;
/// How long readings stand before they are worked out anew.
const READ_EVERY_MS: u64 = 10_000;
/// Pages that must have been told before others are read.
const LEAST_TOLD: usize = 5;
/// Words of a page that told ones must have.
const LEAST_WORDS: usize = 2;
/// How sure a reading has to be.
const LEAST_CONFIDENCE: f64 = 0.8;

/// Pages that were seen.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Looked {
    pub(crate) pages: Vec<Page>,
    /// The version of the readings that is there already.
    pub(crate) have: u64,
}

/// A page that was seen so often since it was last reported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) views: u64,
    /// Its topic, where the page or the site's table says it.
    pub(crate) topic: Option<(String, ReadBy)>,
}

impl Call for Looked {
    const BINDING: &'static str = "PAGES";
    const PATH: &'static str = "/looked";
    /// Readings that are newer.
    type Answer = Option<Readings>;
}

/// What pages are about that do not say it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Readings {
    pub(crate) version: u64,
    /// Topics by path.
    pub(crate) topics: BTreeMap<String, String>,
}

/// A report of all this.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReportPages {}

impl Call for ReportPages {
    const BINDING: &'static str = "PAGES";
    const PATH: &'static str = "/report";
    type Answer = PagesReport;
}

/// A site's pages.
pub(crate) struct PagesObject {
    state: State,
    database: Database,
    read: RefCell<Option<Read>>,
}

/// The readings as they were last worked out.
struct Read {
    readings: Readings,
    /// How sure each is, by path.
    sure: BTreeMap<String, f64>,
    at_ms: u64,
}

object!(PagesObject);

impl Object for PagesObject {
    fn new(state: State, _: Env) -> Self {
        Self { state, database: Database::default(), read: RefCell::default() }
    }

    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure> {
        match path {
            Looked::PATH => answer(question, async |call: Looked| self.looked(&call)).await,
            ReportPages::PATH => answer(question, async |_: ReportPages| self.report()).await,
            _ => Err(Failure::Internal("no such operation")),
        }
    }
}

impl PagesObject {
    fn sql(&self) -> Result<&Sql, Failure> {
        self.database.get(&self.state, &SCHEMA)
    }

    fn looked(&self, call: &Looked) -> Result<Option<Readings>, Failure> {
        let now_ms = now_ms();
        let sql = self.sql()?;
        for Page { path, title, views, topic } in &call.pages {
            let (topic, by) = topic.as_ref().map_or(("", ReadBy::Nobody), |(topic, by)| (topic, *by));
            let write = "INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET title = excluded.title, \
                         views = views + excluded.views, seen = excluded.seen, topic = excluded.topic, read_by = excluded.read_by";
            let by = serde_json::to_string(&by)?;
            let values = vec![
                path.as_str().into(),
                title.as_str().into(),
                number(*views),
                number(now_ms),
                topic.into(),
                by.into(),
            ];
            sql.run(write, values)?;
        }
        let beyond =
            "DELETE FROM pages WHERE path IN (SELECT path FROM pages ORDER BY seen DESC, views DESC LIMIT -1 OFFSET ?)";
        sql.run(beyond, vec![number(MOST_PAGES as u64)])?;
        self.with_readings(now_ms, |readings, _| (readings.version > call.have).then(|| readings.clone()))
    }

    fn with_readings<T>(
        &self,
        now_ms: u64,
        act: impl FnOnce(&Readings, &BTreeMap<String, f64>) -> T,
    ) -> Result<T, Failure> {
        let is_old = self.read.borrow().as_ref().is_none_or(|read| now_ms - read.at_ms >= READ_EVERY_MS);
        if is_old {
            let known = self.known()?;
            let read = read(&known);
            let mut kept = self.read.borrow_mut();
            let topics: BTreeMap<String, String> =
                read.iter().map(|(path, (topic, _))| (path.clone(), topic.clone())).collect();
            let unchanged = kept.as_ref().filter(|kept| kept.readings.topics == topics);
            // Versions are times, so that they grow over the object's lives.
            let version = unchanged.map_or(now_ms, |kept| kept.readings.version);
            let sure = read.into_iter().map(|(path, (_, sure))| (path, sure)).collect();
            *kept = Some(Read { readings: Readings { version, topics }, sure, at_ms: now_ms });
        }
        match self.read.borrow().as_ref() {
            Some(read) => Ok(act(&read.readings, &read.sure)),
            None => Err(Failure::Internal("no readings")),
        }
    }

    fn known(&self) -> Result<Vec<PageReport>, Failure> {
        let rows = self
            .sql()?
            .rows("SELECT path, title, views, topic, read_by FROM pages ORDER BY views DESC, path", Vec::new())?;
        let page = |mut row: super::sql::Row| {
            let (path, title, views, topic) = (row.text()?, row.text()?, row.number()?, row.text()?);
            let topic = (!topic.is_empty()).then_some(topic);
            Ok(PageReport { path, title, views, topic, by: serde_json::from_str(&row.text()?)?, confidence: None })
        };
        rows.into_iter().map(page).collect()
    }

    fn report(&self) -> Result<PagesReport, Failure> {
        let now_ms = now_ms();
        let mut pages = self.known()?;
        self.with_readings(now_ms, |readings, sure| {
            for page in &mut pages {
                if let (None, Some(topic)) = (&page.topic, readings.topics.get(&page.path)) {
                    (page.topic, page.by) = (Some(topic.clone()), ReadBy::Words);
                    page.confidence = sure.get(&page.path).copied();
                }
            }
        })?;
        let mut views: BTreeMap<&str, u64> = BTreeMap::new();
        for page in &pages {
            *views.entry(page.topic.as_deref().unwrap_or_default()).or_default() += page.views;
        }
        let mut topics: Vec<TopicReport> = views
            .into_iter()
            .filter(|(topic, _)| !topic.is_empty())
            .map(|(topic, views)| TopicReport { topic: topic.to_owned(), views })
            .collect();
        topics.sort_by(|left, right| right.views.cmp(&left.views).then(left.topic.cmp(&right.topic)));
        let known = pages.len() as u64;
        pages.truncate(REPORTED);
        Ok(PagesReport { now: now_ms, known, topics, pages })
    }
}

/// What pages are about of which nobody says it, as far as their words say, and how sure that is.
fn read(pages: &[PageReport]) -> BTreeMap<String, (String, f64)> {
    let mut by_topic: BTreeMap<&str, (f64, BTreeMap<String, f64>)> = BTreeMap::new();
    let mut vocabulary = BTreeSet::new();
    let told = pages.iter().filter_map(|page| Some((page, page.topic.as_deref()?)));
    let mut count = 0_usize;
    for (page, topic) in told {
        count += 1;
        let (of_topic, words) = by_topic.entry(topic).or_default();
        *of_topic += 1.0;
        for word in self::words(page) {
            *words.entry(word.clone()).or_default() += 1.0;
            vocabulary.insert(word);
        }
    }
    if count < LEAST_TOLD || by_topic.len() < 2 {
        return BTreeMap::new();
    }
    let sums: BTreeMap<&str, f64> =
        by_topic.iter().map(|(topic, (_, words))| (*topic, words.values().sum::<f64>())).collect();
    let classify = |page: &PageReport| {
        let words: Vec<String> = self::words(page).into_iter().filter(|word| vocabulary.contains(word)).collect();
        if words.len() < LEAST_WORDS {
            return None;
        }
        let score = |(topic, (pages, counts)): (&&str, &(f64, BTreeMap<String, f64>))| {
            let sum = sums.get(*topic).copied().unwrap_or(0.0) + vocabulary.len() as f64;
            let word = |word: &String| libm::log((counts.get(word).copied().unwrap_or(0.0) + 1.0) / sum);
            ((*topic).to_owned(), libm::log(pages / count as f64) + words.iter().map(word).sum::<f64>())
        };
        let scores: Vec<(String, f64)> = by_topic.iter().map(score).collect();
        let (best, highest) = scores.iter().max_by(|left, right| left.1.total_cmp(&right.1))?;
        let all: f64 = scores.iter().map(|(_, score)| libm::exp(score - highest)).sum();
        Some((best.clone(), 1.0 / all)).filter(|(_, sure)| *sure >= LEAST_CONFIDENCE)
    };
    let open = pages.iter().filter(|page| page.topic.is_none());
    open.filter_map(|page| Some((page.path.clone(), classify(page)?))).collect()
}

/// The words of a page's path and title, each once: of scripts without spaces, pairs of signs.
fn words(page: &PageReport) -> BTreeSet<String> {
    let text = [page.path.as_str(), " ", &page.title].concat().to_lowercase();
    let mut words = BTreeSet::new();
    for word in text.split(|sign: char| !sign.is_alphanumeric()) {
        if word.is_ascii() {
            if word.len() > 2 && !word.bytes().all(|byte| byte.is_ascii_digit()) {
                words.insert(word.to_owned());
            }
            continue;
        }
        let signs: Vec<char> = word.chars().collect();
        if signs.iter().any(|sign| ('\u{2e80}'..='\u{9fff}').contains(sign)) {
            words.extend(signs.windows(2).map(|pair| pair.iter().collect::<String>()));
        } else if signs.len() > 2 {
            words.insert(word.to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, title: &str, topic: Option<&str>) -> PageReport {
        let (path, title, topic) = (path.to_owned(), title.to_owned(), topic.map(str::to_owned));
        PageReport { path, title, views: 1, topic, by: ReadBy::Table, confidence: None }
    }

    #[test]
    fn words_of_told_pages_read_the_others() {
        let mut pages = vec![
            page("/mortgages/fixed", "Fixed rate mortgages for your home", Some("mortgages")),
            page("/mortgages/tracker", "Tracker mortgages", Some("mortgages")),
            page("/mortgages/move", "Moving home with your mortgage", Some("mortgages")),
            page("/cards/credit", "Credit cards with cashback", Some("cards")),
            page("/cards/travel", "Travel cards without fees", Some("cards")),
            page("/cards/everyday", "Cashback and no credit check", Some("cards")),
            page("/zh/房贷", "固定利率房贷", Some("mortgages")),
            page("/guides/buying-a-home", "Buying a home: mortgages and fixed rates", None),
            page("/guides/cashback", "How cashback on credit works", None),
            page("/guides/固定利率", "什么是固定利率", None),
            page("/about", "Our history", None),
        ];
        let topics = |pages: &[PageReport]| {
            read(pages).into_iter().map(|(path, (topic, _))| (path, topic)).collect::<BTreeMap<String, String>>()
        };
        let found = topics(&pages);
        let of = |path: &str| found.get(path).map(String::as_str);
        assert_eq!(of("/guides/buying-a-home"), Some("mortgages"), "{found:?}");
        assert_eq!((of("/guides/cashback"), of("/guides/固定利率")), (Some("cards"), Some("mortgages")), "{found:?}");
        assert_eq!((of("/about"), of("/cards/credit")), (None, None), "nothing is known of one, the other says it");
        pages.retain(|page| page.topic.as_deref() != Some("cards"));
        assert!(topics(&pages).is_empty(), "one topic is no choice");
        assert!(topics(&[]).is_empty());
    }
}
