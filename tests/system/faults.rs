//! What a machine does to the edge: it is killed at any moment, stopped for a while, left without room on the disk, and
//! its files are damaged. The measure is always the same: what was acknowledged is in the ledger once, and in the model
//! once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use fastrand::Rng;
use portico_demo_site::publish::SITE_KEY;
use portico_demo_site::stack::EdgeOptions;
use portico_protocol::limits::EVENTS_PER_BATCH;
use portico_protocol::report::LiveReport;
use portico_tests::{Answer, World};
use reqwest::{Client, Method};
use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Visitors at once.
const VISITORS: u64 = 6;
/// How long a visitor waits for an answer.
const GIVE_UP: Duration = Duration::from_secs(2);
/// How long the edge has to put itself in order.
const PATIENCE: Duration = Duration::from_secs(60);
/// Kills in a run that does not ask for more.
const KILLS: u32 = 5;
const STOPS: u32 = 2;
/// Longer than a visitor waits.
const STOPPED: Duration = Duration::from_millis(2_500);
/// How long the slow disk takes.
const SLOW: Duration = Duration::from_millis(300);
/// Room left on a disk that is nearly full.
const ROOM: u64 = 128 * 1024;

/// Visitors who ask, look, click and apply until they are called home; what was not acknowledged is sent again, with
/// the same ids, among what is new.
struct Public {
    visitors: JoinSet<Result<()>>,
    seen: Arc<Seen>,
}

/// What the visitors have seen of the edge.
#[derive(Default)]
struct Seen {
    home: AtomicBool,
    decided: AtomicUsize,
    /// Events sent, each as often as it was.
    sent: AtomicUsize,
    /// Batches refused for the time being.
    refused: AtomicUsize,
    acknowledged: Mutex<BTreeSet<String>>,
}

impl Seen {
    fn acknowledge(&self, ids: impl IntoIterator<Item = String>) -> Result<()> {
        self.acknowledged.lock().map_err(|_| anyhow!("a visitor has fallen"))?.extend(ids);
        Ok(())
    }

    fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().map(|ids| ids.clone()).unwrap_or_default()
    }
}

/// One of those who were sent.
struct Visitor {
    number: u64,
    rng: Rng,
    client: Client,
    edge: String,
    origin: String,
    question: Value,
    seen: Arc<Seen>,
    showings: u64,
}

impl Public {
    /// Sends visitors, `wave` telling their ids from those of others.
    fn send(world: &World, wave: u64) -> Result<Self> {
        let seen = Arc::<Seen>::default();
        let mut visitors = JoinSet::new();
        let mut question = world.question();
        question["placements"] = json!([{ "id": "home-hero" }, { "id": "product-side", "count": 3 }]);
        for number in 0..VISITORS {
            let visitor = Visitor {
                number: wave * VISITORS + number,
                rng: Rng::with_seed(wave * VISITORS + number),
                client: Client::builder().timeout(GIVE_UP).build()?,
                edge: world.edge.origin(),
                origin: world.bank.clone(),
                question: question.clone(),
                seen: Arc::clone(&seen),
                showings: 0,
            };
            visitors.spawn(visitor.walk());
        }
        Ok(Self { visitors, seen })
    }

