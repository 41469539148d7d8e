//! Who there is: households one after another, persons made of their number alone.

use super::dice::{Dice, Purpose};
use super::names::{FIRST, LAST};

/// 2024-01-01T00:00:00Z, in seconds of Unix time: the earliest event.
pub(super) const BEGIN: u64 = 1_704_067_200;
/// 2026-01-01T00:00:00Z: no event is later.
pub(super) const END: u64 = 1_767_225_600;

/// A person, made of the seed and its number alone, so that any can be made again without the others.
pub(super) struct Person {
    /// Its number, from 0.
    pub(super) number: u64,
    /// Its given name.
    pub(super) first: &'static str,
    /// Whether it has an account.
    pub(super) is_customer: bool,
    /// How many email addresses it has.
    pub(super) emails: u64,
    /// How many telephone numbers it has.
    pub(super) phones: u64,
    /// How many devices it has to itself.
    pub(super) devices: u64,
    /// How many browsers know it.
    pub(super) cookies: u64,
    /// What it does.
    pub(super) dice: Dice,
}

impl Person {
    /// The person with this number.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed, Purpose::Person, number);
        let is_customer = dice.per_mille(820);
        let first = dice.pick(FIRST);
        let (emails, phones) = if is_customer {
            (1 + dice.weighted(&[76, 18, 6]), dice.weighted(&[30, 58, 12]))
        } else {
            (u64::from(dice.per_mille(400)), 0)
        };
        let devices = dice.weighted(&[46, 44, 10]);
        let has_cookie = !is_customer || dice.per_mille(600);
        let cookies = if has_cookie { dice.zipf() } else { 0 };
        Self { number, first, is_customer, emails, phones, devices, cookies, dice }
    }
}

/// People who live together.
pub(super) struct Household {
    /// Its number, from 0.
    pub(super) number: u64,
    /// The number of its first member; the others follow.
    pub(super) first_person: u64,
    /// How many members it has.
    pub(super) size: u64,
    /// The family's name.
    pub(super) last: &'static str,
    /// When the whole household moves, in seconds of Unix time.
    pub(super) moves_at: Option<u64>,
    /// Which member leaves it, and when, to found a household of its own.
    pub(super) leaver: Option<(u64, u64)>,
    /// What it does.
    pub(super) dice: Dice,
}

/// Deals persons out to households.
pub(super) struct Households {
    seed: u64,
    persons_left: u64,
    households_left: Option<u64>,
    next_person: u64,
    next_household: u64,
    sizes: Dice,
}

impl Households {
    /// Households of `persons` persons: so many, if a number is given, which is at most `persons`.
    pub(super) fn new(seed: u64, persons: u64, households: Option<u64>) -> Self {
        let sizes = Dice::new(seed, Purpose::Households, 0);
        Self {
            seed,
            persons_left: persons,
            households_left: households,
            next_person: 0,
            next_household: 0,
            sizes,
        }
    }

    fn size(&mut self) -> u64 {
        match &mut self.households_left {
            None => (1 + self.sizes.weighted(&[40, 30, 13, 11, 4, 2])).min(self.persons_left),
            Some(left) => {
                // The mean of what is left, give or take, so that no household is left empty.
                let mean = self.persons_left / (*left).max(1);
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.persons_left
                } else {
                    self.sizes.between(1, (2 * mean).saturating_sub(1).max(1)).min(self.persons_left - *left)
                }
            }
        }
    }
}

impl Iterator for Households {
    type Item = Household;

    fn next(&mut self) -> Option<Household> {
        if self.persons_left == 0 {
            return None;
        }
        let size = self.size();
        let (number, first_person) = (self.next_household, self.next_person);
        self.next_household += 1;
        self.next_person += size;
        self.persons_left -= size;
        let mut dice = Dice::new(self.seed, Purpose::Household, number);
        let last = dice.pick(LAST);
        // Moves fall into the middle of the time, so that there is evidence before and after.
        let middle = (BEGIN + (END - BEGIN) / 4, END - (END - BEGIN) / 4);
        let moves_at = dice.per_mille(70).then(|| dice.between(middle.0, middle.1));
        let leaves = size >= 3 && moves_at.is_none() && dice.per_mille(90);
        let leaver = leaves.then(|| (first_person + size - 1, dice.between(middle.0, middle.1)));
        Some(Household { number, first_person, size, last, moves_at, leaver, dice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_person_lives_in_one_household() {
        for households in [None, Some(1), Some(37), Some(400), Some(1_000)] {
            let mut next = 0;
            let mut count = 0;
            for (number, household) in (0..).zip(Households::new(5, 1_000, households)) {
                assert_eq!((household.number, household.first_person), (number, next));
                assert!(household.size > 0);
                next += household.size;
                count += 1;
            }
            assert_eq!(next, 1_000);
            match households {
                Some(wanted) => assert_eq!(count, wanted),
                None => assert!((400..550).contains(&count), "{count}"),
            }
        }
    }

    #[test]
    fn everybody_has_an_identifier() {
        for number in 0..5_000 {
            let person = Person::new(3, number);
            assert!(person.is_customer || person.cookies > 0);
        }
    }
}
