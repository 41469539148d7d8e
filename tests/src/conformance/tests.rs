//! What the runner makes of scenarios whose outcome is known: it can fail.

use super::*;

type Written<'a> = (&'a str, &'a str, &'a [&'a [&'a str]]);

fn made(steps: &[Written<'_>]) -> Outcome {
    let owned = |rows: &[&[&str]]| {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    };
    let step = |(step, text, table): &Written<'_>| Step {
        step: (*step).to_owned(),
        text: (*text).to_owned(),
        table: owned(table),
    };
    let scenario = Scenario {
        file: "own.feature".to_owned(),
        name: "made here".to_owned(),
        example: String::new(),
        group: "core".to_owned(),
        steps: steps.iter().map(step).collect(),
    };
    run(&scenario, Path::new("nowhere"))
}

/// The outcome of a query on two nodes, `(:A {n: 1})` and `(:B {n: 2})`, with what is expected of it.
fn asked(query: &str, then: &str, table: &[&[&str]]) -> Outcome {
    let setup = "CREATE (:A {n: 1})-[:R {w: 0.5}]->(:B {n: 2})";
    made(&[
        ("an empty graph", "", &[]),
        ("having executed:", setup, &[]),
        ("executing query:", query, &[]),
        (then, "", table),
        ("no side effects", "", &[]),
    ])
}

const ANY: &str = "the result should be, in any order:";
const ORDER: &str = "the result should be, in order:";

#[test]
fn right_expectations_pass() {
    let query = "MATCH (x) RETURN x.n AS n ORDER BY n DESC";
    for (query, then, table) in [
        (query, ANY, &[&["n"][..], &["1"], &["2"]][..]),
        (query, ORDER, &[&["n"], &["2"], &["1"]]),
        ("MATCH (x:A) RETURN x", ANY, &[&["x"], &["(:A {n: 1})"]]),
        ("MATCH p = (:B)<--(:A) RETURN p", ANY, &[&["p"], &["<(:B {n: 2})<-[:R {w: 0.5}]-(:A {n: 1})>"]]),
        (
            "RETURN [2, 1] AS l",
            "the result should be (ignoring element order for lists):",
            &[&["l"], &["[1, 2]"]],
        ),
        ("MATCH (x:C) RETURN x", "the result should be empty", &[]),
        ("RETURN 0.0 / 0.0 AS x, [1, {a: null}] AS y", ANY, &[&["x", "y"], &["NaN", "[1, {a: null}]"]]),
        ("RETURN nothing", "a SyntaxError should be raised at compile time: UndefinedVariable", &[]),
        (
            "MATCH (x) RETURN toInteger([x])",
            "a TypeError should be raised at runtime: InvalidArgumentValue",
            &[],
        ),
        ("MATCH (x) RETURN [1][x.n > 0]", "a TypeError should be raised at any time: *", &[]),
    ] {
        assert_eq!(asked(query, then, table), Outcome::Passed, "{query}");
    }
}

#[test]
fn wrong_expectations_fail() {
    let query = "MATCH (x) RETURN x.n AS n ORDER BY n DESC";
    for (query, then, table) in [
        (query, ANY, &[&["n"][..], &["1"]][..]),
        (query, ANY, &[&["n"], &["1"], &["2"], &["2"]]),
        (query, ANY, &[&["n"], &["1"], &["1"]]),
        (query, ANY, &[&["n"], &["1.0"], &["2"]]),
        (query, ANY, &[&["m"], &["1"], &["2"]]),
        (query, ANY, &[&["n", "m"], &["1", "1"], &["2", "2"]]),
        (query, ORDER, &[&["n"], &["1"], &["2"]]),
        (query, "the result should be empty", &[]),
        ("MATCH (x:C) RETURN x", ANY, &[&["x"], &["null"]]),
        ("MATCH (x:A) RETURN x", ANY, &[&["x"], &["(:A)"]]),
        ("MATCH (x:A) RETURN x", ANY, &[&["x"], &["(:A {n: 1.0})"]]),
        ("MATCH ()-[r]->() RETURN r", ANY, &[&["r"], &["[:S {w: 0.5}]"]]),
        ("MATCH p = (:B)<--(:A) RETURN p", ANY, &[&["p"], &["<(:B {n: 2})-[:R {w: 0.5}]->(:A {n: 1})>"]]),
        ("RETURN [2, 1] AS l", ANY, &[&["l"], &["[1, 2]"]]),
        (
            "RETURN [2, 1] AS l",
            "the result should be (ignoring element order for lists):",
            &[&["l"], &["[1, 1]"]],
        ),
        ("RETURN nothing", ANY, &[&["nothing"], &["1"]]),
        ("RETURN 1 AS x", "a SyntaxError should be raised at compile time: UndefinedVariable", &[]),
        ("RETURN nothing", "a SyntaxError should be raised at runtime: UndefinedVariable", &[]),
        ("RETURN nothing", "a SyntaxError should be raised at compile time: UnexpectedSyntax", &[]),
        ("RETURN nothing", "a TypeError should be raised at compile time: UndefinedVariable", &[]),
    ] {
        let outcome = asked(query, then, table);
        assert!(matches!(outcome, Outcome::Failed(_)), "{query} {then} {outcome:?}");
    }
}

#[test]
fn what_cannot_be_run_is_skipped_and_says_why() {
    let all: [&[Written<'_>]; 7] = [
        &[("the hexagon graph", "", &[])],
        &[("an empty graph", "", &[]), ("having executed:", "MATCH (n) SET n.x = 1", &[])],
        &[("a step from nowhere", "", &[])],
        &[("an empty graph", "", &[]), ("executing query:", "RETURN 1", &[])],
        &[("parameters are:", "", &[&["x"]])],
        &[("there exists a procedure x", "", &[])],
        &[("executing query:", "RETURN 1 AS x", &[]), (ANY, "", &[&["x"], &["one"]])],
    ];
    for steps in all {
        let outcome = made(steps);
        assert!(matches!(outcome, Outcome::Skipped(_)), "{steps:?} {outcome:?}");
    }
}

#[test]
fn parameters_and_procedures_are_there() {
    let signature = "there exists a procedure test.double(of :: INTEGER?) :: (twice :: INTEGER?):";
    let outcome = made(&[
        ("an empty graph", "", &[]),
        (signature, "", &[&["of", "twice"], &["1", "2"], &["2", "4"]]),
        ("parameters are:", "", &[&["list", "[1, 2]"]]),
        ("executing query:", "UNWIND $list AS x CALL test.double(x) YIELD twice RETURN sum(twice) AS s", &[]),
        (ANY, "", &[&["s"], &["6"]]),
    ]);
    assert_eq!(outcome, Outcome::Passed);
}

#[test]
fn a_report_counts_and_shows() {
    let line = r#"{"file": "f", "name": "n", "example": 3, "group": "core", "steps":
        [{"step": "executing query:", "text": "RETURN 1 AS x"},
         {"step": "the result should be, in any order:", "table": [["x"], ["2"]]}]}"#;
    let scenario = scenario(&line.replace('\n', "")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(scenario.to_string(), "f: n #3");
    let report = Report::of([scenario], Path::new("nowhere"));
    assert_eq!(report.summary(), "0 passed, 1 failed, 0 skipped");
    let shown = report.failures();
    assert!(shown.contains("RETURN 1 AS x") && shown.contains("| 2 |") && shown.contains("| 1 |"), "{shown}");
    assert!(super::scenario("{}").is_err() && super::scenario("no JSON").is_err());
}