    /// Waits until something holds of what the visitors see.
    async fn until(&mut self, holds: impl Fn(&Seen) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.seen) {
            ensure!(Instant::now() < end, "still not so after {PATIENCE:?}");
            if let Some(left) = self.visitors.try_join_next() {
                left??;
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Calls the visitors home, who send what is left, and says what they have seen.
    async fn home(mut self) -> Result<Arc<Seen>> {
        self.seen.home.store(true, Ordering::Relaxed);
        while let Some(left) = self.visitors.join_next().await {
            left??;
        }
        Ok(self.seen)
    }
}

impl Visitor {
    async fn walk(mut self) -> Result<()> {
        let mut pending: Vec<Value> = Vec::new();
        let mut answered = Instant::now();
        loop {
            let home = self.seen.home.load(Ordering::Relaxed);
            if home && pending.is_empty() {
                return Ok(());
            }
            if !home && let Some(decided) = self.post("/v1/decide", &self.question).await {
                ensure!(decided.status == 200, "a decision was answered with {}: {}", decided.status, decided.text);
                self.seen.decided.fetch_add(1, Ordering::Relaxed);
                let new = self.react(&decided);
                if pending.len() + new.len() <= EVENTS_PER_BATCH {
                    pending.extend(new);
                }
            }
            if pending.is_empty() {
                continue;
            }
            self.seen.sent.fetch_add(pending.len(), Ordering::Relaxed);
            match self.post("/v1/events", &json!({ "site": SITE_KEY, "events": pending })).await {
                Some(receipt) if receipt.status == 202 => {
                    let count = |pointer| receipt.at(pointer).as_u64().unwrap_or(0);
                    ensure!(count("/accepted") + count("/duplicate") == pending.len() as u64, "{}", receipt.text);
                    let ids = pending.drain(..).filter_map(|event| event["id"].as_str().map(str::to_owned));
                    self.seen.acknowledge(ids)?;
                    answered = Instant::now();
                }
                Some(refusal) => {
                    let busy = refusal.problem() == "busy" && refusal.headers.contains_key("retry-after");
                    ensure!(refusal.status == 503 && busy, "refused for good: {} {}", refusal.status, refusal.text);
                    self.seen.refused.fetch_add(1, Ordering::Relaxed);
                }
                None => {}
            }
            ensure!(answered.elapsed() < PATIENCE * 2, "nothing was acknowledged for {:?}", answered.elapsed());
        }
    }

    /// The answer, if there is one.
    async fn post(&self, path: &str, body: &Value) -> Option<Answer> {
        let request = self.client.post(format!("{}{path}", self.edge)).header("Origin", &self.origin);
        let answer = Answer::of(request.header("Content-Type", "text/plain").body(body.to_string())).await.ok();
        if answer.as_ref().is_none_or(|answer| answer.status >= 500) {
            sleep(Duration::from_millis(20)).await;
        }
        answer
    }

    /// What the visitor does with what they are shown. An id ends with what happened.
    fn react(&mut self, decided: &Answer) -> Vec<Value> {
        let mut events = Vec::new();
        for placement in decided.at("/placements").as_array().into_iter().flatten() {
            for offer in placement["offers"].as_array().into_iter().flatten() {
                let showing = format!("{:04}-{:06}", self.number, self.showings);
                self.showings += 1;
                let mut event = |what: &str, kind: &str, stage: Option<&str>| {
                    let id = format!("{showing}-{what}");
                    events.push(json!({ "id": id, "type": kind, "stage": stage, "token": offer["token"] }));
                };
                event("seen", "impression", None);
                if self.rng.u8(..10) < 3 {
                    event("clicked", "click", None);
                }
                if self.rng.u8(..10) < 2 {
                    event("applied", "stage", Some("applied"));
                }
                if self.rng.u8(..10) < 1 {
                    event("dismissed", "dismiss", None);
                }
                if self.rng.u8(..10) < 2 {
                    let props = json!({ "amount": self.rng.u32(..) });
                    events.push(
                        json!({ "id": format!("{showing}-noted"), "type": "track", "name": "used", "props": props }),
                    );
                }
            }
        }
        self.rng.shuffle(&mut events);
        events
    }
}

/// Impressions, clicks, applications and dismissals.
type Totals = [usize; 4];

/// What the counts should be after these events.
fn expected(ids: &BTreeSet<String>) -> Totals {
    let of = |whats: &[&str]| {
        let showing =
            |id: &String| id.rsplit_once('-').filter(|(_, what)| whats.contains(what)).map(|it| it.0.to_owned());
        ids.iter().filter_map(showing).collect::<BTreeSet<_>>().len()
    };
    // A later stage implies the earlier ones.
    [of(&["seen"]), of(&["clicked", "applied"]), of(&["applied"]), of(&["dismissed"])]
}

/// What the counts are.
fn counted(report: &LiveReport) -> Totals {
    report.offers.iter().flat_map(|offer| offer.arms.values()).fold([0; 4], |sum, counts| {
        let stage = |id: &str| counts.stages.get(id).copied().unwrap_or(0);
        let of_arm = [counts.impressions, stage("click"), stage("applied"), counts.dismissals];
        std::array::from_fn(|at| sum[at] + of_arm[at] as usize)
    })
}

/// Ids of the ledger's rows in their order, the edge being stopped. Their numbers have no gaps.
fn stored(world: &World) -> Result<Vec<String>> {
    let database = Connection::open(world.database("LedgerObject")?)?;
    let mut select = database.prepare("SELECT seq, id FROM rows ORDER BY seq")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get(1)?)))?;
    let rows: Vec<(u32, String)> = rows.collect::<Result<_, _>>()?;
    ensure!(rows.iter().zip(1..).all(|((seq, _), at)| *seq == at), "the ledger's numbers have gaps");
    Ok(rows.into_iter().map(|(_, id)| id).collect())
}

