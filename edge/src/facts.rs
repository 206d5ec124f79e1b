//! Facts that the edge derives from a request, beside those that the page gives.

use portico_engine::{Facts, Source};
use portico_protocol::decide::DecideRequest;
use portico_protocol::pages::{self, Journey, PageRule, Reading, TOPIC_BYTES};
use portico_protocol::seal::Memory;

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
    facts.insert(Source::Context, "hour", (now_ms / 3_600_000) % 24);
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

/// Adds what the site's table says of the page, where the page itself does not say it.
pub(crate) fn read_page(request: &mut DecideRequest, rules: &[PageRule]) {
    let Reading { topic, journey } = pages::read(rules, &request.page.url, &request.page.title);
    let read = [("topic", topic), ("journey", journey.map(Journey::name))];
    for (name, value) in read.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        request.context.entry(name.to_owned()).or_insert_with(|| value.into());
    }
}

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
