//! What the command line says when something is wrong, and what becomes of rows that cannot be used.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kinfold_tests::bin::{Cli, CliStore, Ran};
use kinfold_tests::data::case;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    args: Vec<String>,
    status: i32,
    says: Vec<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    stdin: String,
}

/// A working directory with schema.toml, mapping.toml, records.csv and a store of them.
fn prepared(folder: &Path) -> CliStore {
    for name in ["schema.toml", "mapping.toml", "records.csv"] {
        fs::copy(case("cli").join(name), folder.join(name)).expect("the case is complete");
    }
    let store = CliStore::init(&Cli::within(folder), "store", &folder.join("schema.toml"));
    import(&store, "records.csv");
    store
}

fn import(store: &CliStore, file: &str) -> String {
    store.import(Path::new("mapping.toml"), None, &[Path::new(file)])
}

/// The figure of an import's summary.
fn figure(said: &str, what: &str) -> u64 {
    let line =
        said.lines().find_map(|line| line.trim().strip_prefix(what)).unwrap_or_else(|| panic!("{said}"));
    let number = line.split_whitespace().next().unwrap_or_default().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("{said}"))
}

fn says_so(case: &Case, ran: &Ran) -> Result<(), String> {
    if ran.status != Some(case.status) {
        return Err(format!("status {:?}, expected {}", ran.status, case.status));
    }
    match case.says.iter().find(|text| !ran.stderr.contains(text.as_str())) {
        Some(text) => Err(format!("does not say `{text}`")),
        None => Ok(()),
    }
}

