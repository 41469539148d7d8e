//! `kinfold serve` as a process, and the command line as its client.

use std::path::Path;

use kinfold_tests::bin::{Cli, CliStore, arg, figures, rows};
use kinfold_tests::data::case;
use kinfold_tests::server::Served;
use serde_json::{Value, json};

fn demo(folder: &Path) -> CliStore {
    let cli = Cli::within(folder);
    let store = CliStore::init(&cli, "store", &case("cli/schema.toml"));
    store.import(&case("cli/mapping.toml"), None, &[&case("cli/records.csv")]);
    store
}

fn ask(store: &CliStore, served: &Served, args: &[&str]) -> Vec<Vec<Value>> {
    let mut all = vec!["query", "--server", &served.url, "--format", "json"];
    all.extend(args);
    rows(&store.cli.run(all).ok())
}

#[test]
fn a_server_answers_as_its_store_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = demo(folder.path());
    let texts = [
        "MATCH (i:Identifier)-[:IDENTIFIES]->(p:Person) RETURN i.id, p.id ORDER BY i.id",
        "MATCH (a:Identifier)-[l:LINKED]-(b) RETURN a.id, b.id, l.weight, l.sources, l.first_seen ORDER BY a.id, b.id",
        "PROFILE email:'ann@example.com'",
        "PERSON account:'a-2'",
        "MATCH (p:Person)-[:MEMBER_OF]->(h) RETURN h.id, collect(p.id) AS persons",
        "RETURN [1, null, {x: 0.5}] AS list, 'it\\'s' AS text, true AND null AS nothing",
        "AS OF 0 MATCH (i:Identifier) RETURN count(*)",
        "AS OF 2 MATCH (i:Identifier)-[:IDENTIFIES]->(p) RETURN i.id, p.id ORDER BY i.id",
        "AS OF '2001-01-01' MATCH (p:Person) RETURN count(*)",
        "AS OF '2999-01-01' PROFILE email:'ann@example.com'",
        "THRESHOLD 1.0 MATCH (p:Person) RETURN count(*)",
        "MATCH (i:Identifier)-[:IDENTIFIES]->(p:Person) RETURN count(i)",
        "WHY email:'ann@example.com', account:'a-1'",
        "HISTORY email:'ann@example.com'",
        "HOW email:'ann@example.com'",
        "WHY NOT account:'a-1', account:'a-2'",
        "NETWORK email:'ann@example.com' DEPTH 3",
        "THRESHOLD 0.95 DIFF email:'ann@example.com'",
        "AS OF '2999-01-01' DIFF email:'ann@example.com'",
        "NEAR MERGES LIMIT 20",
        "THRESHOLD 0.001 AS OF '2999-01-01' WITHOUT LINK 'email:ann@example.com' - 'account:a-1' PERSON email:'ann@example.com'",
    ];
    let local: Vec<_> = texts.iter().map(|text| store.query(text)).collect();
    assert_eq!((&local[6], &local[8], &local[9]), (&vec![vec![json!(0)]], &vec![vec![json!(0)]], &local[2]));
    assert_eq!(local[10], local[11], "no link is certain");
    // The change that made Ann, and the source that it came of.
    assert_eq!(
        (&local[13][0][2], &local[13][0][6], &local[13][0][7]),
        (&json!("created"), &json!("observation"), &json!("crm"))
    );
    let stats = store.stats();
    let served = Served::start(&store.cli, store.path());
    for (text, expected) in texts.iter().zip(&local) {
        assert_eq!(&ask(&store, &served, &[text]), expected, "{text}");
        // Beside the server the directory can still be read.
        assert_eq!(&store.query(text), expected, "{text}");
    }
    let over = figures(&store.cli.run(["stats", "--server", &served.url, "--format", "json"]).ok());
    assert_eq!(over, stats);
    assert_eq!(ask(&store, &served, &["--param", "n=5", "RETURN $n + 1 AS n"]), [[json!(6)]]);

    // A query from standard input is the same query.
    let piped = Cli::within(folder.path())
        .run_with_input(["query", "--server", &served.url, "--format", "json", "-"], texts[0]);
    assert_eq!(rows(&piped.ok()), local[0]);

    let (status, log) = served.terminate();
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("ann@example.com"), "an identifier is in the log:\n{log}");
    store.check();
    assert_eq!(store.stats(), stats);
}

#[test]
fn a_store_has_one_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = demo(folder.path());
    let served = Served::start(&store.cli, store.path());
    let path = arg(store.path()).to_owned();
    for args in [
        vec!["serve", "--store", &path, "--listen", "127.0.0.1:0"],
        vec![
            "import",
            "--store",
            &path,
            "--mapping",
            arg(&case("cli/mapping.toml")),
            arg(&case("cli/records.csv")),
        ],
    ] {
        let said = store.cli.run(args).refused(1);
        assert!(said.contains("in use by another process"), "{said}");
    }
    // Reading and checking go on beside it.
    store.check();
    assert_eq!(served.terminate().0, Some(0));
    store.import(&case("cli/mapping.toml"), None, &[&case("cli/records.csv")]);
}

#[test]
fn errors_of_a_server_are_those_of_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = demo(folder.path());
    let served = Served::start(&store.cli, store.path());
    let path = arg(store.path()).to_owned();
    for text in [
        "MATCH (i:Identifer) RETURN i",
        "RETURN",
        "MATCH (i:Identifier) RETURN i.idd",
        "CREATE (n)",
        "RETURN 1 / 0",
        "PERSON email:'nobody@example.com'",
        "PERSON emial:'ann@example.com'",
        "RETURN $missing",
        "AS OF 'yesterday' RETURN 1",
        "AS OF 1000000 RETURN 1",
        "THRESHOLD 2 PERSON email:'ann@example.com'",
        "WITHOUT SOURCE 'nobody' RETURN 1",
        "FOR PURPOSE '' RETURN 1",
    ] {
        let local = store.cli.run(["query", "--store", &path, text]);
        let remote = store.cli.run(["query", "--server", &served.url, text]);
        assert_ne!(local.status, Some(0), "{local}");
        assert_eq!((local.status, &local.stderr), (remote.status, &remote.stderr), "{text}");
    }
    let rows = ["UNWIND range(1, 20) AS n RETURN n", "--max-rows", "10"];
    let said = store.cli.run([&["query", "--server", &served.url], &rows[..]].concat()).refused(1);
    assert!(said.contains("max_rows") && said.contains("10"), "{said}");
    let slow = "UNWIND range(1, 10000) AS a UNWIND range(1, 10000) AS b WITH a, b WHERE a + b < 0 RETURN a";
    let said = store.cli.run(["query", "--server", &served.url, "--timeout", "0.3", slow]).refused(1);
    assert!(said.contains("deadline"), "{said}");
    let url = served.url.clone();
    assert_eq!(served.terminate().0, Some(0));
    let said = store.cli.run(["query", "--server", &url, "RETURN 1"]).refused(1);
    assert!(said.contains("no server answers") && said.contains("kinfold serve"), "{said}");
}

#[test]
fn a_server_that_is_killed_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = demo(folder.path());
    let stats = store.stats();
    let served = Served::start(&store.cli, store.path());
    assert_eq!(ask(&store, &served, &["RETURN 1 AS n"]), [[json!(1)]]);
    drop(served);
    store.check();
    assert_eq!(store.stats(), stats);
}
