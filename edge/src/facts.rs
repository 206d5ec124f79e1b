//! Facts that the edge derives from a request, beside those that the page gives.

use portico_engine::{Facts, Source};
use portico_protocol::decide::DecideRequest;
use portico_protocol::pages::{self, Journey, Reading, TOPIC_BYTES};
use portico_protocol::report::ReadBy;
use portico_protocol::seal::Memory;
use portico_protocol::stream::{PageView, Stream};

use crate::objects::pages::Page;
use crate::page_counts;
use crate::snapshot::Snapshot;
use crate::triggers::Happened;

/// The page's facts and what follows from the request itself; the latter cannot be overridden by the page.
pub(crate) fn of_request(
    request: &mut DecideRequest,
    user_agent: &str,
    publisher: Option<&str>,
    own_hosts: &[String],
    now_ms: u64,
) -> Facts {
    let mut facts = Facts::default();
    facts.extend(Source::Context, std::mem::take(&mut request.context));
    facts.insert(Source::Context, "device", device(user_agent));
    facts.insert(Source::Context, "language", request.locale.split('-').next().unwrap_or("").to_ascii_lowercase());
    facts.insert(Source::Context, "referrer", referrer(&request.page.referrer, own_hosts));
    let (hour, day) = local_time(request.offset, now_ms);
    facts.insert(Source::Context, "hour", hour);
    facts.insert(Source::Context, "weekday", day);
    facts.insert(Source::Context, "publisher", publisher.unwrap_or("none"));
    facts
}

/// What follows from what is remembered of the visitor.
pub(crate) fn of_memory(facts: &mut Facts, memory: &Memory, snapshot: &Snapshot) {
    facts.set_events(memory.events.counts(snapshot.counted_events()));
    facts.insert(Source::Behaviour, "visits", memory.visits);
    if let Some(interest) = memory.interest() {
        facts.insert(Source::Behaviour, "interest", interest);
    }
}

/// What follows from the trace of the visitor's page views.
pub(crate) fn of_stream(facts: &mut Facts, stream: &Stream, now_ms: u64) {
    if let Some(days) = stream.days_away(now_ms) {
        facts.insert(Source::Behaviour, "days_away", days);
    }
    if let Some(intent) = stream.intent(now_ms) {
        facts.insert(Source::Behaviour, "intent", intent);
    }
    if let Some(stage) = stream.stage() {
        facts.insert(Source::Behaviour, "journey_stage", stage.name());
    }
    let abandoned: Vec<&str> = stream.abandoned(now_ms).map(|left| left.form.as_str()).collect();
    facts.insert(Source::Behaviour, "frequency", stream.frequency(now_ms));
    facts.insert(Source::Behaviour, "abandoned", abandoned);
}

/// A page that somebody looks at.
pub(crate) struct ReadPage {
    /// As its visitor sees it: what it says of itself, and which forms it begins and ends.
    pub(crate) view: PageView,
    /// For the site's counts, where it has an address.
    pub(crate) counted: Option<Page>,
}

/// Reads the page by the site's table, or else by its words; what it does not say itself of its topic and stage becomes part of
/// the request's facts.
pub(crate) fn read_page(request: &mut DecideRequest, snapshot: &Snapshot) -> ReadPage {
    let said = topic(request).map(|topic| (topic.to_owned(), ReadBy::Page));
    let Reading { topic: table, journey, begins, ends } =
        pages::read(&snapshot.settings.config.pages, &request.page.url, &request.page.title);
    let told = said.or_else(|| table.map(|topic| (topic.to_owned(), ReadBy::Table)));
    let path = page_counts::path(&request.page.url);
    let learned = told.is_none().then(|| page_counts::topic(&snapshot.site, path.as_deref()?)).flatten();
    let found = told.as_ref().map(|(topic, _)| topic.clone()).or(learned);
    let read = [("topic", found), ("journey", journey.map(|journey| journey.name().to_owned()))];
    for (name, value) in read.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        request.context.entry(name.to_owned()).or_insert_with(|| value.into());
    }
    let cart = request.context.get("cart_value").and_then(serde_json::Value::as_f64);
    let begins = begins.or_else(|| cart.is_some_and(|value| value > 0.0).then_some("cart"));
    let ends = ends.or_else(|| cart.is_some_and(|value| value == 0.0).then_some("cart"));
    let stage = request.context.get("journey").and_then(|journey| journey.as_str());
    let view = PageView {
        topic: topic(request).map(str::to_owned),
        stage: stage.and_then(Journey::of),
        begins: begins.map(str::to_owned),
        ends: ends.map(str::to_owned),
        path: pages::path(&request.page.url).to_owned(),
    };
    let title = request.page.title.chars().take(MOST_TITLE).collect();
    ReadPage { view, counted: path.map(|path| Page { path, title, views: 1, topic: told }) }
}