/// How many rows the order book holds, the edge being stopped: each once, in their order.
fn ordered(world: &World) -> Result<u32> {
    let database = Connection::open(world.database("LearnerObject")?)?;
    let mut select = database.prepare("SELECT first, last FROM batches ORDER BY n")?;
    let mut before = 0;
    for batch in select.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)))? {
        let (first, last) = batch?;
        ensure!(first == before + 1 && last >= first, "rows {first} to {last} follow row {before}");
        before = last;
    }
    Ok(before)
}

/// What a restart must not change.
fn lasting(report: &LiveReport) -> Value {
    json!([report.events_folded, report.model, report.offers, report.curve])
}

/// Holds sent, acknowledged, stored and applied against each other, then kills the edge once more: what comes back must be
/// the same.
async fn account(world: &mut World, seen: &Seen) -> Result<()> {
    let acknowledged = seen.acknowledged();
    let count = acknowledged.len();
    let report = world.until(PATIENCE, |report| report.events_folded >= count as u64).await?;
    world.edge.kill().await?;
    let stored = stored(world)?;
    eprintln!(
        "{} decisions; events: {} sent, {} batches refused, {count} acknowledged, {} stored, {} applied",
        seen.decided.load(Ordering::Relaxed),
        seen.sent.load(Ordering::Relaxed),
        seen.refused.load(Ordering::Relaxed),
        stored.len(),
        report.events_folded,
    );
    assert!(count > 0, "nothing was acknowledged");
    assert_eq!(stored.len(), count, "rows in the ledger");
    assert!(stored.into_iter().collect::<BTreeSet<_>>() == acknowledged, "the ledger has other events");
    assert_eq!(ordered(world)? as usize, count, "rows in the order book");
    assert_eq!(report.events_folded, count as u64, "rows in the model");
    assert_eq!(counted(&report), expected(&acknowledged), "events in the counts");
    world.edge.restart().await?;
    assert_eq!(lasting(&world.report().await?), lasting(&report), "after one more kill");
    Ok(())
}

#[tokio::test]
async fn killed_at_any_moment_it_keeps_each_acknowledged_event_once() -> Result<()> {
    let kills = match std::env::var("PORTICO_KILLS") {
        Ok(asked) => asked.parse().context("PORTICO_KILLS")?,
        Err(_) => KILLS,
    };
    let mut world = World::start().await?;
    let mut public = Public::send(&world, 0)?;
    let mut rng = Rng::with_seed(9);
    for _ in 0..kills {
        sleep(Duration::from_millis(rng.u64(..1_500))).await;
        world.edge.kill().await?;
        public.until(|_| true).await?;
        world.edge.restart().await?;
    }
    let seen = public.home().await?;
    assert_eq!(seen.refused.load(Ordering::Relaxed), 0, "batches refused");
    account(&mut world, &seen).await
}

#[tokio::test]
async fn stopped_for_a_while_it_neither_loses_nor_repeats() -> Result<()> {
    let mut world = World::start().await?;
    let mut public = Public::send(&world, 0)?;
    let mut rng = Rng::with_seed(10);
    for _ in 0..STOPS {
        sleep(Duration::from_millis(rng.u64(300..1_000))).await;
        signal(&world, Signal::STOP)?;
        sleep(STOPPED).await;
        signal(&world, Signal::CONT)?;
        let before = public.seen.acknowledged().len();
        public.until(|seen| seen.acknowledged().len() > before).await?;
    }
    let seen = public.home().await?;
    account(&mut world, &seen).await
}

