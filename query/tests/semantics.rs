//! What queries mean, as tables: a text and the rows that must come of it.

#![allow(clippy::unwrap_used)]

use kinfold_query::{MemoryGraph, Options, Params, Planning, QueryError, Value, prepare_on};

/// Ann (1) knows Bob (2) and Cid (3), Bob knows Cid, Cid knows Dan (4); Eve is alone.
fn graph() -> MemoryGraph {
    let mut graph = MemoryGraph::new();
    let ages =
        [("Ann", Value::Int(30)), ("Bob", Value::Int(25)), ("Cid", Value::Null), ("Dan", Value::Int(41))];
    let people: Vec<usize> = ages
        .into_iter()
        .map(|(name, age)| graph.add_node(&["Person"], [("name", Value::from(name)), ("age", age)]))
        .collect();
    graph.add_node(&["Person", "Loner"], [("name", "Eve".into()), ("age", Value::Int(25))]);
    for (a, b, since) in [(0, 1, 2001), (0, 2, 2002), (1, 2, 2003), (2, 3, 2004)] {
        graph.add_relationship(people[a], "KNOWS", people[b], [("since", Value::Int(since))]);
    }
    graph.add_relationship(people[3], "LIKES", people[0], []);
    graph.add_index("name");
    graph
}

fn run(text: &str) -> Result<Vec<Vec<Value>>, QueryError> {
    let graph = graph();
    let params = Params::from([("list".to_owned(), vec![Value::from("Bob"), "Cid".into()].into())]);
    prepare_on(text, Box::new(&graph), params, Options::default())?.run().collect()
}

fn shown(text: &str) -> String {
    match run(text) {
        Ok(rows) => {
            let line = |row: &Vec<Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            rows.iter().map(line).collect::<Vec<_>>().join(" | ")
        }
        Err(error) => error.code().to_owned(),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(shown(text), *expected, "{text}");
    }
}

#[test]
fn null_is_unknown() {
    check(&[
        ("RETURN null IN [], 2 IN [1, null], 1 IN [1, null], null IN [1]", "false null true null"),
        ("RETURN [1, null] = [1, null], [1, null] = [2, null], {a: null} = {a: 1}", "null false null"),
        (
            "RETURN none(x IN [null] WHERE x = 2), any(x IN [null, 2] WHERE x = 2), all(x IN [] WHERE x)",
            "null true true",
        ),
        ("RETURN single(x IN [1, 1] WHERE x = 1), single(x IN [1, null] WHERE x = 1)", "false null"),
        ("RETURN null AND false, null OR true, null XOR true, NOT null", "false true null null"),
        ("RETURN null + true, tail(null + 0), 'a' * null, [1] + null", "null null null null"),
        ("RETURN sum(x) FROM_NOTHING", "syntax"),
        ("UNWIND [] AS x RETURN sum(x), count(x), collect(x), avg(x), min(x)", "0 0 [] null null"),
        ("UNWIND [null, null] AS x RETURN collect(DISTINCT x), count(*), count(x)", "[] 2 0"),
        ("UNWIND [3, null, 1] AS x RETURN x ORDER BY x", "1 | 3 | null"),
        ("UNWIND [3, null, 1] AS x RETURN x ORDER BY x DESC", "null | 3 | 1"),
        ("RETURN 1 < null, 'a' < 1, 'a' = 1, 'a' STARTS WITH null, 1 =~ '1'", "null null false null null"),
    ]);
}

#[test]
fn numbers_are_exact_or_an_error() {
    check(&[
        ("RETURN -7 / 2, 7 % -3, 5 % -3, 2 ^ 3 ^ 2, -2 ^ 2, 7 / 2.0", "-3 1 2 64.0 4.0 3.5"),
        ("RETURN 1 / 0", "division-by-zero"),
        ("RETURN 1 % 0", "division-by-zero"),
        ("RETURN 1.0 / 0, 0.0 / 0 = 0.0 / 0", "Infinity false"),
        ("RETURN 9223372036854775807 + 1", "integer-overflow"),
        ("RETURN -9223372036854775808 / -1", "integer-overflow"),
        ("RETURN -(-9223372036854775808)", "integer-overflow"),
        ("RETURN abs(-9223372036854775808)", "integer-overflow"),
        ("RETURN 9007199254740993 = 9007199254740992.0, 1 = 1.0", "false true"),
        ("RETURN 1 < 2 < 3, 1 < 3 < 2, 3 > 2 >= 2 <> 1", "true false true"),
        (
            "RETURN round(2.5), round(-2.5), ceil(1.2), floor(-1.2), sign(-3), sqrt(9)",
            "3.0 -2.0 2.0 -2.0 -1 3.0",
        ),
        (
            "RETURN toInteger('2.9'), toInteger('x'), toFloat('1e3'), toInteger(-2.9), toFloat('NaN')",
            "2 null 1000.0 -2 null",
        ),
        ("RETURN toInteger(1e300)", "integer-overflow"),
    ]);
}

