//! `GET /metrics`: a site's figures in Prometheus' text format (version 0.0.4), for whoever holds its secret key.
//!
//! What objects own is read from them, so it is the same whichever isolate answers. What isolates do is counted by each for
//! itself and labelled with its name: Prometheus' `sum by` adds them up as far as they have been scraped.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use portico_protocol::vitals::Vitals;
use worker::{Context, Env};

use crate::access;
use crate::crypto::random;
use crate::error::Failure;
use crate::http::{Request, Response, now_ms};
use crate::objects::call;
use crate::objects::learner::GetFigures;
use crate::objects::ledger::{Measure, Measured};
use crate::objects::outbox::LookAt;
use crate::recording::all_shards;
use crate::snapshot;

/// Time after which an answer that is not in the model is worth an alarm: five times what is promised.
const ALARM_MS: u64 = 10_000;

/// What an isolate counts for each site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    Decisions,
    Accepted,
    Duplicate,
    Rejected,
    Busy,
}

/// A figure of the widget in the field, as a Prometheus histogram.
struct Vital {
    name: &'static str,
    help: &'static str,
    /// Upper bounds of the buckets, above which there is one more.
    bounds: [f64; 6],
    of: fn(&Vitals) -> Option<f64>,
}

const VITALS: [Vital; 4] = [
    Vital {
        name: "portico_widget_offer_seconds",
        help: "From asking for the loader to the first answer, in sampled views",
        bounds: [0.1, 0.25, 0.5, 1.0, 2.0, 5.0],
        of: |vitals| vitals.offer_ms.map(|time| f64::from(time) / 1e3),
    },
    Vital {
        name: "portico_widget_received_bytes",
        help: "Bytes of the widget's files that came over the network, in sampled views",
        bounds: [1e3, 1e4, 3e4, 1e5, 3e5, 1e6],
        of: |vitals| Some(f64::from(vitals.bytes)),
    },
    Vital {
        name: "portico_widget_long_task_seconds",
        help: "The widget's scripts in frames of more than 50 ms, in sampled views",
        bounds: [0.0, 0.05, 0.1, 0.2, 0.5, 1.0],
        of: |vitals| Some(f64::from(vitals.tasks_ms) / 1e3),
    },
    Vital {
        name: "portico_widget_layout_shift",
        help: "Layout shift within half a second of an answer, in sampled views",
        bounds: [0.0, 0.01, 0.05, 0.1, 0.25, 0.5],
        of: |vitals| Some(vitals.shift),
    },
];

/// What was observed of one of them: views by bucket, and the sum of their values.
#[derive(Clone, Copy, Default)]
struct Histogram {
    buckets: [u64; 7],
    sum: f64,
}

thread_local! {
    static OBSERVED: RefCell<BTreeMap<String, [Histogram; VITALS.len()]>> = RefCell::default();
    static COUNTS: RefCell<BTreeMap<String, BTreeMap<Counted, u64>>> = RefCell::default();
    static ISOLATE: OnceCell<String> = const { OnceCell::new() };
}

/// Counts for a site.
pub(crate) fn count(site: &str, what: Counted, by: usize) {
    COUNTS.with_borrow_mut(|sites| {
        // Most often the site is known, and its name need not be copied.
        match sites.get_mut(site) {
            Some(counts) => *counts.entry(what).or_default() += by as u64,
            None => {
                sites.insert(site.to_owned(), BTreeMap::from([(what, by as u64)]));
            }
        }
    });
}

/// Takes up what a page says of its view.
pub(crate) fn observe(site: &str, vitals: &Vitals) {
    OBSERVED.with_borrow_mut(|sites| {
        for (vital, histogram) in VITALS.iter().zip(sites.entry(site.to_owned()).or_default()) {
            if let Some(value) = (vital.of)(vitals) {
                histogram.add(&vital.bounds, value);
            }
        }
    });
}

impl Histogram {
    fn add(&mut self, bounds: &[f64], value: f64) {
        if let Some(bucket) = self.buckets.get_mut(bounds.partition_point(|bound| *bound < value)) {
            *bucket += 1;
        }
        self.sum += value;
    }
}

