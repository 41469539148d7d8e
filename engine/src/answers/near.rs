//! What nearly merged: the review queue.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use super::{Known, counts_of, person_row};
use crate::model::{HeldBackBy, IdentifierId, LinkRow, OverrideKind, PersonKey, PersonRow, Timestamp};
use crate::read::{Read, ReadResult};
use crate::resolve::Counts;
use crate::rules::Rules;

/// Two persons that one link would make one.
#[derive(Clone, PartialEq, Debug)]
pub struct NearMerge {
    /// The link's end that comes first by name.
    pub a: IdentifierId,
    /// Its other end.
    pub b: IdentifierId,
    /// The persons of the two ends.
    pub persons: (PersonRow, PersonRow),
    /// The link's weight.
    pub weight: f64,
    /// The latest event time of its evidence.
    pub last_seen: Timestamp,
    /// What keeps it from joining them.
    pub apart_by: HeldApart,
    /// The limit that the two persons would break together, as they are:
    /// requiring the pair then does not make one of all they hold, but moves
    /// identifiers from one to the other.
    pub would_break: Option<HeldBackBy>,
}

/// What keeps a link from joining two persons.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum HeldApart {
    /// Its weight does not reach the threshold, and nothing else stops it.
    UnderThreshold {
        /// `person.threshold`.
        threshold: f64,
        /// How much is missing.
        missing: f64,
    },
    /// It conducts, and a limit holds it back.
    HeldBack(HeldBackBy),
}

/// The place of a candidate in the queue: the stronger first, then the later, then by name.
type Rank = (Reverse<u64>, Reverse<Timestamp>, [(String, String); 2]);

/// A link that may be in the queue.
struct Candidate {
    a: IdentifierId,
    b: IdentifierId,
    persons: (PersonKey, PersonKey),
    weight: f64,
    last_seen: Timestamp,
    apart_by: HeldApart,
}

/// The `limit` strongest pairs of persons that one link keeps apart by being
/// under the threshold or held back by a limit, strongest first; of equals the
/// later seen, then the first by name. Each pair of persons once, with the
/// strongest such link.
///
/// Not among them: links that are stopped by more than that, as by a shared
/// end; pairs of persons between which a forbid stands, which are rejected; and
/// required pairs, which are approved.
///
/// Reads every identifier twice (once for its overrides) and every link of one
/// that conducts; holds no more than `limit` pairs and the forbids.
pub fn near_merges(read: &impl Read, limit: usize) -> ReadResult<Vec<NearMerge>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let rejected = rejected_pairs(read)?;
    let rules = Rules::new(read.schema(), read.names());
    let mut queue = Queue { limit, ..Queue::default() };
    for id in read.identifiers(None) {
        let id = id?;
        let mut own: Option<Known> = None;
        for link in read.links(id, None) {
            let link = link?;
            if link.other < id || !rules.is_person(link.other_namespace) || queue.is_beyond(&link) {
                continue;
            }
            let own = match &mut own {
                Some(own) => own,
                none => none.insert(Known::read(read, id)?),
            };
            if own.shared || own.denied || !rules.is_person(own.namespace) {
                break;
            }
            let threshold = rules.threshold(own.namespace, link.other_namespace);
            let apart_by = match link.held_back_by {
                Some(HeldBackBy::Forbidden) => continue,
                Some(by) => HeldApart::HeldBack(by),
                None if link.weight < threshold => {
                    HeldApart::UnderThreshold { threshold, missing: threshold - link.weight }
                }
                None => continue,
            };
            let Some((person, of_other)) = own.person.zip(read.person_of(link.other)?) else { continue };
            let pair = ordered(person, of_other);
            if person == of_other || rejected.contains(&pair) || read.override_on(id, link.other)?.is_some() {
                continue;
            }
            let other = Known::read(read, link.other)?;
            if other.shared || other.denied {
                continue;
            }
            let name = |known: &Known| {
                (read.names().namespace_name(known.namespace).to_owned(), known.value.clone())
            };
            let (first, second) = (name(own), name(&other));
            let candidate = Candidate {
                a: id,
                b: link.other,
                persons: (person, of_other),
                weight: link.weight,
                last_seen: link.last_seen,
                apart_by,
            };
            let (candidate, names) = if first <= second {
                (candidate, [first, second])
            } else {
                let persons = (of_other, person);
                (Candidate { a: link.other, b: id, persons, ..candidate }, [second, first])
            };
            queue.offer((strength(link.weight), Reverse(link.last_seen), names), candidate);
        }
    }
    tell(read, &rules, queue)
}

