//! `GET /v1/decisions` and `GET /v1/events`: what was recorded in a time, a line each, as long as it is kept.
//!
//! Lines are streamed shard after shard, in the order in which they were recorded. Every line of ours names its `cursor`,
//! with which an export that broke off goes on after it. Customers and visitors do not leave: what is known of them is in
//! hashed features.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use futures_lite::stream;
use portico_engine::config::Config;
use portico_engine::evaluate::export::{OpenBandit, dsjson};
use portico_engine::evaluate::{LogRow, Logged};
use portico_engine::{Arm, Policy, Progress, Step};
use portico_protocol::export::{DecisionLine, EventLine, Reached};
use portico_protocol::problem::{FieldError, ProblemKind};
use worker::{Context, Env};

use crate::access;
use crate::error::Failure;
use crate::http::{Request, Response};
use crate::log;
use crate::memory::{ANSWERED, TRACKED};
use crate::objects::call;
use crate::objects::ledger::{Entry, Export, Exported, ExportedRow, Row};
use crate::objects::site::GetVersion;
use crate::recording::all_shards;
use crate::snapshot::{self, Snapshot};

/// Rows asked from a ledger at once: about 500 kB.
pub(crate) const PAGE_ROWS: u64 = 500;
/// Columns for features in the form that has columns: more attributes than that leave their last out.
const FEATURE_COLUMNS: usize = 64;

/// `GET /v1/decisions`.
pub(crate) async fn decisions(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let asked = Asked::read(request)?;
    let form = match asked.format.as_deref() {
        None | Some("ndjson") => Form::Ndjson,
        Some("dsjson") => Form::Dsjson,
        Some("obd") => Form::OpenBandit,
        Some(_) => return Err(wrong("format", "one of ndjson, dsjson, obd")),
    };
    export(request, env, context, asked, Exported::Showings, form).await
}

/// `GET /v1/events`.
pub(crate) async fn events(request: &Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let asked = Asked::read(request)?;
    if asked.format.as_deref().is_some_and(|format| format != "ndjson") {
        return Err(wrong("format", "ndjson"));
    }
    export(request, env, context, asked, Exported::Rows, Form::Ndjson).await
}

async fn export(
    request: &Request,
    env: &Env,
    context: &Context,
    asked: Asked,
    what: Exported,
    form: Form,
) -> Result<Response, Failure> {
    let site = access::server_side(env, request).await?;
    let snapshot = snapshot::get(env, context, &site).await?;
    let bandit = OpenBandit::new(snapshot.settings.policy.offers().map(|(offer, _)| offer), FEATURE_COLUMNS);
    let mut lines = VecDeque::new();
    if form == Form::OpenBandit {
        lines.push_back(bandit.header());
    }
    let shards = all_shards(&snapshot).filter(|(shard, _)| *shard >= asked.cursor.0).collect();
    let media_type = if form == Form::OpenBandit { "text/csv" } else { "application/x-ndjson" };
    let reader = Reader {
        env: env.clone(),
        snapshot,
        after: asked.cursor.1,
        asked,
        what,
        form,
        bandit,
        shards,
        lines,
        versions: BTreeMap::new(),
        read: 0,
        numbered: 0,
    };
    let lines = stream::try_unfold(reader, |mut reader| async move {
        match reader.next().await {
            Ok(Some(text)) => Ok(Some((text, reader))),
            Ok(None) => Ok(None),
            Err(failure) => {
                // The connection breaks off, so that nobody takes a part for the whole.
                log::error("export", &failure);
                Err(worker::Error::RustError("the export broke off".to_owned()))
            }
        }
    });
    Response::stream(media_type, lines)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Ndjson,
    Dsjson,
    OpenBandit,
}

/// The query.
#[derive(Debug)]
struct Asked {
    from_ms: u64,
    until_ms: u64,
    /// Shard, and row in it.
    cursor: (u16, u64),
    limit: Option<u64>,
    format: Option<String>,
}