#[test]
fn texts_count_scalars() {
    check(&[
        ("RETURN size('né😀'), left('né😀', 2), right('né😀', 1), reverse('né😀')", "3 'né' '😀' '😀én'"),
        (
            "RETURN substring('hello', 1, 3), substring('hello', 9), split('a,b', ','), replace('aXa', 'X', '--')",
            "'ell' '' ['a', 'b'] 'a--a'",
        ),
        ("RETURN substring('a', -1)", "out-of-range"),
        (
            "RETURN trim(' a '), lTrim(' a'), rTrim('a '), toUpper('ß'), toString(1.0), 'a' + 1",
            "'a' 'a' 'a' 'SS' '1.0' 'a1'",
        ),
        ("RETURN 'abc' =~ 'b', 'abc' =~ 'a.*', 'AB' =~ '(?i)ab'", "false true true"),
        ("RETURN 'x' =~ '('", "invalid-regex"),
        ("RETURN 'x' =~ 'a)|(x'", "invalid-regex"),
        ("RETURN 'x' =~ '(a{1000}){1000}'", "invalid-regex"),
    ]);
}

#[test]
fn lists_index_and_slice() {
    check(&[
        ("RETURN [1, 2, 3][0], [1, 2, 3][-1], [1, 2, 3][3], [1, 2, 3][null]", "1 3 null null"),
        ("RETURN [1, 2, 3][1..], [1, 2, 3][..-1], [1, 2, 3][5..9], [1, 2, 3][2..1]", "[2, 3] [1, 2] [] []"),
        ("RETURN [1, 2] + 3, 0 + [1], [1] + [[2]], [1] + null", "[1, 2, 3] [0, 1] [1, [2]] null"),
        ("RETURN [x IN range(1, 5) WHERE x % 2 = 1 | x * x], [x IN [1, 2]]", "[1, 9, 25] [1, 2]"),
        ("RETURN range(3, 1, -1), range(1, 0), range(0, 0)", "[3, 2, 1] [] [0]"),
        ("RETURN range(1, 2, 0)", "out-of-range"),
        ("RETURN head([]), last([1, 2]), tail([1, 2, 3]), {a: {b: 1}}.a.b, {a: 1}['a']", "null 2 [2, 3] 1 1"),
        ("RETURN CASE 2 WHEN 1 THEN 'a' WHEN 2.0 THEN 'b' END, CASE WHEN null THEN 1 ELSE 2 END", "'b' 2"),
        ("RETURN coalesce(null, 1, 1 / 0)", "1"),
    ]);
}

#[test]
fn times_add_and_compare() {
    check(&[
        (
            "RETURN datetime('2026-01-31') + duration('P1M'), datetime('2026-01-01') < datetime('2026-01-02')",
            "2026-02-28T00:00:00Z true",
        ),
        (
            "RETURN duration({days: 1, hours: 2}), duration.between(datetime('2026-01-01'), datetime('2026-01-02T01:00Z'))",
            "P1DT2H P1DT1H",
        ),
        (
            "RETURN datetime() = datetime(), datetime('2026-01-02') - duration('P1D')",
            "true 2026-01-01T00:00:00Z",
        ),
        ("RETURN datetime('soon')", "invalid-time"),
        ("RETURN datetime('9999-01-01') + duration('P1Y')", "out-of-range"),
    ]);
}

#[test]
fn groups_follow_the_items() {
    check(&[
        (
            "MATCH (p:Person) RETURN p.age AS age, count(*) AS n, collect(p.name) ORDER BY n DESC, age",
            "25 2 ['Bob', 'Eve'] | 30 1 ['Ann'] | 41 1 ['Dan'] | null 1 ['Cid']",
        ),
        ("MATCH (p:Person) RETURN count(*) + 1, max(p.age) - min(p.age)", "6 16"),
        ("MATCH (p:Person) RETURN p.age, p.age + count(*) ORDER BY p.age LIMIT 1", "25 27"),
        ("MATCH (p:Person) RETURN p.age + count(*)", "ambiguous-aggregation"),
        ("MATCH (p:Person) WHERE count(p) > 1 RETURN p", "misplaced-aggregate"),
        ("UNWIND [1, 1.0, null, null] AS x RETURN DISTINCT x", "1 | null"),
        ("UNWIND [1, 1.0, '1'] AS x RETURN count(DISTINCT x)", "2"),
        ("MATCH (p:Person) WITH p.age AS age, count(*) AS n WHERE n > 1 RETURN age", "25"),
        ("MATCH (p:Person) RETURN size([x IN collect(p.age) WHERE x > 26])", "2"),
    ]);
}