fn process(world: &World) -> Result<Pid> {
    let pid = world.edge.pid().context("the edge does not run")?;
    Pid::from_raw(i32::try_from(pid)?).context("not a process id")
}

fn signal(world: &World, signal: Signal) -> Result<()> {
    Ok(kill_process(process(world)?, signal)?)
}

/// A disk whose room can be taken and given back.
enum Disk {
    /// Every user has one: no file of the edge may become longer than so much.
    Limit,
    /// A small file system of its own, named by `PORTICO_SMALL_DISK`, and the file that takes its room.
    Small(PathBuf),
}

impl Disk {
    /// Leaves very little.
    fn fill(&self, world: &World) -> Result<()> {
        match self {
            Self::Limit => {
                let folder = world.database("LedgerObject")?.parent().context("no folder")?.to_owned();
                let lengths = std::fs::read_dir(folder)?.map(|file| Ok(file?.metadata()?.len()));
                let longest = lengths.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(0);
                limit(world, Some(longest + ROOM))
            }
            Self::Small(filler) => {
                let mut file = File::create(filler)?;
                while file.write_all(&[0; 4096]).is_ok() {}
                Ok(file.set_len(file.metadata()?.len().saturating_sub(ROOM))?)
            }
        }
    }

    /// Gives the room back.
    fn clear(&self, world: &World) -> Result<()> {
        match self {
            Self::Limit if world.edge.pid().is_some() => limit(world, None),
            Self::Limit => Ok(()),
            Self::Small(filler) => Ok(std::fs::remove_file(filler)?),
        }
    }
}

/// A process that writes beyond its limit is ended by a signal, unless it was told to do without: this one was.
fn unsignalled(options: &EdgeOptions) -> Result<PathBuf> {
    let path = options.data.join("workerd.sh");
    std::fs::write(&path, format!("#!/bin/sh\ntrap '' XFSZ\nexec '{}' \"$@\"\n", options.workerd.display()))?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700))?;
    Ok(path)
}

fn limit(world: &World, bytes: Option<u64>) -> Result<()> {
    prlimit(Some(process(world)?), Resource::Fsize, Rlimit { current: bytes, maximum: None })?;
    Ok(())
}

#[tokio::test]
async fn without_room_on_the_disk_it_acknowledges_nothing_and_decides_on() -> Result<()> {
    let small = std::env::var_os("PORTICO_SMALL_DISK").map(PathBuf::from);
    let disk = small.as_ref().map_or(Disk::Limit, |small| Disk::Small(small.join("filler")));
    let mut world = World::start_with(|options| {
        match small {
            Some(small) => options.data = small.join("data"),
            None => options.workerd = unsignalled(options)?,
        }
        Ok(())
    })
    .await?;
    let mut public = Public::send(&world, 0)?;
    public.until(|seen| seen.acknowledged().len() > 100).await?;
    for killed in [false, true] {
        disk.fill(&world)?;
        let refused = public.seen.refused.load(Ordering::Relaxed);
        public.until(|seen| seen.refused.load(Ordering::Relaxed) > refused + 20).await?;
        // Decisions go on, and what is refused stays refused.
        let decided = public.seen.decided.load(Ordering::Relaxed);
        public.until(|seen| seen.decided.load(Ordering::Relaxed) > decided + 50).await?;
        if killed {
            world.edge.kill().await?;
            let acknowledged = public.seen.acknowledged();
            let stored: BTreeSet<String> = stored(&world)?.into_iter().collect();
            assert!(acknowledged.is_subset(&stored), "{:?}", acknowledged.difference(&stored));
        }
        disk.clear(&world)?;
        if killed {
            world.edge.restart().await?;
        }
        let before = public.seen.acknowledged().len();
        public.until(|seen| seen.acknowledged().len() > before + 100).await?;
        // What failed is told line by line, with the requests that met it.
        let log = world.edge.log();
        let said = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let failed: Vec<Value> = said.filter(|line| line["what"] == "a ledger does not record").collect();
        let named = |line: &Value| line["request"].as_str().is_some_and(|request| request.len() == 16);
        assert!(!failed.is_empty() && failed.iter().all(named), "{failed:?}");
    }
    let seen = public.home().await?;
    account(&mut world, &seen).await
}

