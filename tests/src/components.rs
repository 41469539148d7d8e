//! Connected components: what the data sets' figures are made of.

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
}
