//! What queries do to be fast, told by their plans and by what they read, never by time.

#![allow(clippy::unwrap_used)]

use kinfold_query::{MemoryGraph, Options, Params, Value, prepare_on};

/// 200 persons in a ring that know the next two, every tenth of them an `Admin`; indexed by name.
fn ring() -> MemoryGraph {
    let mut graph = MemoryGraph::new();
    let all: Vec<usize> = (0..200)
        .map(|at| {
            let labels: &[&str] = if at % 10 == 0 { &["Person", "Admin"] } else { &["Person"] };
            graph.add_node(labels, [("name", Value::from(format!("n{at:03}"))), ("at", Value::Int(at))])
        })
        .collect();
    for at in 0..200 {
        for next in [1, 2] {
            graph.add_relationship(
                all[at],
                "KNOWS",
                all[(at + next) % 200],
                [("by", Value::Int(next as i64))],
            );
        }
    }
    graph.add_index("name");
    graph
}

fn rows(graph: &MemoryGraph, text: &str) -> Vec<Vec<Value>> {
    let params = Params::from([
        ("name".to_owned(), Value::from("n005")),
        ("names".to_owned(), vec![Value::from("n005"), "n007".into(), "nobody".into()].into()),
    ]);
    let prepared = prepare_on(text, Box::new(graph), params, Options::default())
        .unwrap_or_else(|error| panic!("{error}"));
    prepared.run().map(|row| row.unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The steps of a query's plan.
fn steps(query: &str) -> Vec<String> {
    let all = rows(&ring(), &format!("EXPLAIN {query}"));
    all.iter().map(|row| text(&row[0]).trim().to_owned()).collect()
}

/// How many nodes and relationships a query takes from the graph, and how many rows it gives.
fn work(query: &str) -> (u64, usize) {
    let graph = ring();
    let params = Params::from([("name".to_owned(), Value::from("n005"))]);
    let mut rows = prepare_on(query, Box::new(&graph), params, Options::default()).unwrap().run();
    let count = rows.by_ref().collect::<Result<Vec<_>, _>>().unwrap().len();
    (rows.stats().expansions, count)
}

#[test]
fn anchors_are_sought_however_they_are_written() {
    for (query, most) in [
        ("MATCH (p:Person {name: $name}) RETURN p.at", 1),
        ("MATCH (p) WHERE p.name = $name RETURN p.at", 1),
        ("MATCH (p) WHERE 'n005' = p.name AND p.at > 1 RETURN p.at", 1),
        ("MATCH (p) WHERE p.name IN ['n005', 'n007', 'n005', null] RETURN p.at", 2),
        ("WITH 'n005' AS name MATCH (p {name: name}) RETURN p.at", 1),
        ("UNWIND ['n005', 'n007'] AS name MATCH (p {name: name}) RETURN p.at", 2),
        ("MATCH (p) WHERE p.name STARTS WITH 'n01' RETURN p.at", 10),
        ("MATCH (p) WHERE p.name STARTS WITH $name RETURN p.at", 1),
        ("MATCH (p {name: $name})-[:KNOWS]->(q) RETURN q.at", 3),
        ("MATCH (q)<-[:KNOWS]-(p {name: $name}) RETURN q.at", 3),
        ("MATCH (a:Person)-[:KNOWS]->(b)-[:KNOWS]->(p {name: $name}) RETURN a.at", 7),
        ("OPTIONAL MATCH (p {name: $name}) RETURN p.at", 1),
    ] {
        let (read, found) = work(query);
        assert!(read <= most && found > 0, "{query}: {read} read, {found} found");
        assert!(steps(query).iter().any(|step| step == "Seek"), "{query}");
    }
    // What could be anything is compared by a scan, with the same result.
    assert_eq!(work("MATCH (p) WHERE p.name ENDS WITH '05' RETURN p.at"), (200, 2));
    assert_eq!(work("MATCH (p) WHERE NOT p.name STARTS WITH 'n0' RETURN p.at"), (200, 100));
}

#[test]
fn the_end_that_reaches_least_comes_first() {
    // 20 admins against 200 persons.
    let plan = rows(&ring(), "EXPLAIN MATCH (p:Person)-[:KNOWS]->(a:Admin) RETURN p.name, a.name");
    assert!(text(&plan[0][1]).starts_with("(a:Admin)"), "{plan:?}");
    assert_eq!(work("MATCH (p:Person)-[:KNOWS]->(a:Admin) RETURN p, a"), (20 + 40, 40));
    // Between two anchors nothing is walked from either.
    let two = "MATCH (a {name: 'n005'})-[k:KNOWS]->(b {name: 'n006'}) RETURN k.by";
    assert_eq!(steps(two), ["Seek", "Filter", "Seek", "Filter", "Connect", "Project"]);
    assert_eq!(work(two), (3, 1));
}

#[test]
fn conditions_run_as_soon_as_they_can() {
    let query =
        "MATCH (p {name: $name})-[k:KNOWS]->(q)-[:KNOWS]->(r) WHERE k.by = 1 AND r.at > 6 RETURN r.at";
    assert_eq!(steps(query), ["Seek", "Filter", "Expand", "Filter", "Expand", "Filter", "Project"]);
    // One anchor, its two relationships, and those of the one that is left.
    assert_eq!(work(query), (5, 2));
}

#[test]
fn a_limit_stops_the_work() {
    assert_eq!(work("MATCH (p:Person) RETURN p LIMIT 3"), (3, 3));
    assert_eq!(work("MATCH (p:Person) RETURN p LIMIT 0"), (0, 0));
    assert_eq!(work("MATCH (p:Person) WHERE p.at >= 10 RETURN p SKIP 1 LIMIT 2").0, 13);
    assert_eq!(work("MATCH (p:Person) WITH DISTINCT p.at / 100 AS x LIMIT 1 RETURN x"), (1, 1));
    assert_eq!(work("MATCH (p {name: $name})-[:KNOWS*]->(q) RETURN q LIMIT 5"), (6, 5));
    assert_eq!(work("MATCH (p:Person) WHERE EXISTS { (p)-[:KNOWS]->() } RETURN p LIMIT 1"), (2, 1));
    assert_eq!(steps("MATCH (p:Person) RETURN p.at AS at ORDER BY at DESC LIMIT 3")[3..], ["Top", "Limit"]);
    let graph = ring();
    let query =
        "MATCH (p:Person) RETURN p.at AS at, [x IN range(1, 100) | p.name] AS list ORDER BY at DESC LIMIT 3";
    let mut running = prepare_on(query, Box::new(&graph), Params::new(), Options::default()).unwrap().run();
    assert_eq!(running.by_ref().count(), 3);
    // Three rows are kept, not two hundred.
    assert!(running.stats().peak_memory_bytes < 100_000, "{}", running.stats().peak_memory_bytes);
}

#[test]
fn a_shortest_path_is_sought_from_both_ends() {
    let query = "MATCH p = shortestPath((a {name: 'n000'})-[:KNOWS*]-(b {name: 'n020'})) RETURN length(p)";
    assert_eq!(rows(&ring(), query), [[Value::Int(10)]]);
    // From one end it would look at all that is within ten steps both ways: some 80 nodes with 4 each.
    assert!(work(query).0 < 200, "{:?}", work(query));
    assert_eq!(steps(query)[4], "Shortest path");
}

#[test]
fn distinct_ends_are_reached_without_walking_every_trail() {
    for query in [
        "MATCH (a {name: $name})-[:KNOWS*]->(b) RETURN DISTINCT b.name",
        "MATCH (a {name: $name})-[:KNOWS*]->(b:Admin) RETURN DISTINCT b",
        "MATCH (a {name: $name})-[:KNOWS*]->(b) RETURN count(DISTINCT b)",
        "MATCH (a {name: $name})-[:KNOWS*]->(b) WITH DISTINCT b RETURN count(*)",
        "MATCH (a {name: $name})-[:KNOWS*0..]-(b) RETURN min(b.name)",
        "MATCH (a {name: $name}) WHERE EXISTS { (a)-[:KNOWS*]->(b) WHERE b.at = 4 } RETURN a",
        "MATCH (a {name: $name})-[:KNOWS*]->(b) RETURN b.at AS x UNION RETURN 1 AS x",
    ] {
        assert!(steps(query).iter().any(|step| step == "Reach"), "{query}: {:?}", steps(query));
        // There are more trails than anybody could walk.
        assert!(work(query).0 < 10_000, "{query}: {:?}", work(query));
    }
    for query in [
        "MATCH (a {name: $name})-[:KNOWS*..3]->(b) RETURN b",
        "MATCH (a {name: $name})-[:KNOWS*..3]->(b) RETURN count(b)",
        "MATCH (a {name: $name})-[r:KNOWS*..3]->(b) RETURN DISTINCT r",
        "MATCH (a {name: $name})-[r:KNOWS*..3]->(b) RETURN DISTINCT b, size(r)",
        "MATCH p = (a {name: $name})-[:KNOWS*..3]->(b) RETURN DISTINCT length(p)",
        "MATCH (a {name: $name})-[:KNOWS*2..3]->(b) RETURN DISTINCT b",
        "MATCH (a {name: $name})-[:KNOWS*..3]->(b)-[:KNOWS]->(c) RETURN DISTINCT c",
        "MATCH (a {name: $name})-[:KNOWS*..3]->(b) WITH b LIMIT 5 RETURN DISTINCT b",
    ] {
        assert!(!steps(query).iter().any(|step| step == "Reach"), "{query}");
    }
}

/// What is reached is what the walk reaches, with every length, direction and kind of graph.
#[test]
fn what_is_reached_is_what_every_trail_ends_at() {
    let shapes: [&[(usize, usize)]; 7] = [
        &[(0, 1)],
        &[(0, 0)],
        &[(0, 1), (1, 0)],
        &[(0, 1), (0, 1)],
        &[(0, 1), (1, 2), (2, 0), (2, 3)],
        &[(0, 1), (1, 2), (2, 3), (3, 1), (4, 4)],
        &[(1, 0), (1, 2), (3, 2), (3, 0), (0, 4), (4, 4), (4, 1)],
    ];
    for shape in shapes {
        let mut graph = MemoryGraph::new();
        for at in 0..5 {
            graph.add_node(if at % 2 == 0 { &["Even"] } else { &[] }, [("at", Value::Int(at))]);
        }
        for (at, (from, to)) in shape.iter().enumerate() {
            graph.add_relationship(*from, "R", *to, [("w", Value::Int(at as i64 % 2))]);
        }
        for hop in ["-[:R*LEN]->", "<-[:R*LEN]-", "-[:R*LEN]-", "-[:R*LEN {w: 0}]-"] {
            for length in ["", "0..", "0..2", "1..1", "..2", "..3", "0..0", "1..0"] {
                let hop = hop.replace("LEN", length);
                for (pattern, end) in [
                    (format!("(a){hop}(b)"), "b"),
                    (format!("(a){hop}(b:Even)"), "b"),
                    (format!("(a){hop}(a)"), "a"),
                    (format!("(a), (b) MATCH (a){hop}(b)"), "b"),
                ] {
                    let reached = format!("MATCH {pattern} RETURN DISTINCT a.at AS x, {end}.at AS y");
                    // Speaking of the relationships keeps the walk.
                    let named = pattern.replace("[:R*", "[r:R*");
                    let walked =
                        format!("MATCH {named} WITH a.at AS x, {end}.at AS y, r AS r RETURN DISTINCT x, y");
                    let plan = rows(&graph, &format!("EXPLAIN {reached}"));
                    assert!(plan.iter().any(|row| text(&row[0]) == "Reach"), "{reached}");
                    let (mut one, mut other) = (rows(&graph, &reached), rows(&graph, &walked));
                    one.sort_by_key(|row| format!("{row:?}"));
                    other.sort_by_key(|row| format!("{row:?}"));
                    assert_eq!(one, other, "{shape:?} {reached} {walked}");
                }
            }
        }
    }
}

#[test]
fn counts_come_from_what_the_graph_knows() {
    for (query, count) in [
        ("MATCH (p:Person) RETURN count(*)", 200),
        ("MATCH (p:Admin) RETURN count(p) AS c", 20),
        ("MATCH (p) RETURN count(*) + 1", 201),
        ("MATCH (p:Person) RETURN count(DISTINCT p)", 200),
        ("MATCH (p:Admin:Person) WITH count(*) AS n RETURN n", 20),
    ] {
        assert_eq!(rows(&ring(), query), [[Value::Int(count)]], "{query}");
        assert_eq!(work(query), (1, 1), "{query}");
        assert_eq!(steps(query)[0], "Count", "{query}");
    }
    for query in [
        "MATCH (p:Person) RETURN count(p.at)",
        "MATCH (p:Person) WHERE p.at > 1 RETURN count(*)",
        "MATCH (p:Person) RETURN p.at, count(*)",
        "MATCH (p:Person), (q:Admin) RETURN count(*)",
    ] {
        assert!(!steps(query).contains(&"Count".to_owned()), "{query}");
    }
}

#[test]
fn every_step_has_an_estimate_and_analyze_what_it_did() {
    let query = "MATCH (p {name: $name})-[:KNOWS]->(q) WHERE EXISTS { (q)-[:KNOWS]->(:Admin) } \
                 RETURN q.name ORDER BY q.at LIMIT 1";
    let plan = rows(&ring(), &format!("EXPLAIN {query}"));
    for row in &plan {
        let known = matches!(row[2], Value::Float(rows) if rows >= 0.0);
        assert!(known || text(&row[0]).trim() == "Subquery", "{row:?}");
    }
    let names: Vec<&str> = plan.iter().map(|row| text(&row[0])).collect();
    let expected = [
        "Seek",
        "Filter",
        "Expand",
        "Filter",
        "  Subquery",
        "    Expand",
        "Compute",
        "Project",
        "Top",
        "Limit",
    ];
    assert_eq!(names, expected);
    let done = rows(&ring(), &format!("ANALYZE {query}"));
    let told = |at: usize| (done[at][3].clone(), done[at][4].clone());
    // The seek finds one node; comparing its name again is one read.
    assert_eq!(told(0), (Value::Int(1), Value::Int(1)));
    assert_eq!(told(1), (Value::Int(1), Value::Int(1)));
    assert_eq!(told(2), (Value::Int(2), Value::Int(2)));
    // Of the two one knows no admin.
    assert_eq!(told(3).0, Value::Int(0));
    assert!(matches!(done[3][5], Value::Float(milliseconds) if milliseconds >= 0.0));
}