pub(crate) async fn metrics(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let figures = call(env, &site, &GetFigures { site: site.clone() }).await?;
    let now_ms = now_ms();
    let mut shards: Vec<(u16, Measured, u64)> = Vec::new();
    for (shard, name) in all_shards(&snapshot) {
        let folded = figures.cursors.get(&shard).copied().unwrap_or(0);
        let measured = call(env, &name, &Measure { folded }).await?;
        shards.push((shard, measured, folded));
    }
    let age = |measured: &Measured| measured.waiting_since_ms.map_or(0, |since| now_ms.saturating_sub(since));
    let alarm = shards.iter().any(|(_, measured, _)| age(measured) > ALARM_MS);

    let mut page = Page::default();
    page.family("portico_events_recorded_total", "counter", "Rows ever recorded");
    for (shard, measured, _) in &shards {
        page.value(&[("shard", shard)], measured.recorded);
    }
    page.family("portico_events_kept", "gauge", "Rows that are kept as rows");
    for (shard, measured, _) in &shards {
        page.value(&[("shard", shard)], measured.kept);
    }
    page.family("portico_events_waiting", "gauge", "Rows that are recorded and not yet in the model");
    for (shard, measured, folded) in &shards {
        page.value(&[("shard", shard)], measured.recorded.saturating_sub(*folded));
    }
    page.family("portico_events_waiting_seconds", "gauge", "Age of the oldest row that is not yet in the model");
    for (shard, measured, _) in &shards {
        page.value(&[("shard", shard)], seconds(age(measured)));
    }
    page.family("portico_lag_alarm", "gauge", "1 while a row has been waiting for more than 10 seconds");
    page.value(&[], u8::from(alarm));
    page.family("portico_events_folded_total", "counter", "Rows that are in the model");
    page.value(&[], figures.folded);
    page.family("portico_fold_lag_seconds", "gauge", "From record to model, over the last 200 batches");
    for (quantile, ms) in [("0.5", figures.lag.p50_ms), ("0.95", figures.lag.p95_ms)] {
        page.value(&[("quantile", &quantile)], seconds(ms));
    }
    let outbox = LookAt { webhooks: snapshot.settings.config.webhooks.clone() };
    if !outbox.webhooks.is_empty() {
        let webhooks = call(env, &site, &outbox).await?.webhooks;
        page.family("portico_webhook_messages_waiting", "gauge", "Messages on their way to a webhook");
        webhooks.iter().for_each(|webhook| page.value(&[("webhook", &webhook.id)], webhook.waiting));
        page.family("portico_webhook_messages_dead", "gauge", "Messages that were given up");
        webhooks.iter().for_each(|webhook| page.value(&[("webhook", &webhook.id)], webhook.dead));
        page.family("portico_webhook_messages_delivered_total", "counter", "Messages that a webhook has taken");
        webhooks.iter().for_each(|webhook| page.value(&[("webhook", &webhook.id)], webhook.delivered));
    }
    page.family("portico_model_version", "gauge", "Newest model of the learner");
    page.value(&[], figures.model);
    page.family("portico_model_served_version", "gauge", "Model that this isolate decides with");
    let isolate = ISOLATE.with(|isolate| -> Result<String, Failure> {
        if isolate.get().is_none() {
            let name = data_encoding::HEXLOWER.encode(&random::<4>()?);
            return Ok(isolate.get_or_init(|| name).clone());
        }
        Ok(isolate.get().cloned().unwrap_or_default())
    })?;
    page.value(&[("isolate", &isolate)], snapshot.model_version);
    page.family("portico_config_version", "gauge", "Published configuration");
    page.value(&[], snapshot.version);
    let counts = COUNTS.with_borrow(|sites| sites.get(&site).cloned().unwrap_or_default());
    let counted = |what| counts.get(&what).copied().unwrap_or(0);
    page.family("portico_decisions_total", "counter", "Decisions answered");
    page.value(&[("isolate", &isolate)], counted(Counted::Decisions));
    page.family("portico_events_total", "counter", "Events and outcomes received, by what became of them");
    for (result, what) in
        [("accepted", Counted::Accepted), ("duplicate", Counted::Duplicate), ("rejected", Counted::Rejected)]
    {
        page.value(&[("isolate", &isolate), ("result", &result)], counted(what));
    }
    page.family("portico_busy_total", "counter", "Batches turned away because a shard could not record them");
    page.value(&[("isolate", &isolate)], counted(Counted::Busy));

    let observed = OBSERVED.with_borrow(|sites| sites.get(&site).copied().unwrap_or_default());
    for (vital, histogram) in VITALS.iter().zip(observed) {
        page.histogram(vital, &histogram, &isolate);
    }

    Ok(Response::bytes(200, "text/plain; version=0.0.4; charset=utf-8", page.text.into_bytes()))
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// The page as it grows.
#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = write!(self.text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
    }

    /// Buckets count what is at most their bound, so the last one is the count.
    fn histogram(&mut self, vital: &Vital, Histogram { buckets, sum }: &Histogram, isolate: &str) {
        let name = vital.name;
        self.family(name, "histogram", vital.help);
        let bounds = vital.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut count = 0;
        for (views, bound) in buckets.iter().zip(bounds) {
            count += views;
            let _ = writeln!(self.text, "{name}_bucket{{isolate=\"{isolate}\",le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(self.text, "{name}_sum{{isolate=\"{isolate}\"}} {sum}");
        let _ = writeln!(self.text, "{name}_count{{isolate=\"{isolate}\"}} {count}");
    }

    /// Labels hold numbers and words of our own, nothing that needs escaping.
    fn value(&mut self, labels: &[(&str, &dyn Display)], value: impl Display) {
        let _ = write!(self.text, "{}", self.name);
        for (at, (name, label)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"{label}\"", if at == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_in_the_text_format() {
        let mut page = Page::default();
        page.family("portico_x_total", "counter", "Things");
        page.value(&[], 3);
        page.value(&[("shard", &0), ("result", &"a")], 0.25);
        let expect = "# HELP portico_x_total Things.\n# TYPE portico_x_total counter\nportico_x_total 3\n\
                      portico_x_total{shard=\"0\",result=\"a\"} 0.25\n";
        assert_eq!(page.text, expect);
    }

    #[test]
    fn buckets_count_what_is_at_most_their_bound() {
        let mut shift = Histogram::default();
        let vital = &VITALS[3];
        for value in [0.0, 0.01, 0.02, 9.0] {
            shift.add(&vital.bounds, value);
        }
        let mut page = Page::default();
        page.histogram(vital, &shift, "one");
        let counts: Vec<&str> = page
            .text
            .lines()
            .filter(|line| line.contains("_bucket"))
            .filter_map(|line| line.rsplit(' ').next())
            .collect();
        assert_eq!(counts, ["1", "2", "3", "3", "3", "3", "4"]);
        assert!(page.text.contains("le=\"+Inf\"} 4\n"), "{}", page.text);
        assert!(
            page.text.ends_with("_sum{isolate=\"one\"} 9.03\nportico_widget_layout_shift_count{isolate=\"one\"} 4\n")
        );
    }
}
