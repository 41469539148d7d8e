//! The engine's rows of graph queries are the oracle's: random queries over
//! random graphs and random identity stores.
//!
//! Each query runs as the planner orders it, as it is written, and as the tree
//! prints; all three are compared with the oracle's rows: as bags, in order
//! where ORDER BY gives one, as a part of the right size where SKIP and LIMIT
//! leave open which part.
//!
//! Errors are compared too, as errors: where the oracle finds that a query makes
//! no sense on the values it meets, the engine must end with an error, and the
//! other way round. Two things are not faults: the engine may refuse a wrong
//! type before it runs, on rows that never come (only queries that are spoiled
//! on purpose have any); and where conditions, LIMIT or a query inside an
//! expression let it, it may look at fewer values than the oracle, or at more.
//!
//! A failure prints the seed, the graph, the query and both results.

mod dice;
mod memory;
mod stores;
mod texts;
mod views;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kinfold_query::ast::{Body, Query, Statement};
use kinfold_query::{ErrorKind, Limits, Params, Planning, QueryError, Value, parse};
use kinfold_tests::query_oracle::{Answer, Graph, Outcome, Row, Stop, Val, answer, differ, of_engine};

/// What became of the queries of a run.
#[derive(Default, Debug)]
struct Tally {
    /// Rows were compared.
    rows: usize,
    /// At least one row came.
    some: usize,
    /// Both ended with an error.
    errors: usize,
    /// One looked at values that the other did not, and they were wrong.
    apart: usize,
    /// The language leaves the answer open.
    open: usize,
    /// There was too much to try.
    much: usize,
}

impl Tally {
    fn with(&self, other: &Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            some: self.some + other.some,
            errors: self.errors + other.errors,
            apart: self.apart + other.apart,
            open: self.open + other.open,
            much: self.much + other.much,
        }
    }

    fn all(&self) -> usize {
        self.rows + self.errors + self.apart + self.open + self.much
    }
}

/// What one query may use: by work alone, so that a run does not hang on the
/// machine's speed. Every scan is large enough for several threads.
fn limits() -> Limits {
    Limits { deadline: None, max_expansions: 300_000, max_threads: 3, large_scan: 0, ..Limits::default() }
}

/// What the engine says: rows, or an error and whether it came before any row was asked for.
type Said = Result<Vec<Vec<Value>>, (QueryError, bool)>;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// How many failures are gathered before they are told.
const ENOUGH: usize = 5;

/// Runs a share of all cases, on two threads: of 10,000, or of as many as
/// `KINFOLD_CASES` says. `PROPTEST_RNG_SEED` runs those of an earlier run again.
fn hold(percent: u64, test: impl Fn(u64, &mut Tally) -> Result<(), String> + Sync) -> Tally {
    let cases = (number("KINFOLD_CASES").unwrap_or(10_000) * percent / 100).max(1);
    let seed = number("PROPTEST_RNG_SEED").unwrap_or_else(|| {
        let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        moment.map_or(0, |since| since.as_nanos() as u64)
    });
    let half = |first: u64| {
        let (mut tally, mut failures) = (Tally::default(), Vec::new());
        for case in (first..cases).step_by(2) {
            // Each case has a seed of its own, so that it runs again alone.
            let own = seed.wrapping_add(case);
            if let Err(failure) = test(own, &mut tally) {
                let again = format!("to run it again alone: PROPTEST_RNG_SEED={own} KINFOLD_CASES=0");
                failures.push(format!("{failure}{again}\n"));
            }
            if failures.len() == ENOUGH {
                break;
            }
        }
        (tally, failures)
    };
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        (half(0), other.join().expect("it tells what it finds"))
    });
    let failures = [one.1, other.1].concat();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    one.0.with(&other.0)
}

fn tree(text: &str) -> Result<Statement, String> {
    parse(text, &Limits::default()).map_err(|error| format!("{text}\ndoes not parse: {error}"))
}

fn query_of(statement: &Statement) -> Result<&Query, String> {
    match &statement.body {
        Body::Query { query, .. } => Ok(query),
        Body::Verb(_) => Err("a verb".to_owned()),
    }
}

/// Compares the engine with the oracle on one query. `run` asks the engine.
fn compared(
    text: &str,
    spoiled: bool,
    graph: &Graph,
    params: &Row,
    run: impl Fn(&str, Planning) -> Said,
    tally: &mut Tally,
) -> Result<(), String> {
    let statement = tree(text)?;
    let printed = statement.to_string();
    let expected = answer(query_of(&statement)?, graph, params);
    if matches!(expected, Err(Stop::TooMuch)) {
        tally.much += 1;
        return Ok(());
    }
    let ways = [
        ("as planned", text, Planning::Cheapest),
        ("as written", text, Planning::AsWritten),
        ("as printed", printed.as_str(), Planning::Cheapest),
    ];
    for (at, (way, text, planning)) in ways.into_iter().enumerate() {
        let said = run(text, planning);
        if let Err(fault) = judged(text, spoiled, graph, &expected, &said, (at == 0).then_some(&mut *tally)) {
            let mut report = format!("{fault}\nquery, {way}: {text}\n");
            let _ = writeln!(report, "oracle: {expected:?}");
            match &said {
                Ok(rows) => rows.iter().take(30).for_each(|row| {
                    let row: Vec<String> = row.iter().map(ToString::to_string).collect();
                    let _ = writeln!(report, "engine: {}", row.join(" | "));
                }),
                Err((error, _)) => drop(writeln!(report, "engine: {error}")),
            }
            for (at, node) in graph.nodes.iter().enumerate() {
                let _ = writeln!(report, "node {at}: {:?} {:?}", node.labels, node.properties);
            }
            for (at, rel) in graph.rels.iter().enumerate() {
                let _ = writeln!(
                    report,
                    "rel {at}: ({})-[{}]->({}) {:?}",
                    rel.start, rel.kind, rel.end, rel.properties
                );
            }
            let _ = writeln!(report, "parameters: {params:?}");
            return Err(report);
        }
    }
    Ok(())
}

