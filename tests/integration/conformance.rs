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

/// More scenarios, in words of our own: what the language promises and those do not ask.
#[test]
fn every_scenario_of_our_own_passes() {
    let scenarios = read(&data::case("conformance/own.jsonl")).expect("scenarios, one a line");
    let report = Report::of(scenarios, &data::case("conformance"));
    assert!(
        report.failed.is_empty() && report.skipped.is_empty(),
        "{}{}",
        report.failures(),
        report.summary()
    );
}