#[test]
fn order_and_pages() {
    check(&[
        ("MATCH (p:Person) RETURN p.name ORDER BY p.age DESC, p.name SKIP 1 LIMIT 2", "'Dan' | 'Ann'"),
        ("MATCH (p:Person) RETURN p.name AS name ORDER BY size(name) + p.age, name LIMIT 2", "'Bob' | 'Eve'"),
        ("UNWIND [2, 1, 3] AS x WITH x ORDER BY x LIMIT 2 WHERE x > 1 RETURN x", "2"),
        ("UNWIND [2, 1, 3] AS x RETURN x LIMIT 0", ""),
        ("RETURN 1 LIMIT -1", "negative-count"),
        ("RETURN 1 LIMIT 1.5", "invalid-count"),
        ("MATCH (p:Person) RETURN DISTINCT p.age ORDER BY p.name", "unknown-variable"),
        ("UNWIND [1, 2] AS x RETURN x UNION UNWIND [2, 3] AS x RETURN x", "1 | 2 | 3"),
        ("UNWIND [1, 2] AS x RETURN x UNION ALL RETURN 2 AS x", "1 | 2 | 2"),
        ("RETURN 1 AS x UNION RETURN 1 AS y", "union-columns"),
    ]);
}

#[test]
fn patterns_use_each_relationship_once() {
    check(&[
        ("MATCH (a {name: 'Ann'})-[:KNOWS]->(b)<-[:KNOWS]-(c) RETURN c.name", "'Bob'"),
        ("MATCH (a {name: 'Bob'})--(b)--(c {name: 'Bob'}) RETURN b.name", ""),
        (
            "MATCH (a {name: 'Ann'})-[:KNOWS]->(b) MATCH (b)<-[:KNOWS]-(c) RETURN b.name, c.name ORDER BY b.name, c.name",
            "'Bob' 'Ann' | 'Cid' 'Ann' | 'Cid' 'Bob'",
        ),
        ("MATCH (a:Person) WHERE a.name IN $list RETURN a.name", "'Bob' | 'Cid'"),
        ("MATCH (a)-[r]->(a) RETURN r", ""),
        ("MATCH (a:Loner) OPTIONAL MATCH (a)-[r]-(b) RETURN a.name, r, b", "'Eve' null null"),
        ("MATCH (a:Person) WHERE NOT (a)--() RETURN a.name", "'Eve'"),
        ("MATCH (a:Person) WHERE EXISTS { (a)-[:KNOWS]->(b) WHERE b.name = 'Dan' } RETURN a.name", "'Cid'"),
        (
            "MATCH (a:Person) RETURN a.name, COUNT { (a)-->() } AS n ORDER BY n DESC, a.name LIMIT 2",
            "'Ann' 2 | 'Bob' 1",
        ),
        ("MATCH (a {name: 'Ann'}) RETURN [(a)-[r:KNOWS]->(b) WHERE r.since > 2001 | b.name]", "['Cid']"),
        (
            "MATCH (a {name: 'Ann'})-[r]-(b) WITH a, r MATCH (x)-[r]->(y) RETURN x.name, y.name ORDER BY y.name",
            "'Dan' 'Ann' | 'Ann' 'Bob' | 'Ann' 'Cid'",
        ),
        ("OPTIONAL MATCH (a:Nobody) WITH a MATCH (a) RETURN a", "unknown-label"),
        ("OPTIONAL MATCH (a {name: 'Nobody'}) WITH a MATCH (a) RETURN a", ""),
        ("MATCH (a {name: 'Ann'}), (b {name: 'Dan'}) RETURN a.name, b.name, (a)--(b)", "misplaced-pattern"),
        (
            "MATCH (a:Person {name: 'Ann'}) WHERE a:Person AND NOT a:Loner RETURN labels(a), a:Loner",
            "['Person'] false",
        ),
    ]);
}