impl Asked {
    fn read(request: &Request) -> Result<Self, Failure> {
        let mut asked = Self { from_ms: 0, until_ms: u64::MAX, cursor: (0, 0), limit: None, format: None };
        for (name, value) in request.url()?.query_pairs() {
            let number = || value.parse().map_err(|_| wrong(&name, "a whole number"));
            match name.as_ref() {
                "from" => asked.from_ms = number()?,
                "to" => asked.until_ms = number()?,
                "limit" => asked.limit = Some(number()?),
                "cursor" => {
                    let parts = value.split_once('.').and_then(|(shard, row)| shard.parse().ok().zip(row.parse().ok()));
                    asked.cursor = parts.ok_or_else(|| wrong("cursor", "the cursor of a line"))?;
                }
                "format" => asked.format = Some(value.into_owned()),
                _ => return Err(wrong(&name, "one of from, to, limit, cursor, format")),
            }
        }
        Ok(asked)
    }
}

fn wrong(parameter: &str, expected: &str) -> Failure {
    let error = FieldError { pointer: format!("{parameter:.64}"), detail: format!("expected {expected}") };
    Failure::invalid(ProblemKind::Malformed, "A parameter of the query is not understood.", vec![error])
}

/// Reads page after page, and gives line after line.
struct Reader {
    env: Env,
    snapshot: Rc<Snapshot>,
    asked: Asked,
    what: Exported,
    form: Form,
    bandit: OpenBandit,
    /// Shards to read, the present one first.
    shards: VecDeque<(u16, String)>,
    /// The last row that was read of it.
    after: u64,
    lines: VecDeque<String>,
    /// Ids of the offers of configurations that decided, in their order.
    versions: BTreeMap<u64, Vec<String>>,
    /// Rows that were read.
    read: u64,
    /// Lines that have a number.
    numbered: usize,
}

impl Reader {
    /// The next lines; none at the end.
    async fn next(&mut self) -> Result<Option<String>, Failure> {
        while self.lines.is_empty() {
            let Some((shard, name)) = self.shards.front().cloned() else { return Ok(None) };
            let left = self.asked.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.read));
            if left == 0 {
                return Ok(None);
            }
            let Asked { from_ms, until_ms, .. } = self.asked;
            let most = left.min(PAGE_ROWS);
            let page =
                call(&self.env, &name, &Export { after: self.after, from_ms, until_ms, what: self.what, most }).await?;
            let whole = page.len() as u64 == most;
            self.read += page.len() as u64;
            for row in page {
                self.after = row.seq;
                if let Some(line) = self.line(shard, row).await? {
                    self.lines.push_back(line);
                }
            }
            if !whole {
                self.shards.pop_front();
                self.after = 0;
            }
        }
        let mut text = String::new();
        for line in self.lines.drain(..) {
            text.push_str(&line);
            text.push('\n');
        }
        Ok(Some(text))
    }

    async fn line(&mut self, shard: u16, exported: ExportedRow) -> Result<Option<String>, Failure> {
        let cursor = format!("{shard}.{}", exported.seq);
        if self.what == Exported::Rows {
            return Ok(Some(serde_json::to_string(&event(&self.snapshot.settings.policy, cursor, exported))?));
        }
        let eligible = self.eligible(&exported.row).await?;
        let policy = &self.snapshot.settings.policy;
        let Some(line) = decision(policy, cursor, exported, eligible) else { return Ok(None) };
        if self.form == Form::Ndjson {
            return Ok(Some(serde_json::to_string(&line)?));
        }
        // Others' tools evaluate policies by chance alone: rows whose chance is known, and was not certainty.
        let Some(logged) = logged(&line) else { return Ok(None) };
        Ok(match self.form {
            Form::OpenBandit => {
                let line = self.bandit.row(self.numbered, &logged);
                self.numbered += usize::from(line.is_some());
                line
            }
            _ => Some(dsjson(&logged)?),
        })
    }

    /// Ids of the offers among which chance chose, by the configuration that decided.
    async fn eligible(&mut self, row: &Row) -> Result<Vec<String>, Failure> {
        let Entry::Answer { record, .. } = &row.entry else { return Ok(Vec::new()) };
        if record.among.is_empty() {
            return Ok(Vec::new());
        }
        if !self.versions.contains_key(&record.config) {
            let version = call(&self.env, &self.snapshot.site, &GetVersion { version: record.config }).await?;
            let config = version.map_or_else(Config::default, |version| version.decisions);
            let offers = Policy::compile(&config).0.offers().map(|(offer, _)| offer.to_owned()).collect();
            self.versions.insert(record.config, offers);
        }
        let offers = self.versions.get(&record.config).map_or(&[][..], Vec::as_slice);
        Ok(record.among().filter_map(|place| offers.get(place).cloned()).collect())
    }
}