/// workerd on a disk that takes [`SLOW`] to write anything down.
fn slowed(options: &EdgeOptions) -> Result<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/system/slow_disk/preload.rs");
    let library = options.data.join("slow_disk.so");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiled = std::process::Command::new(rustc)
        .args(["--edition=2024", "--crate-type=cdylib", "-O", "-o"])
        .arg(&library)
        .arg(source)
        .status()?;
    ensure!(compiled.success(), "the slow disk does not compile");
    let path = options.data.join("workerd.sh");
    let (library, workerd) = (library.display(), options.workerd.display());
    std::fs::write(&path, format!("#!/bin/sh\nLD_PRELOAD='{library}' exec '{workerd}' \"$@\"\n"))?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700))?;
    Ok(path)
}

#[tokio::test]
async fn on_a_slow_disk_it_confirms_late_and_loses_nothing() -> Result<()> {
    let mut world = World::start_with(|options| {
        options.workerd = slowed(options)?;
        Ok(())
    })
    .await?;
    let decided = world.post("/v1/decide", &world.question()).await?;
    let token = decided.at("/placements/0/offers/0/token");
    let events =
        json!({ "site": SITE_KEY, "events": [{ "id": "00000000-seen", "type": "impression", "token": token }] });
    let begun = Instant::now();
    let answer = world.post("/v1/events", &events).await?;
    assert_eq!(answer.at("/accepted"), 1, "{}", answer.text);
    let took = begun.elapsed();
    assert!(took >= SLOW, "confirmed after {took:?}, before it was on the disk");

    let mut public = Public::send(&world, 1)?;
    public.until(|seen| seen.acknowledged().len() > 60).await?;
    world.edge.kill().await?;
    let acknowledged = public.seen.acknowledged();
    let stored: BTreeSet<String> = stored(&world)?.into_iter().collect();
    assert!(acknowledged.is_subset(&stored), "{:?}", acknowledged.difference(&stored));
    world.edge.restart().await?;
    let seen = public.home().await?;
    seen.acknowledge(["00000000-seen".to_owned()])?;
    account(&mut world, &seen).await
}

/// The learner's checkpoint, one part after the other.
fn checkpoint(world: &World) -> Result<Vec<u8>> {
    let database = Connection::open(world.database("LearnerObject")?)?;
    let mut select = database.prepare("SELECT bytes FROM checkpoint ORDER BY part")?;
    let parts = select.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Whether a checkpoint holds so many rows.
fn holds(checkpoint: &[u8], rows: usize) -> bool {
    let rows = format!("\"rows\":{rows},");
    checkpoint.windows(rows.len()).any(|window| window == rows.as_bytes())
}

/// Waits for a checkpoint that holds so many rows; the edge is killed then.
async fn killed_with_checkpoint(world: &mut World, rows: usize) -> Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    loop {
        sleep(Duration::from_secs(1)).await;
        let bytes = checkpoint(world)?;
        if holds(&bytes, rows) {
            world.edge.kill().await?;
            return Ok(bytes);
        }
        ensure!(Instant::now() < end, "no checkpoint of {rows} rows after {PATIENCE:?}");
    }
}

/// What the model thinks of every offer: the version, and the means by stage.
async fn beliefs(world: &World) -> Result<Value> {
    let question = json!({
        "site": "", "placements": [{ "id": "product-side" }], "context": { "topic": "cards" }, "explain": true,
    });
    let answer = world.server(Method::POST, "/v1/decide", Some(&question)).await?;
    ensure!(answer.status == 200, "a decision was answered with {}: {}", answer.status, answer.text);
    let offers = answer.at("/trace/0/offers").as_array().cloned().unwrap_or_default();
    let mut means: Vec<String> = offers
        .iter()
        .map(|it| format!("{} {} {}", it["offer"], it["stages"][0]["mean"], it["stages"][1]["mean"]))
        .collect();
    means.sort();
    Ok(json!([answer.at("/model"), means]))
}