#[test]
fn lengths_vary() {
    check(&[
        (
            "MATCH p = (a {name: 'Ann'})-[:KNOWS*]->(d {name: 'Dan'}) RETURN [n IN nodes(p) | n.name] AS way ORDER BY size(way)",
            "['Ann', 'Cid', 'Dan'] | ['Ann', 'Bob', 'Cid', 'Dan']",
        ),
        ("MATCH (a {name: 'Ann'})-[*0..1]->(b) RETURN b.name ORDER BY b.name", "'Ann' | 'Bob' | 'Cid'"),
        (
            "MATCH (d {name: 'Dan'})<-[r:KNOWS*2]-(a) RETURN a.name, [x IN r | x.since] ORDER BY a.name",
            "'Ann' [2004, 2002] | 'Bob' [2004, 2003]",
        ),
        ("MATCH (a)-[r:KNOWS*2 {since: 2001}]->(b) RETURN r", ""),
        ("MATCH p = shortestPath((a {name: 'Ann'})-[:KNOWS*]->(d {name: 'Dan'})) RETURN length(p)", "2"),
        ("MATCH p = shortestPath((a {name: 'Ann'})-[:KNOWS*..1]->(d {name: 'Dan'})) RETURN p", ""),
        (
            "MATCH p = shortestPath((a {name: 'Ann'})-[:KNOWS*]->(d {name: 'Dan'})) \
          WHERE all(r IN relationships(p) WHERE r.since <> 2002) RETURN [n IN nodes(p) | n.name]",
            "['Ann', 'Bob', 'Cid', 'Dan']",
        ),
        (
            "MATCH p = shortestPath((a {name: 'Ann'})-[:KNOWS*]->(d {name: 'Dan'})) WHERE length(p) > 2 RETURN length(p)",
            "3",
        ),
        ("MATCH p = shortestPath((a {name: 'Ann'})-[*]-(e {name: 'Eve'})) RETURN p", ""),
        (
            "MATCH p = allShortestPaths((a {name: 'Bob'})-[*]-(d {name: 'Dan'})) \
          RETURN [n IN nodes(p) | n.name] AS way ORDER BY way",
            "['Bob', 'Ann', 'Dan'] | ['Bob', 'Cid', 'Dan']",
        ),
        ("MATCH (a {name: 'Ann'}), p = shortestPath((a)-[*]-(a)) RETURN length(p)", "3"),
        (
            "MATCH (a {name: 'Ann'})-[r*2]->(b) WITH r MATCH (x)-[r*]->(y) RETURN x.name, y.name ORDER BY y.name",
            "'Ann' 'Cid' | 'Ann' 'Dan'",
        ),
    ]);
}

#[test]
fn a_shortest_path_is_the_shortest_that_the_rest_of_the_clause_leaves() {
    check(&[
        // Ann's one relationship to Dan is taken by the other pattern.
        (
            "MATCH p = shortestPath((a {name: 'Ann'})-[*]-(d {name: 'Dan'})), (a)-[:LIKES]-(d) RETURN length(p)",
            "2",
        ),
        (
            "MATCH p = shortestPath((a {name: 'Ann'})-[*]-(d {name: 'Dan'})), (b {name: 'Bob'}) \
             WHERE length(p) * 10 > b.age - 10 RETURN length(p)",
            "2",
        ),
    ]);
}

#[test]
fn as_written_nothing_is_moved() {
    let graph = graph();
    let text = "EXPLAIN MATCH (a)-[:KNOWS]->(b {name: 'Bob'}) WHERE a.age > 1 RETURN a";
    let plan = |planning| {
        let options = Options { planning, ..Options::default() };
        let rows = prepare_on(text, Box::new(&graph), Params::new(), options).unwrap().run();
        let steps = rows.map(|row| row.unwrap()[0].as_str().unwrap_or_default().to_owned());
        steps.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(plan(Planning::Cheapest), "Seek Filter Expand Filter Project");
    assert_eq!(plan(Planning::AsWritten), "Scan Expand Filter Filter Project");
}

#[test]
fn names_are_checked_before_anything_runs() {
    check(&[
        ("MATCH (a:Persn) RETURN a", "unknown-label"),
        ("MATCH (a) RETURN b", "unknown-variable"),
        ("MATCH (a) RETURN a.nmae", "unknown-property"),
        ("RETURN lenght('a')", "unknown-function"),
        ("RETURN $nothing", "unknown-parameter"),
        ("RETURN left('a')", "argument-count"),
        ("RETURN 1 AS a, 2 AS a", "duplicate-column"),
        ("WITH 1 AS a MATCH (a) RETURN a", "type-conflict"),
        ("MATCH (a)-[r]->()-[r]->() RETURN r", "relationship-reused"),
        ("MATCH (a) WITH a.name RETURN 1", "unnamed-item"),
        ("UNWIND [1] AS x UNWIND [2] AS x RETURN x", "already-bound"),
        ("MATCH (a $list) RETURN a", "parameter-map"),
        ("RETURN 'a' AND true", "wrong-type"),
        ("RETURN size(1)", "wrong-argument"),
    ]);
    let error = run("MATCH (person:Person) RETURN persn.name").expect_err("a slip");
    assert_eq!(error.hint(), Some("did you mean `person`?"));
}