fn decision(policy: &Policy, cursor: String, exported: ExportedRow, eligible: Vec<String>) -> Option<DecisionLine> {
    let ExportedRow { row, led_to, .. } = exported;
    let Entry::Answer { record, .. } = row.entry else { return None };
    let progress = led_to.iter().fold(Progress::default(), |progress, led| progress.after(led.step));
    let reward = (0..progress.reached).map(|stage| policy.stage_value(&record.offer, usize::from(stage))).sum();
    let stages = led_to.iter().filter_map(|led| match led.step {
        Step::Stage(stage) => Some(Reached {
            stage: policy.stages().nth(usize::from(stage))?.to_owned(),
            at: led.happened_ms,
            value: led.value,
        }),
        _ => None,
    });
    Some(DecisionLine {
        cursor,
        decision: record.decision.to_string(),
        at: record.decided_ms,
        seen: row.happened_ms,
        placement: record.placement,
        rank: record.rank,
        channel: record.channel,
        partner: record.partner,
        arm: record.arm,
        offer: record.offer,
        eligible,
        propensity: record.propensity,
        config: record.config,
        model: record.model,
        promised: record.promised,
        features: record.features,
        stages: stages.collect(),
        dismissed: led_to.iter().any(|led| led.step == Step::Dismissal),
        reward,
    })
}

fn logged(line: &DecisionLine) -> Option<Logged> {
    let row = LogRow {
        decision: line.decision.clone(),
        placement: line.placement.clone(),
        at_ms: line.at,
        arm: line.arm,
        eligible: line.eligible.clone(),
        chosen: line.offer.clone(),
        propensity: line.propensity?,
        reward: line.reward,
        features: line.features.clone(),
    };
    (row.arm == Arm::Explore && line.rank == 1).then(|| Logged::try_from(row).ok()).flatten()
}

pub(crate) fn event(policy: &Policy, cursor: String, exported: ExportedRow) -> EventLine {
    let ExportedRow { id, row, .. } = exported;
    let mut line = EventLine { cursor, id, at: row.happened_ms, recorded: row.at_ms, ..EventLine::default() };
    match row.entry {
        Entry::Answer { record, step, value } => {
            let stage = |stage: u8| policy.stages().nth(usize::from(stage)).map(str::to_owned);
            (line.kind, line.stage) = match step {
                Step::Impression => ("impression", None),
                Step::Dismissal => ("dismiss", None),
                Step::Stage(0) => ("click", stage(0)),
                Step::Stage(at) => ("stage", stage(at)),
                Step::Withdrawal(at) => ("withdrawal", stage(at)),
            };
            line.decision = Some(record.decision.to_string());
            line.offer = Some(record.offer);
            line.channel = Some(record.channel);
            line.value = value;
        }
        Entry::Note { name, props } => {
            (line.kind, line.name) = match (name.strip_prefix(TRACKED), name.strip_prefix(ANSWERED)) {
                (Some(name), _) => ("track", Some(name.to_owned())),
                (None, Some(question)) => ("answer", Some(question.to_owned())),
                (None, None) => ("page", None),
            };
            line.props = serde_json::from_str(&props).ok();
        }
    }
    line
}
