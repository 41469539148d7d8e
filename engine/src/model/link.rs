//! Links and what is known of them.

use super::{IdentifierId, KindId, NamespaceId, SourceId, Timestamp};

/// What one `(source, kind)` has said of a link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Evidence {
    /// Who said it.
    pub source: SourceId,
    /// How it came to say so.
    pub kind: Option<KindId>,
    /// The highest confidence it ever gave, in (0, 1].
    pub confidence: f64,
    /// How many times it said so.
    pub count: u64,
    /// The earliest event time.
    pub first_seen: Timestamp,
    /// The latest event time.
    pub last_seen: Timestamp,
}

/// Why a link that conducts does not join its ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HeldBackBy {
    /// The joined person would hold more identifiers than `max_identifiers`.
    MaxIdentifiers,
    /// The joined person would hold more identifiers of this namespace than its `max_per_person`.
    MaxPerPerson(NamespaceId),
    /// The joined household would hold more persons than `max_persons`.
    MaxPersons,
    /// The joined person would hold a pair that is forbidden.
    Forbidden,
}

/// A link seen from one of its ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkRow {
    /// The identifier at the other end.
    pub other: IdentifierId,
    /// The other end's namespace.
    pub other_namespace: NamespaceId,
    /// The combined evidence, in (0, 1].
    pub weight: f64,
    /// The latest event time of any evidence.
    pub last_seen: Timestamp,
    /// What keeps it from joining its ends, if it would otherwise.
    pub held_back_by: Option<HeldBackBy>,
}

/// A link with its evidence.
#[derive(Clone, PartialEq, Debug)]
pub struct Link {
    /// The combined evidence, in (0, 1].
    pub weight: f64,
    /// The earliest event time of any evidence.
    pub first_seen: Timestamp,
    /// The latest event time of any evidence.
    pub last_seen: Timestamp,
    /// What keeps it from joining its ends, if it would otherwise.
    pub held_back_by: Option<HeldBackBy>,
    /// What each source and kind said, ordered by source, then kind.
    pub evidence: Vec<Evidence>,
}

impl Link {
    /// How many times it was observed, over all sources.
    pub fn count(&self) -> u64 {
        self.evidence.iter().map(|e| e.count).sum()
    }
}

/// Combines `(source, confidence)` pairs into a link's weight: within a source
/// the highest confidence counts, across sources `1 − Π(1 − c)`.
///
/// The product is taken as the fold `w ← w + c · (1 − w)` over the sources'
/// confidences in ascending order. That depends on their multiset alone, so the
/// weight is bit-identical whatever order the evidence came in; it gives a
/// single source's confidence back unchanged; and more evidence never lowers it.
pub fn combine(said: impl IntoIterator<Item = (SourceId, f64)>) -> f64 {
    let mut best: Vec<(SourceId, f64)> = Vec::new();
    for (source, confidence) in said {
        match best.iter_mut().find(|(known, _)| *known == source) {
            Some((_, highest)) => *highest = highest.max(confidence),
            None => best.push((source, confidence)),
        }
    }
    best.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    best.iter().fold(0.0, |weight: f64, (_, c)| (weight + c * (1.0 - weight)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_is_exact_for_one_source_and_blind_to_order() {
        let s = SourceId::new;
        for c in [0.1, 0.3, 0.5, 0.8, 1.0, 1e-9] {
            assert_eq!(combine([(s(0), c)]).to_bits(), c.to_bits());
            assert_eq!(combine([(s(0), c), (s(0), c / 2.0)]).to_bits(), c.to_bits());
        }
        assert!((combine([(s(0), 0.5), (s(1), 0.5)]) - 0.75).abs() < 1e-15);
        let mut said = vec![(s(0), 0.3), (s(1), 0.7), (s(2), 0.11), (s(3), 0.999), (s(1), 0.2)];
        let weight = combine(said.clone()).to_bits();
        for turn in 0..said.len() {
            said.rotate_left(turn);
            assert_eq!(combine(said.clone()).to_bits(), weight);
        }
    }
}
