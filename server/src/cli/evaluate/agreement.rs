//! How far found persons agree with the true ones, counted in pairs.

use std::collections::HashMap;
use std::hash::Hash;

/// Counts of pairs of labelled identifiers.
///
/// The figures made of them are the pairwise precision, recall and F1 of record
/// linkage (Christen, Data Matching, 2012, section 7.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Pairs that were found together.
    pub(crate) found: u64,
    /// Pairs that truly belong together.
    pub(crate) truth: u64,
    /// Pairs that are both.
    pub(crate) correct: u64,
}

impl Agreement {
    /// Counts over items of which each has a group found, or none, which is a
    /// group of its own, and a true group.
    pub(crate) fn of<F: Eq + Hash + Copy, T: Eq + Hash + Copy>(
        items: impl Iterator<Item = (Option<F>, T)>,
    ) -> Self {
        let mut found: HashMap<F, u64> = HashMap::new();
        let mut truth: HashMap<T, u64> = HashMap::new();
        let mut both: HashMap<(F, T), u64> = HashMap::new();
        for (group, true_group) in items {
            *truth.entry(true_group).or_default() += 1;
            if let Some(group) = group {
                *found.entry(group).or_default() += 1;
                *both.entry((group, true_group)).or_default() += 1;
            }
        }
        Self {
            found: found.into_values().map(pairs).sum(),
            truth: truth.into_values().map(pairs).sum(),
            correct: both.into_values().map(pairs).sum(),
        }
    }

    /// Of the pairs found together, the part that truly belong together; 1 if none was found.
    pub(crate) fn precision(self) -> f64 {
        part(self.correct, self.found)
    }

    /// Of the pairs that truly belong together, the part found; 1 if there is none.
    pub(crate) fn recall(self) -> f64 {
        part(self.correct, self.truth)
    }

    /// The harmonic mean of precision and recall; 0 if both are.
    pub(crate) fn f1(self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
    }
}

/// How many pairs so many items have.
pub(crate) fn pairs(items: u64) -> u64 {
    // One of the two factors is even. Truths have fewer than 2³² rows, so nothing overflows.
    items * items.saturating_sub(1) / 2
}

fn part(of: u64, all: u64) -> f64 {
    if all == 0 { 1.0 } else { of as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(items: &[(Option<char>, char)]) -> Agreement {
        Agreement::of(items.iter().copied())
    }

    #[test]
    fn pairs_are_weighed_against_the_truth() {
        let it = agreement(&[(Some('p'), 'a'), (Some('p'), 'a'), (Some('q'), 'a'), (Some('q'), 'b')]);
        assert_eq!(it, Agreement { found: 2, truth: 3, correct: 1 });
        assert_eq!((it.precision(), it.recall()), (0.5, 1.0 / 3.0));
        assert!((it.f1() - 0.4).abs() < 1e-12, "{}", it.f1());
    }

    #[test]
    fn all_in_one_has_all_pairs_and_few_right_ones() {
        let it = agreement(&[(Some('p'), 'a'), (Some('p'), 'a'), (Some('p'), 'b'), (Some('p'), 'b')]);
        assert_eq!(it, Agreement { found: 6, truth: 2, correct: 2 });
        assert_eq!((it.precision(), it.recall(), it.f1()), (1.0 / 3.0, 1.0, 0.5));
    }

    #[test]
    fn what_is_in_no_person_is_alone() {
        let it = agreement(&[(None, 'a'), (None, 'a'), (Some('p'), 'a'), (Some('p'), 'a')]);
        assert_eq!(it, Agreement { found: 1, truth: 6, correct: 1 });
        let apart = agreement(&[(Some('p'), 'a'), (Some('q'), 'a')]);
        assert_eq!((apart.precision(), apart.recall(), apart.f1()), (1.0, 0.0, 0.0));
    }

    #[test]
    fn without_pairs_nothing_is_wrong() {
        let it = agreement(&[(Some('p'), 'a'), (Some('q'), 'b')]);
        assert_eq!((it.precision(), it.recall(), it.f1()), (1.0, 1.0, 1.0));
        assert_eq!(agreement(&[]), Agreement::default());
        assert_eq!([0, 1, 2, 5, 3_000_000].map(pairs), [0, 0, 1, 10, 4_499_998_500_000]);
    }
}
