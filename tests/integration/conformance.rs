//! The conformance scenarios of the query language's grammar: all of them pass.

use kinfold_tests::conformance::{Report, read};
use kinfold_tests::data;

#[test]
fn every_scenario_passes() {
    let Some(set) = data::set("graph-queries", "conformance::every_scenario_passes") else { return };
    let scenarios = read(&set.join("scenarios.jsonl")).expect("scenarios, one a line");
    assert!(scenarios.len() > 2_000, "{} scenarios", scenarios.len());
    let report = Report::of(scenarios, &set.join("graphs"));
    assert!(
        report.failed.is_empty() && report.skipped.is_empty(),
        "{}{}",
        report.failures(),
        report.summary()
    );
}