#[test]
fn every_mistake_has_one_clear_message() {
    let text = fs::read_to_string(case("cli/errors.toml")).expect("the cases are there");
    let cases: Cases = toml::from_str(&text).expect("the cases are well formed");
    let folder = tempfile::tempdir().expect("a folder");
    let store = prepared(folder.path());
    let before = store.stats();
    let mut wrong = Vec::new();
    for case in &cases.case {
        for (name, text) in &case.files {
            fs::write(folder.path().join(name), text.trim_start()).expect("writable");
        }
        let ran = store.cli.run_with_input(&case.args, &case.stdin);
        if let Err(why) = says_so(case, &ran) {
            wrong.push(format!("{}: {why}\n{ran}", case.what));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n\n{}", wrong.len(), cases.case.len(), wrong.join("\n"));
    store.check();
    assert_eq!(store.stats(), before);
    for name in ["new", "people"] {
        assert!(!folder.path().join(name).exists(), "a command that failed left `{name}`");
    }
}

const REJECTED: &str = "\
id,seen,score,account,email,phone,address,name
b-1,2026-02-05T10:00:00Z,0.9,b-1,good@example.com,030 123457,Elm Street 9,Good
b-2,yesterday,0.9,b-2,x2@example.com,,,Time
b-3,2026-02-05T10:00:00Z,1.9,b-3,x3@example.com,,,Score
b-4,2026-02-05T10:00:00Z,0.9,b-4,no address,,,Email
b-5,2026-02-05T10:00:00Z,0.9,b-5,x5@example.com,12,,Phone
b-6,2026-02-05T10:00:00Z,0.9,,,,,Nobody
b-7,2026-02-05T10:00:00Z,0.9,b-7
b-8,2026-02-05T10:00:00Z,0.9,b-8,x8@example.com,,,\"Two
lines\"
b-9,2026-02-05T10:00:00Z,,b-9,x9@example.com,,,No score
b-10,2026-02-05T10:00:00Z,0.9,null,x10@example.com,,,Junk
";

#[test]
fn rejected_rows_are_listed_and_can_be_put_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = prepared(folder.path());
    let file = |name: &str| folder.path().join(name);
    fs::write(file("records_b.csv"), REJECTED).expect("writable");
    let said = import(&store, "records_b.csv");
    assert_eq!(
        ["rows read", "written", "values denied", "rejected"].map(|what| figure(&said, what)),
        [10, 3, 1, 7]
    );
    assert!(said.contains("listed with their rows in records_b.csv.rejects.csv"), "{said}");

    let mut reader = csv::Reader::from_path(file("records_b.csv.rejects.csv")).expect("there are rejects");
    assert_eq!(reader.headers().expect("a header"), ["file", "line", "column", "reason", "row"].as_slice());
    let rejects: Vec<csv::StringRecord> =
        reader.records().collect::<Result<_, _>>().expect("well-formed CSV");
    let listed: Vec<(&str, &str)> = rejects.iter().map(|row| (&row[1], &row[2])).collect();
    let all = "account and email and phone and address";
    let expected = [
        ("3", "seen"),
        ("4", "score"),
        ("5", "email"),
        ("6", "phone"),
        ("7", all),
        ("8", ""),
        ("11", "score"),
    ];
    assert_eq!(listed, expected);
    let lines: Vec<&str> = REJECTED.lines().collect();
    for reject in &rejects {
        assert_eq!(&reject[0], "records_b.csv");
        let line: usize = reject[1].parse().expect("a line");
        assert_eq!(&reject[4], lines[line - 1], "the row as it stood in the file");
        assert!(!reject[3].is_empty());
    }

    // The rest is in.
    assert_eq!(store.query("PERSON email:'good@example.com'").len(), 1);
    assert_eq!(store.query("PERSON email:'x8@example.com'").len(), 1);
    let persons = store.number("MATCH (p:Person) RETURN count(p)");
    store.check();

    // Put right, they go in as well: by themselves, or in the file that they came from.
    let mut fixed = vec![lines[0].to_owned()];
    for reject in &rejects {
        let row = &reject[4];
        fixed.push(match &reject[1] {
            "3" => row.replace("yesterday", "2026-02-05T10:00:00Z"),
            "4" => row.replace("1.9", "0.9"),
            "5" => row.replace("no address", "x4@example.com"),
            "6" => row.replace(",12,", ",030 123458,"),
            "7" => row.replace(",,,,,", ",b-6,x6@example.com,,,"),
            "8" => format!("{row},x7@example.com,,,Short"),
            "11" => row.replace(",,b-9", ",0.9,b-9"),
            line => panic!("line {line} was no reject"),
        });
    }
    fs::write(file("records_fixed.csv"), fixed.join("\n") + "\n").expect("writable");
    let said = import(&store, "records_fixed.csv");
    assert_eq!(["rows read", "written", "rejected"].map(|what| figure(&said, what)), [7, 7, 0]);
    assert!(!file("records_fixed.csv.rejects.csv").exists());
    for number in [2, 3, 4, 5, 6, 7, 9] {
        let found = store.query(&format!(
            "MATCH (:account {{value: 'b-{number}'}})-[:IDENTIFIES]->(p)<-[:IDENTIFIES]-(e:email) RETURN e.value"
        ));
        assert_eq!(found, [[json!(format!("x{number}@example.com"))]]);
    }
    assert_eq!(store.number("MATCH (p:Person) RETURN count(p)"), persons + 7);
    store.check();

    // Nothing but the same rejects the second time.
    let before = store.stats();
    let said = import(&store, "records_b.csv");
    assert_eq!(["written", "already imported", "rejected"].map(|what| figure(&said, what)), [0, 3, 7]);
    assert_eq!(store.stats(), before);
}

#[test]
fn rows_that_the_schema_does_not_allow_are_all_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = prepared(folder.path());
    let before = store.stats();
    let mapping = "[[input]]\nsource = \"crm\"\nshape = \"record\"\ntime = \"2026-01-01T00:00:00Z\"\n\
                   identifiers = { acount = \"account\" }\n";
    fs::write(folder.path().join("other.toml"), mapping).expect("writable");
    let args = ["import", "--store", "store", "--mapping", "other.toml", "--rejects", "r.csv", "records.csv"];
    let ran = store.cli.run(args);
    assert_eq!(ran.status, Some(1), "{ran}");
    assert_eq!((figure(&ran.stdout, "written"), figure(&ran.stdout, "rejected")), (0, 5));
    let rejects = fs::read_to_string(folder.path().join("r.csv")).expect("there are rejects");
    assert_eq!(rejects.matches("did you mean `account`?").count(), 5, "{rejects}");
    assert_eq!(store.stats(), before);
}

