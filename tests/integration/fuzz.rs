//! Texts that nobody would write neither break the language nor pass its limits.

use kinfold_tests::fuzz::Fuzz;

#[test]
fn twenty_thousand_texts_find_nothing() {
    let fuzz = Fuzz::new(2_026).expect("a corpus");
    let (tally, findings) = fuzz.run(0..20_000, 5);
    for finding in &findings {
        eprintln!("execution {}: {}\n{}\n", finding.execution, finding.what, finding.text);
    }
    assert!(findings.is_empty(), "{} of {} texts", findings.len(), tally.executions);
    assert!(tally.ran > 1_000 && tally.limited > 100 && tally.answered > 500, "{tally:?}");
}