/// Letters of a page's title that are looked at.
const MOST_TITLE: usize = 120;

/// The topic of the page, if it has one that is worth remembering.
pub(crate) fn topic(request: &DecideRequest) -> Option<&str> {
    request
        .context
        .get("topic")
        .and_then(|topic| topic.as_str())
        .filter(|topic| (1..=TOPIC_BYTES).contains(&topic.len()))
}

/// The events that a decision for a page is, as far as anybody cares.
pub(crate) fn page_events(request: &DecideRequest, snapshot: &Snapshot) -> Vec<Happened> {
    if snapshot.counted_events().next().is_none() && snapshot.triggers().is_empty() {
        return Vec::new();
    }
    let journey = request.context.get("journey").and_then(|journey| journey.as_str());
    let journey = journey.filter(|journey| (1..=TOPIC_BYTES).contains(&journey.len()));
    let events = [
        Some("page".to_owned()),
        topic(request).map(|topic| format!("page:{topic}")),
        journey.map(|journey| format!("journey:{journey}")),
    ];
    events.into_iter().flatten().filter_map(|event| snapshot.happened(event)).collect()
}

/// The hour and the day of the week where the visitor is; in UTC where nobody says.
fn local_time(offset_minutes: i16, now_ms: u64) -> (u64, &'static str) {
    const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let local_ms = now_ms.saturating_add_signed(i64::from(offset_minutes) * 60_000);
    let hours = local_ms / 3_600_000;
    (hours % 24, DAYS.get((hours / 24 % 7) as usize).copied().unwrap_or_default())
}

fn device(user_agent: &str) -> &'static str {
    if user_agent.contains("iPad") || user_agent.contains("Tablet") {
        "tablet"
    } else if user_agent.contains("Mobi") {
        "phone"
    } else {
        "desktop"
    }
}

/// What kind of place the visitor came from; the address itself is not kept.
fn referrer(referrer: &str, own_hosts: &[String]) -> &'static str {
    const SEARCH: [&str; 6] = ["google.", "bing.", "baidu.", "duckduckgo.", "yandex.", "ecosia."];
    const SOCIAL: [&str; 7] = ["facebook.", "t.co", "x.com", "linkedin.", "reddit.", "weibo.", "instagram."];
    let Some(host) = url::Url::parse(referrer).ok().and_then(|url| url.host_str().map(str::to_ascii_lowercase)) else {
        return "none";
    };
    let host = host.strip_prefix("www.").unwrap_or(&host);
    if own_hosts.iter().any(|own| own == referrer || referrer.starts_with(&format!("{own}/"))) {
        "internal"
    } else if SEARCH.iter().any(|name| host.starts_with(name)) {
        "search"
    } else if SOCIAL.iter().any(|name| host.starts_with(name)) {
        "social"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_where_the_visitor_is() {
        // Friday, 13 February 2009, 23:31:30 UTC.
        let now_ms = 1_234_567_890_000;
        assert_eq!(local_time(0, now_ms), (23, "fri"));
        assert_eq!(local_time(60, now_ms), (0, "sat"));
        assert_eq!(local_time(-480, now_ms), (15, "fri"));
        assert_eq!(local_time(i16::MIN, 0), (0, "thu"));
    }
}
