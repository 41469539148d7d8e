//! What a comparison asks, with the right answers, as `benches/compare` writes it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context as _;
use kinfold_engine::model::Identifier;
use serde::Deserialize;

/// Questions about one data set and their answers. Identifiers are
/// `namespace:value`, as [`Identifier`] reads and writes them.
#[derive(Debug, Deserialize)]
pub struct Workload {
    /// How many links were loaded.
    pub links: u64,
    /// How many persons there are.
    pub persons: u64,
    /// How many persons there are of each size, ascending by size.
    pub persons_per_size: Vec<(i64, i64)>,
    /// Identifiers to look up, all of person scope.
    pub lookups: Vec<String>,
    /// How many identifiers the person of each of [`Workload::lookups`] holds.
    pub sizes: Vec<usize>,
    /// The identifiers of the persons of the first lookups, each list ascending.
    pub members: Vec<Vec<String>>,
    /// How many other identifiers are at most two links away, for the first lookups.
    pub two_hops: Vec<i64>,
    /// Links that join two persons, and how many identifiers the joined person
    /// holds; no person is in two of them.
    pub joins: Vec<(String, String, usize)>,
    /// How many of [`Workload::joins`], from the first, are for one client alone.
    pub joins_alone: usize,
}

impl Workload {
    /// Reads a workload; the error says what is wrong with the file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot read the workload {shown}"))?;
        let workload: Self = serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("{shown} is no workload of benches/compare"))?;
        let lookups = workload.lookups.len();
        anyhow::ensure!(
            lookups > 0
                && workload.sizes.len() == lookups
                && workload.members.len() <= lookups
                && workload.two_hops.len() <= lookups
                && workload.joins_alone <= workload.joins.len(),
            "the lists of {shown} do not belong together"
        );
        Ok(workload)
    }

    /// The identifiers to look up, by name.
    pub fn identifiers(&self) -> anyhow::Result<Vec<Identifier>> {
        self.lookups.iter().map(|text| identifier(text)).collect()
    }
}

/// Reads `namespace:value`.
pub fn identifier(text: &str) -> anyhow::Result<Identifier> {
    text.parse().map_err(|error| anyhow::anyhow!("`{text}` is no identifier: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Workload> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("workload.json");
        std::fs::write(&path, text)?;
        Workload::read(&path)
    }

    #[test]
    fn refuses_lists_that_do_not_belong_together() {
        let text = |sizes: &str| {
            format!(
                r#"{{"links": 1, "persons": 1, "persons_per_size": [[2, 1]], "lookups": ["email:a"],
                    "sizes": {sizes}, "members": [["email:a", "email:b"]], "two_hops": [1],
                    "joins": [], "joins_alone": 0}}"#
            )
        };
        let workload = read(&text("[2]")).expect("one size for one lookup");
        assert_eq!(workload.identifiers().expect("an identifier"), [Identifier::new("email", "a")]);
        assert!(read(&text("[]")).expect_err("no size").to_string().contains("do not belong together"));
    }
}
