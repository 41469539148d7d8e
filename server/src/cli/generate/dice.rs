//! Random choices that are the same on every machine: ChaCha and integers only.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What a stream of choices is for, so that no two purposes share one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The sizes of the households.
    Households,
    /// Who a person is.
    Person,
    /// What a household does.
    Household,
    /// A shared machine.
    Kiosk,
}

/// A stream of random choices.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream for one thing: the same seed, purpose and number give the same choices.
    pub(super) fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        let mut key = [0; 32];
        let (first, rest) = key.split_at_mut(8);
        first.copy_from_slice(&seed.to_le_bytes());
        let (second, _) = rest.split_at_mut(8);
        second.copy_from_slice(&(purpose as u64).to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(number);
        Self(rng)
    }

    /// A number below `bound`, 0 if `bound` is 0. The bias of the
    /// multiplication is below 2⁻³² for the bounds used here.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of a thousand cases.
    pub(super) fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1_000) < chance
    }

    /// One of the items.
    pub(super) fn pick<'t, T: ?Sized>(&mut self, items: &[&'t T]) -> &'t T {
        // The lists are constants of this module's neighbours and never empty.
        items[self.below(items.len() as u64) as usize]
    }

    /// The place of the chosen one of these weights.
    pub(super) fn weighted(&mut self, weights: &[u64]) -> u64 {
        let mut left = self.below(weights.iter().sum());
        for (place, weight) in (0..).zip(weights) {
            if left < *weight {
                return place;
            }
            left -= weight;
        }
        0
    }

    /// A count from 1 to 24 that falls off like 1/n², as cookies a person do (Zipf's law).
    pub(super) fn zipf(&mut self) -> u64 {
        const WEIGHTS: [u64; 24] = {
            let mut weights = [0; 24];
            let mut place = 0;
            while place < weights.len() {
                let n = place as u64 + 1;
                weights[place] = 1_000_000 / (n * n);
                place += 1;
            }
            weights
        };
        self.weighted(&WEIGHTS) + 1
    }
}

/// A number that looks random and belongs to `number` alone: a permutation of
/// the numbers below `size`, which must be prime.
pub(super) fn scrambled(number: u64, size: u64, multiplier: u64) -> u64 {
    ((u128::from(number) * u128::from(multiplier) + u128::from(multiplier / 3)) % u128::from(size)) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn choices_are_fixed_by_the_seed() {
        let draw = |seed, number| {
            let mut dice = Dice::new(seed, Purpose::Person, number);
            [dice.below(1_000), dice.below(1_000), dice.zipf()]
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
        assert_eq!(Dice::new(7, Purpose::Person, 1).below(0), 0);
    }

    #[test]
    fn choices_are_spread_as_they_should() {
        let mut dice = Dice::new(1, Purpose::Person, 1);
        let draws = 10_000;
        let yes = (0..draws).filter(|_| dice.per_mille(250)).count();
        assert!((2_300..2_700).contains(&yes), "{yes}");
        let ones = (0..draws).filter(|_| dice.zipf() == 1).count();
        assert!((5_900..6_600).contains(&ones), "{ones}");
        assert!((0..draws).all(|_| (3..=5).contains(&dice.between(3, 5))));
        let twos = (0..draws).filter(|_| dice.weighted(&[0, 1, 3]) == 2).count();
        assert!((7_200..7_800).contains(&twos), "{twos}");
    }

    #[test]
    fn scrambling_is_one_to_one() {
        let all: BTreeSet<u64> = (0..1_009).map(|n| scrambled(n, 1_009, 123_457)).collect();
        assert_eq!(all.len(), 1_009);
    }
}
