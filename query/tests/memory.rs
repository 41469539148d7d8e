//! What hostile texts take of memory, measured of the process: a binary of its
//! own with one test in it, since the peak that the system tells is the whole process's.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use kinfold_query::{ErrorKind, Limits, MemoryGraph, Options, Params, Value, prepare_on};

/// The most memory that this process has had, in bytes; `None` where the system does not tell it so.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kib| kib << 10)
}

/// One giant component: a star whose rays are tied into a ring.
fn giant() -> MemoryGraph {
    let mut graph = MemoryGraph::new();
    let all: Vec<usize> = (0..5_000).map(|i| graph.add_node(&["N"], [("i", Value::Int(i))])).collect();
    for pair in all.windows(2) {
        graph.add_relationship(pair[0], "R", pair[1], []);
    }
    for far in all.iter().skip(2) {
        graph.add_relationship(all[0], "R", *far, []);
    }
    graph.add_index("i");
    graph
}

/// Texts that would take all memory, each in its own way.
fn greedy() -> Vec<String> {
    let doubled = |start: &str, step: &str| {
        format!("WITH {start} AS a {} RETURN size(a)", format!("WITH {step} AS a ").repeat(200))
    };
    let mut texts: Vec<String> = [
        "RETURN size(range(1, 1000000000))",
        "UNWIND range(1, 1000000000) AS x RETURN x",
        "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN collect(x)",
        "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN collect(DISTINCT [x, y])",
        "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN count(DISTINCT [x, y])",
        "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN percentileDisc(x, 0.5)",
        "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN x, y ORDER BY y",
        "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN x, y ORDER BY y LIMIT 100000000",
        "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN DISTINCT x, y",
        "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN x, y, count(*)",
        "UNWIND range(1, 100000) AS x RETURN x UNION UNWIND range(1, 100000) AS x RETURN x",
        "RETURN [x IN range(1, 50000) | range(1, 50000)]",
        "RETURN [x IN range(1, 50000) | [y IN range(1, 50000) | x + y]]",
        "RETURN [x IN range(1, 100000) | 'a text of some length: ' + toString(x)]",
        "RETURN size(split(replace('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'a', $long), ''))",
        "MATCH (a), (b) RETURN collect([a, b])",
        "MATCH (a), (b) RETURN a, b ORDER BY b.i",
        "MATCH (a {i: 0})-[r*]-(b) RETURN collect(r)",
        "MATCH p = (a {i: 0})-[*]-(b) RETURN collect(p)",
        "MATCH p = (a {i: 0})-[*]-(b) RETURN max(length(p)), p",
        "MATCH (a), (b) WHERE a <> b MATCH p = allShortestPaths((a)-[*]-(b)) RETURN collect(p)",
        "MATCH (a {i: 0}) RETURN [(a)-[r*]-(b) | r]",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend([
        doubled("$long", "a + a"),
        doubled("'aaaaaaaa'", "replace(a, 'a', a)"),
        doubled("range(1, 100)", "a + a"),
        doubled("range(1, 100)", "[a, a]"),
        doubled("'ab'", "toUpper(a) + toLower(reverse(a)) + a"),
        doubled("{x: $long}", "[x IN [a, a] | {x: x}]"),
        // Values each within the limit, and together not: of a row, of an expression,
        // of an expression in another, of rows that wait for each other.
        format!("WITH 1 AS z {} RETURN 1", range_in_each_of(200)),
        format!("RETURN size([{}0])", "range(1, 100000), ".repeat(500)),
        format!("RETURN {}0 AS z", each(500, |at| format!("range({at}, 100000) AS l{at}, "))),
        format!("RETURN {{{}z: 0}}", each(500, |at| format!("l{at}: range({at}, 100000), "))),
        format!("RETURN 1 AS z ORDER BY {}1", "range(1, 100000), ".repeat(500)),
        format!("RETURN {}count(*)", each(300, |at| format!("range({at}, 100000) AS l{at}, "))),
        format!("RETURN size({}[]{})", "range(1, 100000) + (".repeat(100), ")".repeat(100)),
        format!("RETURN {}true{}", "range(1, 100000) = (".repeat(100), ")".repeat(100)),
        format!("RETURN {}1{}", "[x IN range(1, 100000) | ".repeat(60), "]".repeat(60)),
        format!("RETURN {}true{}", "all(x IN range(1, 100000) WHERE ".repeat(60), ")".repeat(60)),
        format!("RETURN {}1{}", "range(1, 100000)[".repeat(100), "]".repeat(100)),
        format!(
            "{} RETURN 1",
            "WITH range(1, 100000) AS l UNWIND [1, 2] AS x WITH x, l UNWIND [1] AS y ".repeat(200)
        ),
        "UNWIND range(1, 1000) AS x RETURN x, max(range(x, 100000))".to_owned(),
        // What a row holds of nodes is little until it is told what they are.
        "MATCH (a), (b) WHERE b.i < 10 WITH collect(a) AS everybody RETURN everybody".to_owned(),
        // Texts that each need a matcher of their own.
        "UNWIND range(1, 300) AS x WITH x WHERE 'aaa' =~ '([a-f]{1,9}){1,' + toString(x) + '}' \
         RETURN collect(range(1, 100000))"
            .to_owned(),
    ]);
    texts
}

fn each(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect()
}

/// Ever more large lists in one row.
fn range_in_each_of(count: usize) -> String {
    each(count, |at| format!("WITH *, range({at}, {at} + 50000) AS l{at} "))
}

#[test]
fn what_would_take_all_memory_takes_its_limit() {
    // What a query may hold, and what the process may grow by: the estimate is
    // one of values, beside which stand the rows in flight, what a vector keeps
    // free to grow into, and what the allocator does not give back.
    const LIMIT: usize = 8 << 20;
    const GROWTH: usize = 8 * LIMIT;
    let graph = giant();
    let Some(before) = peak() else {
        eprintln!("skipped: this system does not tell the peak of a process in /proc/self/status");
        return;
    };
    for text in greedy() {
        let limits = Limits {
            deadline: Some(Duration::from_secs(20)),
            max_rows: 200_000,
            max_expansions: 2_000_000,
            max_memory_bytes: LIMIT,
            ..Limits::default()
        };
        let options = Options { limits, ..Options::default() };
        let params = Params::from([("long".to_owned(), Value::from("x".repeat(60_000)))]);
        let shown = text.get(..120).unwrap_or(&text);
        let mut rows = prepare_on(&text, Box::new(&graph), params, options)
            .unwrap_or_else(|error| panic!("{shown}: {error}"))
            .run();
        // Rows are dropped as they come, as a server does that sends them on.
        let error = rows.by_ref().find_map(Result::err).unwrap_or_else(|| panic!("{shown}: met no limit"));
        assert!(matches!(error.kind(), ErrorKind::Limit { .. }), "{shown}: {error}");
        assert_ne!(error.kind(), ErrorKind::Limit { name: "deadline" }, "{shown}: {error}");
        assert!(error.line() > 0 && error.column() > 0, "{shown}");
        assert!(rows.stats().peak_memory_bytes <= LIMIT, "{shown}: {:?}", rows.stats());
        let grown = peak().unwrap() - before;
        eprintln!("{:>6} KiB {:?} {shown}", grown >> 10, error.kind());
        assert!(grown <= GROWTH, "after `{shown}` the process has grown by {} KiB", grown >> 10);
    }
}
