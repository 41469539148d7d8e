//! The page of the query language: every example on it answers what it shows,
//! and it leaves nothing out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kinfold_tests::page::{answered, blocks};

fn root() -> PathBuf {
    kinfold_tests::data::package().join("..")
}

fn page() -> (PathBuf, String) {
    let path = root().join("docs/language.md");
    let text = std::fs::read_to_string(&path).expect("docs/language.md");
    (path, text)
}

/// With `KINFOLD_WRITE_PAGES=1` the page is written anew, to be looked at and committed.
#[test]
fn every_example_answers_what_the_page_shows() {
    let (path, shown) = page();
    let now = answered(&shown).unwrap_or_else(|error| panic!("docs/language.md: {error}"));
    if std::env::var("KINFOLD_WRITE_PAGES").as_deref() == Ok("1") {
        std::fs::write(path, &now).expect("docs/language.md can be written");
        return;
    }
    let differs = shown.lines().zip(now.lines()).position(|(shown, now)| shown != now);
    if let Some(at) = differs {
        let (shown, now) = (shown.lines().nth(at), now.lines().nth(at));
        panic!("docs/language.md:{}: it shows\n{shown:?}\nand the answer is\n{now:?}", at + 1);
    }
    assert_eq!(shown.len(), now.len(), "docs/language.md ends otherwise");
}

/// The examples that the language was designed by.
const DESIGNED: [&str; 15] = [
    "PROFILE email:'ann@example.com'",
    "AS OF '2026-01-05T00:00:00Z' PERSON cookie:'c1'",
    "THRESHOLD 0.8 PERSON email:'ann@example.com'",
    "THRESHOLD 0.8 DIFF email:'ann@example.com'",
    "NEAR MERGES LIMIT 20",
    "WITHOUT SOURCE 'web' WHY email:'ann@example.com', device:'d1'",
    "MATCH (i:Identifier {id: $id})-[:IDENTIFIES]->(p)<-[:IDENTIFIES]-(other) RETURN other.id ORDER BY other.id",
    "MATCH (:email {value: $v})-[:IDENTIFIES]->()-[:MEMBER_OF]->(h)<-[:MEMBER_OF]-(q) RETURN h.id, collect(q.id)",
    "MATCH (a:Identifier {id: $id})-[l:LINKED]-(b) WHERE l.weight >= 0.8 RETURN b.id, l.weight, l.sources ORDER BY l.weight DESC LIMIT 5",
    "MATCH p = shortestPath((a {id: $a})-[:LINKED*..6]-(b {id: $b})) RETURN [n IN nodes(p) | n.id], length(p)",
    "MATCH (i:Identifier)-[:IDENTIFIES]->(p:Person) RETURN p.id, count(*) AS ids, count(DISTINCT i.namespace) ORDER BY ids DESC LIMIT 20",
    "MATCH (p:Person)<-[:IDENTIFIES]-(i:account) WITH p, count(*) AS n WHERE n > 1 RETURN p.id, n",
    "MATCH (p:Person)<-[:IDENTIFIES]-(i)-[l:LINKED]-(j)-[:IDENTIFIES]->(q:Person) WHERE p.id < q.id RETURN p.id, q.id, max(l.weight), collect(DISTINCT l.held_back_by)",
    "UNWIND $ids AS id OPTIONAL MATCH (i:Identifier {id: id})-[:IDENTIFIES]->(p) RETURN id, p.id",
    "MATCH (d:device) WHERE d.shared RETURN d.id, d.degree ORDER BY d.degree DESC LIMIT 10",
];

#[test]
fn the_examples_of_the_design_are_on_the_page() {
    let (_, page) = page();
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let there: BTreeSet<String> =
        blocks(&page).iter().filter(|block| block.is("query")).map(|block| flat(&block.text)).collect();
    for example in DESIGNED {
        assert!(there.contains(example), "docs/language.md has no example `{example}`");
    }
}

/// The codes that the language's source raises errors with.
fn codes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            codes(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file");
        let source = text.split("#[cfg(test)]").next().unwrap_or_default();
        for raise in ["syntax(", "binding(", "typed(", "runtime(", "hinted(", "error("] {
            for rest in source.split(raise).skip(1) {
                let Some(code) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
                else {
                    continue;
                };
                if code.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !code.is_empty() {
                    found.insert(code.to_owned());
                }
            }
        }
        for rest in source.split("\"limit-").skip(1) {
            let code = rest.split('"').next().unwrap_or_default();
            found.insert(format!("limit-{code}"));
        }
    }
}

#[test]
fn every_code_of_an_error_is_on_the_page() {
    let (_, page) = page();
    let mut found = BTreeSet::new();
    codes(&root().join("query/src"), &mut found);
    assert!(found.len() > 40, "{found:?}");
    let missing: Vec<&String> = found.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/language.md does not have the codes {missing:?}");
}
