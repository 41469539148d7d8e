//! Dense sets of numbers, and numbers that belong together.

/// A set of small numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Whether it holds a number.
    pub(crate) fn has(&self, at: u32) -> bool {
        self.0.get(at as usize / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Adds a number; says whether it is new.
    pub(crate) fn add(&mut self, at: u32) -> bool {
        let place = at as usize / 64;
        if self.0.len() <= place {
            // Grown ahead, so that numbers may come one after another.
            self.0.resize((place + 1).next_power_of_two(), 0);
        }
        let bit = 1 << (at % 64);
        let new = self.0[place] & bit == 0;
        self.0[place] |= bit;
        new
    }

    /// Lets it hold a number, or not.
    pub(crate) fn set(&mut self, at: u32, held: bool) {
        if held {
            self.add(at);
        } else if let Some(word) = self.0.get_mut(at as usize / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    /// How many numbers it holds.
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// Sets of numbers from 0 on; the least of a set stands for it.
///
/// Union by the lesser number and path halving: amortised O(log n) a step
/// (Tarjan and van Leeuwen, "Worst-case analysis of set union algorithms", 1984).
#[derive(Clone, Debug, Default)]
pub(crate) struct Forest(Vec<u32>);

impl Forest {
    /// Each number below `count` alone.
    pub(crate) fn new(count: u32) -> Self {
        Self((0..count).collect())
    }

    /// The least number of the set that `at` is in.
    pub(crate) fn find(&mut self, mut at: u32) -> u32 {
        let parents = &mut self.0;
        while parents[at as usize] != at {
            let above = parents[parents[at as usize] as usize];
            parents[at as usize] = above;
            at = above;
        }
        at
    }

    /// As [`Forest::find`], leaving the paths as they are.
    pub(crate) fn root(&self, mut at: u32) -> u32 {
        while self.0[at as usize] != at {
            at = self.0[at as usize];
        }
        at
    }

    /// Joins two sets; gives the two roots, that of the joined set first, where they were not one.
    pub(crate) fn union(&mut self, a: u32, b: u32) -> Option<(u32, u32)> {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return None;
        }
        let (low, high) = (a.min(b), a.max(b));
        self.0[high as usize] = low;
        Some((low, high))
    }

    /// Lets every number point at its root.
    pub(crate) fn flatten(&mut self) {
        // A parent is less than its child, so it points at its root already.
        for at in 0..self.0.len() {
            self.0[at] = self.0[self.0[at] as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_stands_for_its_set() {
        let mut forest = Forest::new(6);
        assert_eq!(forest.union(5, 3), Some((3, 5)));
        assert_eq!(forest.union(4, 1), Some((1, 4)));
        assert_eq!(forest.union(5, 4), Some((1, 3)));
        assert_eq!(forest.union(1, 3), None);
        assert_eq!(forest.root(5), 1);
        forest.flatten();
        assert_eq!((0..6).map(|at| forest.find(at)).collect::<Vec<_>>(), [0, 1, 2, 1, 1, 1]);
    }

    #[test]
    fn bits_hold_what_was_added() {
        let mut bits = Bits::default();
        assert!(bits.is_empty() && bits.add(70) && !bits.add(70) && bits.add(3));
        assert!(bits.has(70) && bits.has(3) && !bits.has(71) && !bits.has(9_000));
        assert_eq!(bits.len(), 2);
    }
}
