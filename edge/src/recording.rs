//! The way of rows to the site's ledger: which shard records a row, and what happens when there are too many.
//!
//! An answer goes to the shard that its showing was given when it was decided; the offer's token says which. A note has no
//! showing: the hash of its id says where it goes. After the number of shards has changed, a note that is sent again might
//! go elsewhere, so for some days it is first asked for where it would have gone before.

use std::cell::RefCell;
use std::collections::BTreeMap;

use portico_engine::keyed_hash;
use portico_protocol::problem::ProblemKind;
use worker::{Context, Env};

use crate::error::Failure;
use crate::log;
use crate::objects::call;
use crate::objects::ledger::{self, Append, DAY_MS, Entry, Known, NewRow, Taken};
use crate::objects::site::Shards;
use crate::routes::metrics::{Counted, count};
use crate::snapshot::{self, Snapshot};

/// Appends of one isolate to one shard that may be under way. A shard takes some hundred a second (docs/benchmarks.md), so
/// whoever comes last waits for most of a second; more would only wait longer.
const MOST_UNDER_WAY: usize = 256;

thread_local! {
    static UNDER_WAY: RefCell<BTreeMap<String, usize>> = RefCell::default();
}

/// The shard that records the answers to what is decided now for someone.
pub(crate) fn shard_of(snapshot: &Snapshot, sticky: &str) -> u16 {
    shard(snapshot, sticky, snapshot.settings.shards.now)
}

fn shard(snapshot: &Snapshot, of: &str, shards: u16) -> u16 {
    let hash = keyed_hash(&snapshot.settings.hash_key, &[b"shard", of.as_bytes()]);
    u16::try_from(hash % u64::from(shards.max(1))).unwrap_or(0)
}

/// Names of all shards that may hold rows of the site.
pub(crate) fn all_shards(snapshot: &Snapshot) -> impl Iterator<Item = (u16, String)> {
    (0..snapshot.settings.shards.most).map(|shard| (shard, ledger::name(&snapshot.site, shard)))
}

/// Records rows, each with its shard, and sees to it that this isolate soon decides with them. What became of each is
/// told in their order.
///
/// # Errors
/// [`ProblemKind::Busy`] when a shard cannot take them at the moment. Some may have been recorded; sending all again is
/// harmless.
pub(crate) async fn record(
    env: &Env,
    context: &Context,
    snapshot: &Snapshot,
    rows: Vec<NewRow>,
) -> Result<Vec<Taken>, Failure> {
    let mut taken: Vec<Option<Taken>> = rows.iter().map(|_| None).collect();
    let mut by_shard: BTreeMap<u16, Vec<(usize, NewRow)>> = BTreeMap::new();
    for (at, mut row) in rows.into_iter().enumerate() {
        let shard = match &mut row.entry {
            Entry::Answer { record, .. } => {
                // What many share names nobody.
                record.customer = None;
                record.shard
            }
            Entry::Note { .. } => shard_of(snapshot, &row.id),
        };
        by_shard.entry(shard).or_default().push((at, row));
    }
    if !snapshot.settings.shards.former.is_empty() {
        pass_over_known(env, snapshot, &mut by_shard, &mut taken).await?;
    }
    for (shard, rows) in by_shard {
        let (places, rows): (Vec<usize>, Vec<NewRow>) = rows.into_iter().unzip();
        for (place, answer) in places.into_iter().zip(append(env, snapshot, shard, rows).await?) {
            if let Some(taken) = taken.get_mut(place) {
                *taken = Some(answer);
            }
        }
    }
    snapshot::follow_events(env, context, &snapshot.site);
    let taken: Vec<Taken> = taken
        .into_iter()
        .map(|taken| taken.ok_or(Failure::Internal("a row without an answer")))
        .collect::<Result<_, _>>()?;
    let of = |wanted: fn(&&Taken) -> bool| taken.iter().filter(wanted).count();
    count(&snapshot.site, Counted::Accepted, of(|taken| matches!(taken, Taken::New(_))));
    count(&snapshot.site, Counted::Duplicate, of(|taken| matches!(taken, Taken::Known(_))));
    Ok(taken)
}

/// Takes out the notes that are on record where they would have gone under former numbers of shards.
async fn pass_over_known(
    env: &Env,
    snapshot: &Snapshot,
    by_shard: &mut BTreeMap<u16, Vec<(usize, NewRow)>>,
    taken: &mut [Option<Taken>],
) -> Result<(), Failure> {
    let Shards { former, .. } = &snapshot.settings.shards;
    let mut asked: BTreeMap<u16, Vec<(usize, String)>> = BTreeMap::new();
    for (now, rows) in by_shard.iter() {
        for (at, row) in rows.iter().filter(|(_, row)| matches!(row.entry, Entry::Note { .. })) {
            for shards in former {
                let before = shard(snapshot, &row.id, *shards);
                if before != *now {
                    asked.entry(before).or_default().push((*at, row.id.clone()));
                }
            }
        }
    }
    for (shard, notes) in asked {
        let ids = notes.iter().map(|(_, id)| id.clone()).collect();
        let known = call(env, &ledger::name(&snapshot.site, shard), &Known { ids }).await;
        let known = known.map_err(|failure| busy(&snapshot.site, &failure))?;
        for ((at, _), known) in notes.into_iter().zip(known) {
            if let Some((taken, since_ms)) = taken.get_mut(at).zip(known) {
                *taken = Some(Taken::Known(since_ms));
            }
        }
    }
    for rows in by_shard.values_mut() {
        rows.retain(|(at, _)| taken.get(*at).is_none_or(Option::is_none));
    }
    by_shard.retain(|_, rows| !rows.is_empty());
    Ok(())
}

async fn append(env: &Env, snapshot: &Snapshot, shard: u16, rows: Vec<NewRow>) -> Result<Vec<Taken>, Failure> {
    let name = ledger::name(&snapshot.site, shard);
    let under_way = UnderWay::begin(&name).ok_or_else(|| turned_away(&snapshot.site))?;
    let keep_ms = u64::from(snapshot.settings.config.ledger.keep_days) * DAY_MS;
    let append = Append { site: snapshot.site.clone(), shard, keep_ms, rows };
    let answer = call(env, &name, &append).await.map_err(|failure| busy(&snapshot.site, &failure));
    drop(under_way);
    answer
}

/// Whatever keeps a shard from recording (it moves, restarts, has no room), its senders keep what they have.
pub(crate) fn busy(site: &str, failure: &Failure) -> Failure {
    log::error("a ledger does not record", failure);
    turned_away(site)
}

fn turned_away(site: &str) -> Failure {
    count(site, Counted::Busy, 1);
    Failure::refused(ProblemKind::Busy, "Keep what was not confirmed and send it again.")
}

/// An append that is under way, until it is dropped.
struct UnderWay(String);

impl UnderWay {
    fn begin(name: &str) -> Option<Self> {
        UNDER_WAY.with_borrow_mut(|all| {
            let count = all.entry(name.to_owned()).or_default();
            (*count < MOST_UNDER_WAY).then(|| {
                *count += 1;
                Self(name.to_owned())
            })
        })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.with_borrow_mut(|all| {
            if let Some(count) = all.get_mut(&self.0) {
                *count -= 1;
                if *count == 0 {
                    all.remove(&self.0);
                }
            }
        });
    }
}