#[tokio::test]
async fn a_damaged_checkpoint_is_made_good_from_the_ledger() -> Result<()> {
    let mut world = World::start().await?;
    let mut public = Public::send(&world, 0)?;
    public.until(|seen| seen.acknowledged().len() > 300).await?;
    let seen = public.home().await?;
    let count = seen.acknowledged().len();
    let report = world.until(PATIENCE, |report| report.events_folded == count as u64).await?;
    let whole = killed_with_checkpoint(&mut world, count).await?;
    world.edge.restart().await?;
    let (report, before) = (lasting(&report), beliefs(&world).await?);
    assert_eq!(before[0], report[1], "the decision was made with another model");

    let mut rng = Rng::with_seed(11);
    let mut damages =
        vec![Vec::new(), whole[..whole.len() / 2].to_vec(), vec![0; whole.len()], vec![0xff; whole.len()]];
    for length in [16, 16, 16, 1, 1, 1, 1, 1] {
        let mut damaged = whole.clone();
        let at = rng.usize(..whole.len() - length);
        damaged[at..at + length].iter_mut().for_each(|byte| *byte ^= rng.u8(1..));
        damages.push(damaged);
    }
    for (number, damaged) in damages.into_iter().enumerate() {
        world.edge.kill().await?;
        let database = Connection::open(world.database("LearnerObject")?)?;
        database.execute("DELETE FROM checkpoint WHERE part > 0", [])?;
        assert_eq!(database.execute("UPDATE checkpoint SET bytes = ?", [damaged])?, 1);
        drop(database);
        world.edge.restart().await?;
        // The first decision of all asks for the model.
        let question = world.question();
        let decided = world.post("/v1/decide", &question).await?;
        assert_eq!(decided.status, 200, "damage {number}: {}", decided.text);
        assert!(lasting(&world.report().await?) == report, "damage {number}: other counts");
        assert!(beliefs(&world).await? == before, "damage {number}: another model");
    }
    // It is whole again, and what comes now goes on from there.
    world.edge.kill().await?;
    assert!(holds(&checkpoint(&world)?, count), "nothing was written after the last replay");
    world.edge.restart().await?;
    let mut public = Public::send(&world, 1)?;
    public.until(|seen| seen.acknowledged().len() > 100).await?;
    let later = public.home().await?;
    later.acknowledge(seen.acknowledged())?;
    account(&mut world, &later).await
}

#[tokio::test]
async fn a_learner_whose_file_is_lost_is_made_anew_from_the_ledger() -> Result<()> {
    let mut world = World::start().await?;
    let mut public = Public::send(&world, 0)?;
    public.until(|seen| seen.acknowledged().len() > 300).await?;
    let before = public.home().await?;
    world.until(PATIENCE, |report| report.events_folded == before.acknowledged().len() as u64).await?;
    world.edge.kill().await?;
    let file = world.database("LearnerObject")?;
    let length = std::fs::metadata(&file)?.len();
    for end in ["-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{end}", file.display())));
    }
    std::fs::write(&file, vec![0xa5; usize::try_from(length)?])?;
    world.edge.restart().await?;
    // It is no database any more: decisions go on without a model, and answers are kept until there is a learner again.
    let mut public = Public::send(&world, 1)?;
    public.until(|seen| seen.acknowledged().len() > 100).await?;
    assert_eq!(beliefs(&world).await?[0], 0, "the model of decisions");
    let seen = public.home().await?;
    world.edge.kill().await?;
    std::fs::remove_file(&file)?;
    world.edge.restart().await?;
    seen.acknowledge(before.acknowledged())?;
    account(&mut world, &seen).await
}