/// The pairs of persons between which a forbid stands.
fn rejected_pairs(read: &impl Read) -> ReadResult<HashSet<(PersonKey, PersonKey)>> {
    let mut rejected = HashSet::new();
    for id in read.identifiers(None) {
        let id = id?;
        for row in read.overrides(id) {
            let row = row?;
            if row.said.kind == OverrideKind::Forbid
                && id < row.other
                && let Some((a, b)) = read.person_of(id)?.zip(read.person_of(row.other)?)
            {
                rejected.insert(ordered(a, b));
            }
        }
    }
    Ok(rejected)
}

fn ordered(a: PersonKey, b: PersonKey) -> (PersonKey, PersonKey) {
    if a <= b { (a, b) } else { (b, a) }
}

/// A weight so that the greater comes first; the bits of positive floats are ordered as the floats are.
fn strength(weight: f64) -> Reverse<u64> {
    Reverse(weight.max(0.0).to_bits())
}

/// The best candidate of each of the `limit` best pairs so far.
///
/// A pair that falls out comes back with a better link, if it has one; so in
/// the end the pairs are the best of all.
#[derive(Default)]
struct Queue {
    limit: usize,
    by_rank: BTreeMap<Rank, Candidate>,
    rank_of: HashMap<(PersonKey, PersonKey), Rank>,
}

impl Queue {
    /// Whether a link is too weak for the queue, whatever it joins.
    fn is_beyond(&self, link: &LinkRow) -> bool {
        self.by_rank.len() >= self.limit
            && self.by_rank.last_key_value().is_some_and(|((worst, ..), _)| strength(link.weight) > *worst)
    }

    fn offer(&mut self, rank: Rank, candidate: Candidate) {
        let pair = ordered(candidate.persons.0, candidate.persons.1);
        if let Some(known) = self.rank_of.get(&pair) {
            if *known <= rank {
                return;
            }
            self.by_rank.remove(known);
        }
        self.rank_of.insert(pair, rank.clone());
        self.by_rank.insert(rank, candidate);
        if self.by_rank.len() > self.limit
            && let Some((_, worst)) = self.by_rank.pop_last()
        {
            self.rank_of.remove(&ordered(worst.persons.0, worst.persons.1));
        }
    }
}

fn tell(read: &impl Read, rules: &Rules, queue: Queue) -> ReadResult<Vec<NearMerge>> {
    let mut persons: HashMap<PersonKey, (PersonRow, Counts)> = HashMap::new();
    let mut known = |key: PersonKey| -> ReadResult<(PersonRow, Counts)> {
        if let Some(known) = persons.get(&key) {
            return Ok(known.clone());
        }
        let row = (person_row(read, key)?, counts_of(read, key)?);
        persons.insert(key, row.clone());
        Ok(row)
    };
    queue
        .by_rank
        .into_values()
        .map(|candidate| {
            let Candidate { a, b, persons, weight, last_seen, apart_by } = candidate;
            let (of_a, mut counts) = known(persons.0)?;
            let (of_b, others) = known(persons.1)?;
            counts.add_all(&others);
            let would_break = rules.person_limits.broken(&counts);
            Ok(NearMerge { a, b, persons: (of_a, of_b), weight, last_seen, apart_by, would_break })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_queue_keeps_the_best_of_each_of_the_best_pairs(
            offers in proptest::collection::vec((0_u64..5, 5_u64..9, 1_u8..9), 0..60),
            limit in 1_usize..6,
        ) {
            let mut queue = Queue { limit, ..Queue::default() };
            let mut best: BTreeMap<(u64, u64), (u8, Reverse<String>)> = BTreeMap::new();
            for (at, (x, y, weight)) in offers.iter().enumerate() {
                let name = format!("{at:03}");
                let candidate = Candidate {
                    a: IdentifierId::new(at as u32),
                    b: IdentifierId::new(0),
                    persons: (PersonKey::new(*x), PersonKey::new(*y)),
                    weight: f64::from(*weight),
                    last_seen: Timestamp::default(),
                    apart_by: HeldApart::HeldBack(HeldBackBy::MaxIdentifiers),
                };
                let names = [(String::new(), name.clone()), (String::new(), String::new())];
                queue.offer((strength(candidate.weight), Reverse(candidate.last_seen), names), candidate);
                let of_pair = best.entry((*x, *y)).or_insert((0, Reverse(String::new())));
                *of_pair = (*of_pair).clone().max((*weight, Reverse(name)));
            }
            let mut expected: Vec<_> = best.into_values().collect();
            expected.sort_by(|x, y| y.cmp(x));
            expected.truncate(limit);
            let kept: Vec<_> = queue
                .by_rank
                .values()
                .map(|kept| (kept.weight as u8, Reverse(format!("{:03}", kept.a.get()))))
                .collect();
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(queue.rank_of.len(), queue.by_rank.len());
        }
    }
}