fn judged(
    text: &str,
    spoiled: bool,
    graph: &Graph,
    expected: &Outcome<Answer>,
    said: &Said,
    tally: Option<&mut Tally>,
) -> Result<(), String> {
    let mut none = Tally::default();
    let tally = tally.unwrap_or(&mut none);
    let may_look_elsewhere =
        ["MATCH", "LIMIT", "EXISTS {", "COUNT {", "| "].iter().any(|word| text.contains(word));
    if let Err((error, _)) = said
        && matches!(error.kind(), ErrorKind::Limit { .. })
    {
        tally.much += 1;
        return Ok(());
    }
    if let Err((error, _)) = said
        && !matches!(error.kind(), ErrorKind::Type | ErrorKind::Runtime)
        && !(spoiled && error.kind() == ErrorKind::Binding)
    {
        return Err("no such error is expected".to_owned());
    }
    match (expected, said) {
        (Ok(answer), Ok(rows)) => {
            let rows: Result<Vec<Vec<Val>>, String> =
                rows.iter().map(|row| row.iter().map(|value| of_engine(graph, value)).collect()).collect();
            let rows = rows?;
            if let Some(fault) = differ(answer, &rows) {
                return Err(fault);
            }
            tally.rows += 1;
            tally.some += usize::from(!rows.is_empty());
        }
        (Err(Stop::Open(_)), _) => tally.open += 1,
        (Err(Stop::TooMuch), _) => {}
        (Err(Stop::Wrong(_)), Err(_)) => tally.errors += 1,
        (Ok(_), Err((_, true))) if spoiled => tally.apart += 1,
        (Ok(_), Err((_, false))) | (Err(Stop::Wrong(_)), Ok(_)) if may_look_elsewhere => tally.apart += 1,
        (Ok(_), Err(_)) => return Err("the engine ends with an error, and the oracle has rows".to_owned()),
        (Err(Stop::Wrong(why)), Ok(_)) => {
            return Err(format!("the engine has rows, and this is wrong: {why}"));
        }
    }
    Ok(())
}

/// Parameters, for the engine and for the oracle.
fn params() -> (Params, Row) {
    let list = vec![Value::Int(1), "a".into(), Value::Int(3)];
    let engine = [("i", Value::Int(2)), ("s", "ab".into()), ("l", list.into()), ("nothing", Value::Null)];
    let list = vec![Val::Int(1), Val::Str("a".into()), Val::Int(3)];
    let oracle =
        [("i", Val::Int(2)), ("s", Val::Str("ab".into())), ("l", Val::List(list)), ("nothing", Val::Null)];
    let engine: Params = engine.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let oracle: BTreeMap<String, Val> =
        oracle.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    (engine, oracle)
}

#[test]
fn over_random_graphs_the_rows_are_the_oracles() {
    let tally = hold(180, memory::case);
    eprintln!("queries over graphs: {tally:?}");
    assert!(tally.rows * 100 >= tally.all() * 85, "most queries must have rows to compare: {tally:?}");
    assert!(tally.some * 100 >= tally.rows * 30, "many of them must be there: {tally:?}");
}

#[test]
fn over_random_identity_stores_the_rows_are_the_oracles() {
    let tally = hold(4, stores::case);
    eprintln!("queries over stores: {tally:?}");
    assert!(tally.rows * 100 >= tally.all() * 85, "most queries must have rows to compare: {tally:?}");
    assert!(tally.some * 100 >= tally.rows * 30, "many of them must be there: {tally:?}");
}

#[test]
fn every_verb_is_a_procedure_with_the_same_rows_under_all_options() {
    let tally = hold(3, views::verbs);
    assert!(tally.some * 3 >= tally.all(), "{tally:?}");
}

#[test]
fn a_query_with_options_is_asked_of_the_graph_of_that_view() {
    let tally = hold(1, views::queries);
    assert!(tally.rows * 100 >= tally.all() * 85, "{tally:?}");
}

#[test]
fn what_is_supposed_is_as_in_a_store_that_is_so() {
    let tally = hold(2, views::supposed);
    assert!(tally.rows > 0, "{tally:?}");
}

#[test]
fn as_of_a_write_everything_is_answered_as_it_was_then() {
    let tally = hold(1, views::past);
    assert!(tally.rows > 0, "{tally:?}");
}
