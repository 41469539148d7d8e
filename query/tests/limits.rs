//! Every limit ends a query with an error that names it, before the memory or the stack is gone.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kinfold_query::{ErrorKind, Limits, MemoryGraph, Options, Params, Value, prepare_on};

fn full_graph(nodes: usize) -> MemoryGraph {
    let mut graph = MemoryGraph::new();
    let all: Vec<usize> = (0..nodes).map(|i| graph.add_node(&["N"], [("i", Value::Int(i as i64))])).collect();
    for a in &all {
        for b in all.iter().filter(|b| *b > a) {
            graph.add_relationship(*a, "R", *b, []);
        }
    }
    graph
}

/// The code of the error that a query ends with, or the number of its rows.
fn ends_with(text: &str, limits: Limits) -> Result<usize, String> {
    let graph = full_graph(12);
    let options = Options { limits, ..Options::default() };
    let prepared =
        prepare_on(text, Box::new(&graph), Params::new(), options).map_err(|e| e.code().to_owned())?;
    let mut count = 0;
    for row in prepared.run() {
        match row {
            Ok(_) => count += 1,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Limit { .. }), "{error}");
                return Err(error.code().to_owned());
            }
        }
    }
    Ok(count)
}

#[test]
fn memory_is_refused_before_it_is_taken() {
    let limits = Limits { max_memory_bytes: 1 << 20, ..Limits::default() };
    let start = Instant::now();
    for text in [
        "RETURN range(0, 1000000000)",
        "RETURN range(-9223372036854775808, 9223372036854775807)",
        "UNWIND range(1, 10000) AS a UNWIND range(1, 10000) AS b RETURN collect(a)",
        "UNWIND range(1, 10000) AS a UNWIND range(1, 10000) AS b RETURN a, b, count(*)",
        "UNWIND range(1, 10000) AS a UNWIND range(1, 10000) AS b RETURN DISTINCT a, b ORDER BY a",
        "UNWIND range(1, 10000) AS a UNWIND range(1, 10000) AS b WITH a, b ORDER BY b RETURN 1",
        "RETURN [x IN range(1, 10000) | range(1, 10000)]",
        "WITH range(1, 10000) AS a WITH a + a AS a WITH a + a AS a WITH a + a AS a RETURN size(a)",
        "WITH 'aaaaaaaaaaaaaaaa' AS a WITH replace(a, 'a', a) AS a WITH replace(a, 'a', a) AS a \
         WITH replace(a, 'a', a) AS a WITH replace(a, 'a', a) AS a WITH replace(a, 'a', a) AS a RETURN size(a)",
        "WITH range(1, 9000) AS a, range(1, 9000) AS b, range(1, 9000) AS c RETURN a, b, c",
        "RETURN split(replace('aaaaaaaaaaaaaaaaaaaaaaaa', 'a', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,'), '')",
    ] {
        let result = ends_with(text, limits);
        let small = text.starts_with("RETURN split");
        assert!(result == Err("limit-memory".into()) || (small && result == Ok(1)), "{text}: {result:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// A subquery that stops at its first row must give back what it held: the
/// account of a query that asks it for every row would run full otherwise.
#[test]
fn a_subquery_that_stops_early_gives_its_memory_back() {
    let limits = Limits { max_memory_bytes: 200_000, ..Limits::default() };
    for inner in [
        "WITH DISTINCT b.i AS i RETURN i",
        "WITH b ORDER BY b.i RETURN b",
        "WITH b.i AS i, count(*) AS c RETURN i",
    ] {
        let text = format!(
            "UNWIND range(1, 2000) AS x MATCH (a {{i: 3}}) WHERE EXISTS {{ MATCH (a)--(b) {inner} }} RETURN x"
        );
        assert_eq!(ends_with(&text, limits), Ok(2000), "{inner}");
    }
}

#[test]
fn rows_expansions_and_depth_are_limited() {
    let limits = Limits { max_rows: 3, max_expansions: 1000, ..Limits::default() };
    assert_eq!(ends_with("UNWIND range(1, 4) AS x RETURN x", limits), Err("limit-rows".into()));
    assert_eq!(ends_with("UNWIND range(1, 4) AS x RETURN x LIMIT 3", limits), Ok(3));
    for text in [
        "MATCH (a), (b), (c), (d) RETURN count(*)",
        "MATCH (a)-[*]-(b) RETURN count(*)",
        "MATCH (a {i: 0}), (b {i: 1}), p = shortestPath((a)-[*]-(b)) WHERE length(p) > 9 RETURN p",
    ] {
        assert_eq!(ends_with(text, limits), Err("limit-expansions".into()), "{text}");
    }
    let nesting = format!("WITH 1 AS x {} RETURN x", "WITH [x] AS x ".repeat(4_000));
    assert_eq!(ends_with(&nesting, Limits::default()), Err("limit-depth".into()));
    let tighter = Limits { max_depth: 10, ..Limits::default() };
    assert_eq!(ends_with("RETURN [[[[[[[[[[[[1]]]]]]]]]]]]", tighter), Err("limit-depth".into()));
}

#[test]
fn a_deadline_and_a_flag_end_what_would_not_end() {
    let graph = full_graph(12);
    let text = "MATCH (a)-[*]-(b) RETURN count(*)";
    let limits = Limits { deadline: Some(Duration::from_millis(50)), ..Limits::default() };
    let start = Instant::now();
    assert_eq!(ends_with(text, limits), Err("limit-deadline".into()));
    let cancel = Arc::new(AtomicBool::new(false));
    let options = Options { cancel: Some(Arc::clone(&cancel)), ..Options::default() };
    let mut rows = prepare_on(text, Box::new(&graph), Params::new(), options).unwrap().run();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        cancel.store(true, Ordering::Relaxed);
    });
    let error = rows.next().unwrap().expect_err("cancelled");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Cancelled, "cancelled"));
    canceller.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_is_deep_or_long_runs_on_a_small_stack() {
    let run = || {
        let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
        for text in [
            format!("RETURN {}", deep("(1 + ", ")", 125)),
            format!("RETURN {}", deep("[", "]", 120)),
            format!("RETURN {}", deep("{a: ", "}", 120)),
            format!("RETURN {}", deep("abs(", ")", 120)),
            format!("RETURN {}", deep("[x IN [1] | ", "]", 60)),
            format!("RETURN {}", deep("CASE WHEN true THEN ", " END", 120)),
            format!("RETURN {}", deep("coalesce(null, 1 IN [1] AND ", " = 1)", 60)),
            format!(
                "MATCH (a {{i: 1}}) WHERE {}true{} RETURN a",
                "EXISTS { (a)--() WHERE ".repeat(60),
                " }".repeat(60)
            ),
            format!("RETURN 1{}", " + 1".repeat(10_000)),
            format!("RETURN true{}", " AND true".repeat(7_000)),
            format!("{} RETURN x", "WITH 1 AS x ".repeat(5_000)),
            format!("{} RETURN 1", "MATCH (:N {i: 1}) ".repeat(300)),
            format!("MATCH (a {{i: 1}}){} RETURN 1 LIMIT 1", "--(a)".repeat(200)),
            format!("RETURN 1 AS x{}", " UNION RETURN 1 AS x".repeat(3_000)),
        ] {
            let result = ends_with(&text, Limits::default());
            assert!(result.is_ok(), "{}: {result:?}", &text[..60]);
        }
        let hops = format!("MATCH (){} RETURN 1", "--()".repeat(10_000));
        assert_eq!(ends_with(&hops, Limits::default()), Err("limit-pattern".into()));
    };
    // The stack that a service's worker thread has.
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

/// Thirty thousand nodes in one component: a long chain whose start is tied to every hundredth.
fn giant() -> MemoryGraph {
    let mut graph = MemoryGraph::new();
    let all: Vec<usize> = (0..30_000).map(|i| graph.add_node(&["N"], [("i", Value::Int(i))])).collect();
    for pair in all.windows(2) {
        graph.add_relationship(pair[0], "R", pair[1], []);
    }
    for far in all.iter().skip(100).step_by(100) {
        graph.add_relationship(all[0], "R", *far, []);
    }
    graph.add_index("i");
    graph
}

#[test]
fn whatever_walks_a_giant_component_ends_at_a_limit() {
    let graph = giant();
    for text in [
        "MATCH (n) RETURN max(n.i)",
        "MATCH (a), (b) WHERE a.i + b.i = -1 RETURN a",
        "MATCH (a {i: 0})-[*]-(b) RETURN count(*)",
        "MATCH (a {i: 0})-[*]-(b) RETURN count(DISTINCT b)",
        "MATCH (a {i: 0})-[:R*10..]->(b) RETURN count(*)",
        "OPTIONAL MATCH (a {i: 0})-[:R*]->(b) WHERE b.i < 0 RETURN b",
        "MATCH (a {i: 1}), (b {i: 29999}) MATCH p = shortestPath((a)-[:R*]->(b)) WHERE length(p) > 29999 RETURN p",
        "MATCH (a {i: 50}), (b {i: 29950}) MATCH p = shortestPath((a)-[:R*]->(b)) RETURN p",
        "MATCH (a {i: 0}) RETURN [(a)-[*]-(b) WHERE b.i < 0 | b]",
        "MATCH (a {i: 0}) RETURN COUNT { (a)-[*]-(b) }",
        "MATCH (a {i: 0}) WHERE EXISTS { (a)-[*]-(b) WHERE b.i < 0 } RETURN a",
    ] {
        let limits = Limits { max_expansions: 3_000, ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let mut rows = prepare_on(text, Box::new(&graph), Params::new(), options).unwrap().run();
        let error = rows.by_ref().find_map(Result::err).unwrap_or_else(|| panic!("{text} met no limit"));
        assert_eq!(error.kind(), ErrorKind::Limit { name: "max_expansions" }, "{text}: {error}");
        assert!(error.to_string().contains("limit max_expansions"), "{error}");
        assert_eq!(rows.stats().expansions, 3_000, "{text}");
    }
}

#[test]
fn a_deadline_ends_loops_that_touch_no_graph() {
    for text in [
        "RETURN all(x IN range(1, 100000) WHERE all(y IN range(1, 100000) WHERE x <> y - 200000))",
        "UNWIND range(1, 1000000) AS x UNWIND range(1, 1000000) AS y RETURN count(*)",
        "UNWIND range(1, 1000000) AS x UNWIND range(1, 1000000) AS y WITH x WHERE x < 0 RETURN x",
        "WITH range(1, 200000) AS l UNWIND l AS x WITH l, x WHERE l + x = [] RETURN count(*)",
        "WITH range(1, 200000) AS l UNWIND l AS x WITH l WHERE l <> l RETURN count(*)",
        "WITH range(1, 200000) AS l UNWIND l AS x WITH l WHERE -1 IN l RETURN count(*)",
        "WITH range(1, 200000) AS l UNWIND l AS x WITH l WHERE size(reverse(l)) = 0 RETURN count(*)",
        "UNWIND range(1, 1000000) AS x WITH x WHERE [y IN range(1, 1000) | y] = [] RETURN x",
    ] {
        let limits = Limits { deadline: Some(Duration::from_millis(30)), ..Limits::default() };
        assert_eq!(ends_with(text, limits), Err("limit-deadline".into()), "{text}");
    }
}

#[test]
fn a_limit_is_named_in_its_error() {
    let graph = full_graph(12);
    let small = Limits {
        deadline: None,
        max_rows: 3,
        max_expansions: 50,
        max_memory_bytes: 2_000,
        max_text_bytes: 120,
        max_depth: 4,
        ..Limits::default()
    };
    for (text, name) in [
        ("MATCH (n) RETURN n".to_owned(), "max_rows"),
        ("MATCH (a)--(b)--(c) RETURN count(*)".to_owned(), "max_expansions"),
        ("RETURN size(range(1, 1000000000))".to_owned(), "max_memory_bytes"),
        (
            "MATCH (n) RETURN collect(n.i + '0123456789012345678901234567890123456789')".to_owned(),
            "max_memory_bytes",
        ),
        (format!("RETURN '{}'", "a".repeat(200)), "max_text_bytes"),
        ("RETURN [[[[[1]]]]]".to_owned(), "max_depth"),
    ] {
        let options = Options { limits: small, ..Options::default() };
        let error = match prepare_on(&text, Box::new(&graph), Params::new(), options) {
            Ok(prepared) => prepared.run().find_map(Result::err).unwrap(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Limit { name }, "{text}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// Ten thousand levels of everything that can be nested, on the stack that a
/// service's worker thread has.
#[test]
fn ten_thousand_levels_are_too_deep_wherever_they_are() {
    const LEVELS: usize = 10_000;
    let around = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(LEVELS), close.repeat(LEVELS))
    };
    let run = move || {
        for text in [
            format!("RETURN {}", around("(", "1", ")")),
            format!("RETURN {}", around("(1 + ", "1", ")")),
            format!("RETURN {}", around("[", "1", "]")),
            format!("RETURN {}", around("[", "", "]")),
            format!("RETURN {}", around("{a:", "1", "}")),
            format!("RETURN {}", around("abs(", "1", ")")),
            format!("RETURN {}", around("l[", "1", "]")),
            format!("RETURN {}", around("NOT ", "true", "")),
            format!("RETURN {}", around("- ", "1", "")),
            format!("RETURN {}", around("[x IN ", "[]", "]")),
            format!("RETURN {}", around("[x IN[]|", "1", "]")),
            format!("RETURN {}", around("all(x IN[]WHERE ", "true", ")")),
            format!("RETURN {}", around("CASE ", "1", "")),
            format!("MATCH (a) WHERE {} RETURN a", around("EXISTS{(a)WHERE ", "true", "}")),
            format!("MATCH (a) RETURN {}", around("COUNT{MATCH(a)WHERE 1=", "1", "}")),
            format!("MATCH (a) RETURN {}", around("[(a)--()|", "1", "]")),
            format!("MATCH {}", around("(a {x:", "1", "})")),
            format!("MATCH p = {}", around("shortestPath(", "(a)--(b)", ")")),
            // Unclosed, as a text that was cut off.
            format!("RETURN {}", "(".repeat(LEVELS)),
            format!("RETURN {}", "[".repeat(LEVELS)),
            format!("RETURN {}", "[{a:".repeat(LEVELS)),
            format!("MATCH {}", "(".repeat(LEVELS)),
        ] {
            // What is too long is refused for that: here the depth is looked at.
            let limits = Limits { max_text_bytes: 1 << 20, ..Limits::default() };
            let options = Options { limits, ..Options::default() };
            let shown = text.get(..40).unwrap_or_default();
            let error = prepare_on(&text, Box::new(&MemoryGraph::new()), Params::new(), options)
                .map(|_| ())
                .expect_err(shown);
            let structural = shown.contains("shortestPath") || shown.starts_with("MATCH (");
            match error.kind() {
                ErrorKind::Limit { name: "max_depth" } => {
                    assert!(error.to_string().contains("limit max_depth"), "{shown}: {error}");
                }
                // A pattern is no expression: there it makes no sense to begin with.
                ErrorKind::Syntax if structural => {}
                other => panic!("{shown}: {other:?}: {error}"),
            }
            assert!(error.line() == 1 && error.column() > 1 && error.column() < 5_000, "{shown}: {error}");
        }
        // Values: each is one deeper than the one before, whatever it is made with.
        for step in [
            "WITH [x] AS x ",
            "WITH {x: x} AS x ",
            "UNWIND [[x]] AS y WITH [y] AS x ",
            "WITH [y IN [x] | [y]] AS x ",
            "WITH collect(x) AS x ",
            "WITH CASE WHEN true THEN [null, x] END AS x ",
            "WITH [] + [x] AS x ",
            "WITH coalesce(null, [x]) AS x ",
            "WITH COUNT { UNWIND [1] AS y RETURN y } AS n, [x] AS x ",
        ] {
            let text = format!("WITH 1 AS x {}RETURN x", step.repeat(200));
            assert_eq!(ends_with(&text, Limits::default()), Err("limit-depth".into()), "{step}");
        }
        let deep = (0..LEVELS).fold(Value::Int(1), |inner, _| vec![inner].into());
        let params = Params::from([("deep".to_owned(), deep)]);
        let graph = MemoryGraph::new();
        let error = prepare_on("RETURN size($deep)", Box::new(&graph), params, Options::default())
            .err()
            .expect("too deep");
        assert_eq!(error.kind(), ErrorKind::Limit { name: "max_depth" });
        assert!(error.to_string().contains("$deep"), "{error}");
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn nothing_is_computed_before_a_row_is_asked_for() {
    let graph = full_graph(4);
    let text = "MATCH (a) RETURN a.i LIMIT 2";
    let prepared = prepare_on(text, Box::new(&graph), Params::new(), Options::default()).unwrap();
    let mut rows = prepared.run();
    assert_eq!(rows.stats().expansions, 0);
    rows.next().unwrap().unwrap();
    assert_eq!((rows.stats().expansions, rows.stats().rows), (1, 1));
    assert_eq!(rows.by_ref().count(), 1);
    assert_eq!(rows.stats().expansions, 2);
}