/// A mapping is read, and the heads of all files, before anything is written.
#[test]
fn a_file_that_does_not_fit_keeps_the_others_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = prepared(folder.path());
    let before = store.stats();
    fs::write(folder.path().join("records_b.csv"), REJECTED).expect("writable");
    fs::write(folder.path().join("records_c.csv"), "id,seen\n1,2\n").expect("writable");
    let args = ["import", "--store", "store", "--mapping", "mapping.toml", "records_b.csv", "records_c.csv"];
    let said = store.cli.run(args).refused(1);
    assert!(said.contains("records_c.csv:1: no column"), "{said}");
    assert_eq!(store.stats(), before);
}

#[test]
fn answers_can_be_read_by_programs() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = prepared(folder.path());
    let text = "MATCH (i:email) WHERE i.value STARTS WITH 'ann' RETURN i.value AS email, i.degree AS degree, \
                [1, null] AS list, null AS nothing ORDER BY email";
    let ask = |format: &str| store.cli.run(["query", "--store", "store", "--format", format, text]).ok();
    assert_eq!(
        ask("csv"),
        "email,degree,list,nothing\nann.b@example.com,2,\"[1,null]\",\nann@example.com,3,\"[1,null]\",\n"
    );
    let json: Vec<serde_json::Value> =
        ask("json").lines().map(|line| serde_json::from_str(line).expect("a row is an object")).collect();
    let row = |email: &str, degree: u64| json!({"email": email, "degree": degree, "list": [1, null], "nothing": null});
    assert_eq!(json, [row("ann.b@example.com", 2), row("ann@example.com", 3)]);
    assert!(ask("table").contains(" ann@example.com "), "{}", ask("table"));

    let many = store.cli.run_with_input(
        ["shell", "--store", "store", "--no-history", "--format", "json"],
        "RETURN 1 AS n;\nRETURN 2 AS n;\n// the end\n",
    );
    assert_eq!(many.ok(), "{\"n\":1}\n{\"n\":2}\n");
}

#[test]
fn what_is_forgotten_is_told_and_stays_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = prepared(folder.path());
    let by = ["--store", "store", "--author", "ann", "--reason", "ticket 12"];
    let run = |command: &str, more: &[&str]| store.cli.run([&[command], &by[..], more].concat());
    let known = || store.number("MATCH (i:email {value: 'dan@example.com'}) RETURN count(i)");
    let would = run("forget", &["--dry-run", "email:dan@example.com"]).ok();
    assert!(would.contains("would erase") && would.contains("1 identifier of email"), "{would}");
    assert_eq!(known(), 1);
    let done = run("forget", &["email:dan@example.com"]).ok();
    assert!(done.contains("for 1 value: nothing found") && done.contains("erased"), "{done}");
    assert_eq!(known(), 0);
    let again = run("forget", &["--format", "json", "email:dan@example.com"]).ok();
    let again: serde_json::Value = serde_json::from_str(&again).expect("one object");
    assert_eq!((&again["already"], &again["proof"]["complete"]), (&json!(1), &json!(true)));
    let all = run("forget", &["--person-of", "account:a-2"]).ok();
    assert!(all.contains("1 identifier of account") && all.contains("all of p"), "{all}");
    let late = "id,seen,score,account,email,phone,address,name\n\
                d-1,2026-02-05T10:00:00Z,0.9,a-4,dan@example.com,,,Dan\n";
    fs::write(folder.path().join("records_late.csv"), late).expect("writable");
    assert_eq!(figure(&import(&store, "records_late.csv"), "values forgotten"), 1);
    assert_eq!(known(), 0);
    assert_eq!(store.stats()["forgotten"], json!([{"source": "crm", "namespace": "email", "count": 1}]));
    run("readmit", &["email:dan@example.com"]).ok();
    let refused = run("readmit", &["email:dan@example.com"]).refused(1);
    assert!(refused.contains("was not forgotten"), "{refused}");
    run("forget", &["email:dan@example.com"]).refused(1);
    run("forget", &[]).refused(2);
    store.check();
}