/// Repeats what the ledger holds, the edge being stopped, each row in a batch of its own; says how many rows there are
/// then.
fn repeat(world: &World, times: u32) -> Result<u32> {
    let ledger = Connection::open(world.database("LedgerObject")?)?;
    let learner = Connection::open(world.database("LearnerObject")?)?;
    let rows: u32 = ledger.query_row("SELECT max(seq) FROM rows", [], |row| row.get(0))?;
    for at in 1..=times {
        ledger.execute(
            "INSERT INTO rows SELECT seq + ?1, id || ?1, decision || ?1, offer, step, at, \
             row FROM rows WHERE seq <= ?2",
            [at * rows, rows],
        )?;
    }
    let config: u32 = learner.query_row("SELECT max(config) FROM batches", [], |row| row.get(0))?;
    learner.execute("DELETE FROM batches", [])?;
    learner.execute(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
         INSERT INTO batches SELECT n, 0, n, n, ?2 FROM numbers",
        [(times + 1) * rows, config],
    )?;
    learner.execute("DELETE FROM checkpoint", [])?;
    Ok((times + 1) * rows)
}

#[tokio::test]
async fn a_long_record_is_folded_again_once_and_holds_nobody_up() -> Result<()> {
    let mut world = World::start().await?;
    let mut public = Public::send(&world, 0)?;
    public.until(|seen| seen.acknowledged().len() > 400).await?;
    let count = public.home().await?.acknowledged().len();
    world.until(PATIENCE, |report| report.events_folded == count as u64).await?;
    world.edge.kill().await?;
    let rows = repeat(&world, 20)?;
    world.edge.restart().await?;
    let answered = AtomicUsize::new(0);
    let others = async {
        loop {
            // Nothing of it needs the learner.
            if reqwest::get(format!("{}/healthz", world.edge.origin())).await.is_ok() {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let report = tokio::select! {
        report = world.until(PATIENCE, |_| true) => report?,
        () = others => unreachable!("they ask for ever"),
    };
    let answered = answered.into_inner();
    assert_eq!(report.events_folded, u64::from(rows));
    assert!(answered > 3, "only {answered} others were answered meanwhile");
    world.edge.kill().await?;
    assert!(holds(&checkpoint(&world)?, rows as usize), "nothing was written after the replay");
    Ok(())
}

/// Rows that the site keeps no longer become counts by day; the model has learned from them and goes on.
#[tokio::test]
async fn what_is_kept_no_longer_is_counted() -> Result<()> {
    let mut world = World::start().await?;
    let shown = async |world: &World| -> Result<Value> {
        Ok(world.post("/v1/decide", &world.question()).await?.at("/placements/0/offers/0/token").clone())
    };
    let send = async |world: &World, events: Value| -> Result<()> {
        let receipt = world.post("/v1/events", &json!({ "site": SITE_KEY, "events": events })).await?;
        ensure!(receipt.at("/rejected") == &json!([]), "{}", receipt.text);
        Ok(())
    };
    let first = shown(&world).await?;
    let old = json!([
        { "id": "00000000-0001", "type": "impression", "token": first },
        { "id": "00000000-0002", "type": "impression", "token": shown(&world).await? },
        { "id": "00000000-0003", "type": "track", "name": "calculator_used" },
    ]);
    send(&world, old).await?;
    let outcome = json!({ "outcomes": [{ "id": "o-1", "token": first, "stage": "applied", "value": 100.0 }] });
    world.server(Method::POST, "/v1/outcomes", Some(&outcome)).await?;
    world.until(PATIENCE, |report| report.events_folded == 4).await?;
    world.edge.stop().await?;
    // More than the 400 days that rows are kept.
    let ledger = world.database("LedgerObject")?;
    Connection::open(&ledger)?.execute("UPDATE rows SET at = at - 401 * 86400000", [])?;
    world.edge.restart().await?;
    send(&world, json!([{ "id": "00000000-0005", "type": "impression", "token": shown(&world).await? }])).await?;
    let end = Instant::now() + PATIENCE;
    loop {
        let metrics = world.server(Method::GET, "/metrics", None).await?;
        let value = |series: &str| metrics.text.lines().any(|line| line == series);
        if value("portico_events_kept{shard=\"0\"} 1") {
            ensure!(value("portico_events_recorded_total{shard=\"0\"} 5"), "{}", metrics.text);
            break;
        }
        ensure!(Instant::now() < end, "still kept: {}", metrics.text);
        sleep(Duration::from_millis(100)).await;
    }
    let report = world.until(PATIENCE, |report| report.events_folded == 5).await?;
    let impressions = |report: &LiveReport| -> u64 {
        report.offers.iter().flat_map(|offer| offer.arms.values()).map(|counts| counts.impressions).sum()
    };
    assert_eq!(impressions(&report), 3, "what was learned stays");

    world.edge.stop().await?;
    let database = Connection::open(&ledger)?;
    let counted: Vec<(String, u32, f64)> = database
        .prepare("SELECT kind, sum(rows), sum(value) FROM days GROUP BY kind ORDER BY kind")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let expect = [("impression", 2, 0.0), ("stage 1", 1, 100.0), ("track calculator_used", 1, 0.0)];
    assert_eq!(counted, expect.map(|(kind, rows, value)| (kind.to_owned(), rows, value)));
    let worth: u32 = database.query_row("SELECT count(*) FROM worth", [], |row| row.get(0))?;
    assert_eq!(worth, 0);
    drop(database);

    // A learner that has lost everything begins with what is kept.
    std::fs::remove_file(world.database("LearnerObject")?)?;
    world.edge.restart().await?;
    send(&world, json!([{ "id": "00000000-0006", "type": "impression", "token": shown(&world).await? }])).await?;
    let report = world.until(PATIENCE, |report| report.events_folded == 2).await?;
    assert_eq!(impressions(&report), 2);
    Ok(())
}

/// Makes WebAssembly fail as a panic does, at the so-many-th look at the clock of a request that asks for it.
const PANICS: &str = r#"
let panicsAfter = 0;
const { now } = Date;
Date.now = () => {
  if (panicsAfter > 0 && --panicsAfter === 0) throw new WebAssembly.RuntimeError("unreachable");
  return now();
};
const { get } = Headers.prototype;
Headers.prototype.get = function (name) {
  const value = get.call(this, name);
  if (name === "User-Agent") panicsAfter = value?.startsWith("panics ") ? +value.slice(7) : 0;
  return value;
};
"#;

#[tokio::test]
async fn after_a_panic_everything_begins_anew() -> Result<()> {
    let world = World::start_with(|options| {
        let dist = options.data.with_extension("dist");
        std::fs::create_dir_all(dist.join("edge"))?;
        std::os::unix::fs::symlink(options.dist.join("assets"), dist.join("assets"))?;
        std::fs::copy(options.dist.join("edge/index_bg.wasm"), dist.join("edge/index_bg.wasm"))?;
        let worker = std::fs::read_to_string(options.dist.join("edge/index.js"))?;
        std::fs::write(dist.join("edge/index.js"), format!("{PANICS}{worker}"))?;
        options.dist = dist;
        Ok(())
    })
    .await?;
    let mut failed = 0;
    for number in 1..=8_u64 {
        let decided = world.post("/v1/decide", &world.question()).await?;
        assert_eq!(decided.status, 200, "{}", decided.text);
        let events = json!({ "site": SITE_KEY, "events": [{
            "id": format!("00000000-{number:04}"), "type": "impression", "token": decided.at("/placements/0/offers/0/token"),
        }] });
        let asked = world.request(Method::POST, "/v1/events").header("Origin", &world.bank);
        let asked = asked.header("User-Agent", format!("panics {number}")).timeout(GIVE_UP);
        failed += u64::from(!asked.body(events.to_string()).send().await.is_ok_and(|answer| answer.status() == 202));
        // What was not confirmed may have been recorded all the same, and is once.
        let again = world.post("/v1/events", &events).await?;
        assert_eq!(again.status, 202, "{number}: {}\n{}", again.text, world.edge.log_tail());
        let known = |field: &str| again.at(field).as_u64().unwrap_or(0);
        assert_eq!(known("/accepted") + known("/duplicate"), 1, "{number}: {}", again.text);
        world.until(PATIENCE, |report| report.events_folded == number).await?;
    }
    assert!(failed >= 3, "only {failed} requests met a panic");
    Ok(())
}
