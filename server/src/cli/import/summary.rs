//! What an import did, in figures.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::output::grouped;

/// Counts of reasons: what was wrong and in which column.
pub type Reasons = BTreeMap<(String, Option<String>), u64>;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportSummary {
    /// How many files were read to their end.
    pub files: u64,
    /// Rows read, without those that a filter left out.
    pub rows: u64,
    /// Rows that `only` or `except` left out.
    pub filtered: u64,
    /// Observations that went into the store now.
    pub written: u64,
    /// Observations that an earlier import had written, so that nothing changed.
    pub unchanged: u64,
    /// Values that the store denied, and so left out of their observations.
    pub denied: u64,
    /// Values that the store left out of their observations, because they were forgotten.
    pub forgotten: u64,
    /// Links that a limit of the schema holds back.
    pub held_back: u64,
    /// For a bulk load, how many observations were written one after another.
    pub one_by_one: Option<u64>,
    /// Rows that were rejected, by the mapping or by the store.
    pub rejected: u64,
    /// Why they were.
    pub reject_reasons: Reasons,
    /// Values that `on_invalid = "skip"` left out of rows that went in.
    pub left_out: u64,
    /// Why they were.
    pub left_out_reasons: Reasons,
    /// The files that list the rejected rows.
    pub rejects_files: Vec<PathBuf>,
    /// Things that may be mistakes in the mapping.
    pub warnings: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl ImportSummary {
    /// Whether there were rows and not one of them could be used.
    pub fn all_rejected(&self) -> bool {
        self.rows > 0 && self.rejected == self.rows
    }

    /// Rows read in a second.
    pub fn rows_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.rows as f64 / seconds } else { 0.0 }
    }
}

impl fmt::Display for ImportSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = if self.files == 1 { "file" } else { "files" };
        let (seconds, speed) = (self.elapsed.as_secs_f64(), grouped(self.rows_per_second() as u64));
        writeln!(f, "Imported {} {files} in {seconds:.1} s ({speed} rows/s)", grouped(self.files))?;
        let line = |f: &mut fmt::Formatter<'_>, what: &str, count: u64, note: &str| {
            let text = format!("  {what:<18} {:>13}   {note}", grouped(count));
            writeln!(f, "{}", text.trim_end())
        };
        line(f, "rows read", self.rows, "")?;
        line(f, "written", self.written, "")?;
        let optional = [
            ("already imported", self.unchanged, "unchanged"),
            ("left out", self.filtered, "by `only` and `except` of the mapping"),
            ("values denied", self.denied, "junk, or denied by the schema; they link nobody"),
            ("values forgotten", self.forgotten, "erased before, and kept out (`kinfold readmit`)"),
            (
                "one by one",
                self.one_by_one.unwrap_or(0),
                "near shared identifiers and limits; the rest in bulk",
            ),
            ("links held back", self.held_back, "by a limit of the schema"),
        ];
        for (what, count, note) in optional {
            if count > 0 {
                line(f, what, count, note)?;
            }
        }
        let reasons = |f: &mut fmt::Formatter<'_>, reasons: &Reasons| {
            let mut sorted: Vec<_> = reasons.iter().collect();
            sorted.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), (*reason).clone()));
            sorted.into_iter().try_for_each(|((reason, column), count)| {
                let column = column.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
                writeln!(f, "  {:>32}   {reason}{column}", grouped(*count))
            })
        };
        line(f, "rejected", self.rejected, "")?;
        reasons(f, &self.reject_reasons)?;
        if self.left_out > 0 {
            line(f, "values left out", self.left_out, "")?;
            reasons(f, &self.left_out_reasons)?;
        }
        for file in &self.rejects_files {
            writeln!(f, "  listed with their rows in {}", file.display())?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        let summary = ImportSummary {
            files: 2,
            rows: 100_000,
            written: 98_000,
            unchanged: 1_500,
            denied: 12,
            forgotten: 4,
            held_back: 3,
            rejected: 500,
            reject_reasons: [
                (("namespace not in the schema".into(), None), 20),
                (("invalid time".into(), Some("updated_at".into())), 480),
            ]
            .into(),
            rejects_files: vec!["records.csv.rejects.csv".into()],
            elapsed: Duration::from_secs(2),
            ..ImportSummary::default()
        };
        let expected = "\
Imported 2 files in 2.0 s (50,000 rows/s)
  rows read                100,000
  written                   98,000
  already imported           1,500   unchanged
  values denied                 12   junk, or denied by the schema; they link nobody
  values forgotten               4   erased before, and kept out (`kinfold readmit`)
  links held back                3   by a limit of the schema
  rejected                     500
                               480   invalid time (updated_at)
                                20   namespace not in the schema
  listed with their rows in records.csv.rejects.csv
";
        assert_eq!(summary.to_string(), expected);
        assert!(!summary.all_rejected());
        assert!(ImportSummary { rejected: 100_000, ..summary }.all_rejected());
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567].map(grouped).each_ref().map(String::as_str)
        );
    }
}
