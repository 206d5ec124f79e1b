//! What customers are worth: computed attributes and the levels of tiers, from all that is known of them.

use std::collections::BTreeMap;

use portico_engine::{Facts, Source};
use portico_protocol::decide::Consent;
use portico_protocol::profile::{Profile, Told};
use portico_protocol::seal::Memory;
use portico_protocol::stream::Stream;

use crate::facts;
use crate::objects::visitor::Values;
use crate::snapshot::Snapshot;

/// A day, and the part of it over which customers are spread who are valued at night.
const DAY_MS: u64 = 86_400_000;
const NIGHT_MS: u64 = 4 * 3_600_000;

/// What somebody came to.
#[derive(Debug, Default)]
pub(crate) struct Valued {
    /// Computed attributes that are known.
    pub(crate) values: Values,
    /// The level of each tier, where it is known.
    pub(crate) levels: BTreeMap<String, String>,
}

/// Values somebody. What they agreed to makes no difference: it is about what they are to the bank, not what they are shown.
pub(crate) fn value(
    snapshot: &Snapshot,
    profile: &Profile,
    (memory, stream): (&Memory, &Stream),
    now_ms: u64,
) -> Valued {
    let (policy, config) = (&snapshot.settings.policy, &snapshot.settings.config.profile);
    let mut facts = Facts::default();
    facts::of_memory(&mut facts, memory, snapshot);
    facts::of_stream(&mut facts, stream, now_ms);
    facts.extend(Source::Profile, config.facts(profile, Consent::ALL, now_ms));
    let mut values = Values::new();
    for (name, value) in policy.compute(&snapshot.predictor, &facts, now_ms) {
        if let Some(value) = value {
            facts.insert(Source::Profile, name, value);
            values.insert(name.to_owned(), Told::new(value.into(), now_ms));
        }
    }
    let levels = policy.levels(&facts, now_ms).into_iter();
    let levels = levels.filter_map(|(tier, level)| Some((tier.to_owned(), level?.to_owned()))).collect();
    Valued { values, levels }
}

/// When somebody is valued next who was valued now: some time of the coming night (from midnight UTC), for everybody another.
pub(crate) fn next_ms(object: &str, now_ms: u64) -> u64 {
    let part = object.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let today_ms = now_ms - now_ms % DAY_MS + part % NIGHT_MS;
    if today_ms > now_ms { today_ms } else { today_ms + DAY_MS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_valued_once_a_night() {
        for object in ["a", "b", "0123456789abcdef"] {
            let mut now_ms = 20_000 * DAY_MS + 13 * 3_600_000;
            for day in 1..4 {
                let next = next_ms(object, now_ms);
                assert!(next > now_ms && next / DAY_MS == 20_000 + day && next % DAY_MS < NIGHT_MS, "{next}");
                now_ms = next;
            }
        }
        assert_ne!(next_ms("a", 0), next_ms("b", 0));
    }
}
