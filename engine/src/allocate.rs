//! One allocation over all slots of a page: the offers that are worth the most together, none twice.
//!
//! Slots that take the same offers are filled by rank alone. Where placements differ, filling them one after the other
//! may take the only offer that a later one could show. So slots are added one by one to an assignment that stays the
//! best there is: each new slot may pass its offer's earlier owner on to another, along the chain that gains the most
//! (successive augmenting paths; Kuhn 1955, Edmonds and Karp 1972).

/// Slots up to which chains are looked for; a page with more is filled in order.
pub(crate) const MOST_SLOTS: usize = 40;

/// One slot's candidates: offers with their value in this slot.
pub(crate) type Candidates = Vec<(usize, f64)>;

/// What a chain gains: slots filled, then value.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Gain(i32, f64);

/// Where a chain has got to.
#[derive(Clone, Copy, Debug)]
struct Reached {
    /// An offer, or a slot's way to stay empty.
    end: End,
    gain: Gain,
    /// The slot that takes it.
    by: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Offer(usize),
    Empty(usize),
}

/// The offer of each slot; none where nothing is left for it. As many slots as possible are filled, and among the ways
/// to fill them the most valuable is taken. Ties go to the candidate named first.
pub(crate) fn assign(slots: &[Candidates]) -> Vec<Option<usize>> {
    let mut assigned: Vec<Option<usize>> = vec![None; slots.len()];
    for new in 0..slots.len() {
        let reached = chains(slots, &assigned, new);
        let free = |reached: &&Reached| match reached.end {
            End::Offer(offer) => !assigned.contains(&Some(offer)),
            End::Empty(_) => true,
        };
        let best = reached.iter().filter(free).fold(None, |best: Option<&Reached>, one| match best {
            Some(best) if best.gain >= one.gain => Some(best),
            _ => Some(one),
        });
        // Walk the chain back: every slot on it takes what it reached for and gives up its own.
        let mut next = best.copied();
        for _ in 0..=slots.len() {
            let Some(Reached { end, by, .. }) = next else { break };
            let Some(taken) = assigned.get_mut(by) else { break };
            let before = match end {
                End::Offer(offer) => taken.replace(offer),
                End::Empty(_) => taken.take(),
            };
            next = before.and_then(|before| reached.iter().find(|one| one.end == End::Offer(before)).copied());
        }
    }
    assigned
}

/// The best chains from a new slot to everything that it can reach (Bellman and Ford: gains may be negative, and since
/// the assignment was the best there is, no circle gains anything).
fn chains(slots: &[Candidates], assigned: &[Option<usize>], new: usize) -> Vec<Reached> {
    let mut reached: Vec<Reached> = Vec::new();
    let mut frontier = vec![(new, Gain(0, 0.0))];
    for _ in 0..=new {
        let mut improved = Vec::new();
        for (slot, Gain(filled, value)) in frontier {
            let offers = slots.get(slot).into_iter().flatten();
            let takes = offers.map(|(offer, worth)| (End::Offer(*offer), Gain(filled + 1, value + worth)));
            for (end, gain) in takes.chain([(End::Empty(slot), Gain(filled, value))]) {
                match reached.iter_mut().find(|known| known.end == end) {
                    Some(known) if gain.0 <= known.gain.0 && gain.1 <= known.gain.1 + 1e-12 => continue,
                    Some(known) if gain < known.gain => continue,
                    Some(known) => *known = Reached { end, gain, by: slot },
                    None => reached.push(Reached { end, gain, by: slot }),
                }
                if let End::Offer(offer) = end
                    && let Some(owner) = assigned.iter().position(|taken| *taken == Some(offer))
                {
                    improved.push((owner, Gain(gain.0 - 1, gain.1 - value_of(slots, owner, offer))));
                }
            }
        }
        if improved.is_empty() {
            break;
        }
        frontier = improved;
    }
    reached
}

fn value_of(slots: &[Candidates], slot: usize, offer: usize) -> f64 {
    let candidates = slots.get(slot).into_iter().flatten();
    candidates.filter(|(candidate, _)| *candidate == offer).map(|(_, value)| *value).next().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fewest empty slots, then most value, over all ways to fill.
    fn brute_force(slots: &[Candidates]) -> (usize, f64) {
        fn fill(slots: &[Candidates], taken: &mut Vec<usize>) -> (usize, f64) {
            let Some((first, rest)) = slots.split_first() else { return (0, 0.0) };
            let mut best = fill(rest, taken);
            for (offer, value) in first {
                if !taken.contains(offer) {
                    taken.push(*offer);
                    let (filled, sum) = fill(rest, taken);
                    taken.pop();
                    if (filled + 1, sum + value) > best {
                        best = (filled + 1, sum + value);
                    }
                }
            }
            best
        }
        fill(slots, &mut Vec::new())
    }

    #[test]
    fn the_only_offer_of_a_later_slot_is_left_to_it() {
        let slots = [vec![(0, 5.0), (1, 4.0)], vec![(0, 5.0)]];
        assert_eq!(assign(&slots), [Some(1), Some(0)]);
        assert_eq!(assign(&[vec![], vec![(3, 1.0)], vec![(3, 2.0)]]).iter().flatten().count(), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_better(values in prop::collection::vec(prop::collection::btree_map(0..6_usize, -3..9_i32, 0..5), 0..6)) {
            let slots: Vec<Candidates> =
                values.iter().map(|slot| slot.iter().map(|(offer, value)| (*offer, f64::from(*value))).collect()).collect();
            let assigned = assign(&slots);
            let mut taken: Vec<usize> = assigned.iter().flatten().copied().collect();
            let filled = taken.len();
            let sum: f64 = assigned.iter().enumerate().filter_map(|(slot, offer)| Some(value_of(&slots, slot, (*offer)?))).sum();
            taken.sort_unstable();
            taken.dedup();
            prop_assert_eq!(taken.len(), filled, "an offer stands twice");
            for (slot, offer) in assigned.iter().enumerate() {
                prop_assert!(offer.is_none_or(|offer| slots[slot].iter().any(|(candidate, _)| *candidate == offer)));
            }
            prop_assert_eq!((filled, sum), brute_force(&slots));
        }
    }
}
