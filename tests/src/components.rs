//! Connected components, pairs and their precision: what the data sets' figures are made of.

use std::collections::{BTreeMap, HashMap};

/// Union-find over names.
#[derive(Debug, Default)]
pub struct Components {
    numbers: HashMap<String, usize>,
    parents: Vec<usize>,
}

impl Components {
    /// A set of its own for `name`, unless it is known.
    pub fn add(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.parents.len();
        self.numbers.insert(name.to_owned(), number);
        self.parents.push(number);
        number
    }

    /// Joins the sets of two names.
    pub fn join(&mut self, a: &str, b: &str) {
        let (a, b) = (self.add(a), self.add(b));
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a] = b;
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    /// How many of the names for which `counts` holds each set has; sets without any are left out.
    pub fn sizes(&mut self, counts: impl Fn(&str) -> bool) -> Vec<usize> {
        let names: Vec<usize> =
            self.numbers.iter().filter(|(name, _)| counts(name)).map(|(_, at)| *at).collect();
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        for at in names {
            *sizes.entry(self.root(at)).or_default() += 1;
        }
        let mut sizes: Vec<usize> = sizes.into_values().collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    }
}

/// How far found groups agree with the true ones, counted in pairs of records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pairs {
    /// Of the pairs found together, the part that truly belong together; 1 if none was found.
    pub precision: f64,
    /// Of the pairs that truly belong together, the part found; 1 if there is none.
    pub recall: f64,
}

/// Compares the group found for each record with its true one; both have the same records.
pub fn pairs(found: &BTreeMap<String, String>, truth: &BTreeMap<String, String>) -> Pairs {
    assert!(found.keys().eq(truth.keys()), "the records found are not those of the truth");
    let count = |groups: &mut dyn Iterator<Item = (&str, &str)>| -> u64 {
        let mut sizes: HashMap<(&str, &str), u64> = HashMap::new();
        for group in groups {
            *sizes.entry(group).or_default() += 1;
        }
        sizes.values().map(|size| size * (size - 1) / 2).sum()
    };
    let predicted = count(&mut found.values().map(|group| (group.as_str(), "")));
    let true_pairs = count(&mut truth.values().map(|group| (group.as_str(), "")));
    let both = count(&mut found.iter().map(|(record, group)| (group.as_str(), truth[record].as_str())));
    let part = |of: u64| if of == 0 { 1.0 } else { both as f64 / of as f64 };
    Pairs { precision: part(predicted), recall: part(true_pairs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_counted_by_the_names_that_count() {
        let mut components = Components::default();
        components.join("r1", "x");
        components.join("x", "r2");
        components.join("y", "z");
        components.add("r3");
        assert_eq!(components.sizes(|name| name.starts_with('r')), [2, 1]);
        assert_eq!(components.sizes(|_| true), [3, 2, 1]);
    }

    #[test]
    fn pairs_are_weighed_against_the_truth() {
        let groups = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
            list.iter().map(|(record, group)| ((*record).to_owned(), (*group).to_owned())).collect()
        };
        let truth = groups(&[("1", "a"), ("2", "a"), ("3", "a"), ("4", "b")]);
        let found = groups(&[("1", "p"), ("2", "p"), ("3", "q"), ("4", "q")]);
        assert_eq!(pairs(&found, &truth), Pairs { precision: 0.5, recall: 1.0 / 3.0 });
        let apart = groups(&[("1", "p"), ("2", "q"), ("3", "r"), ("4", "s")]);
        assert_eq!(pairs(&apart, &truth), Pairs { precision: 1.0, recall: 0.0 });
    }
}
