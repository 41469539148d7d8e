//! Data that nobody here made up, imported through the command line and held to
//! the figures that its READMEs give: counted there by exact equality of values
//! (trimmed, lower-cased), components over records.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use kinfold_tests::bin::{Cli, CliStore};
use kinfold_tests::components::Components;
use kinfold_tests::data;
use serde_json::Value;

/// Where the truth of the data sets stands.
pub(crate) const RECORDS: &[&str] = &["--person", "entity", "--identifier", "record=record"];

const RECORDS_OF_PERSONS: &str =
    "MATCH (i:record)-[:IDENTIFIES]->(p:Person) RETURN p.id, count(*) AS n ORDER BY n DESC LIMIT 1";

/// What a README gives for one file of links and some kinds of identifiers.
struct Figures {
    /// The inputs of the mapping, one a kind; `all` is all of them.
    input: &'static str,
    identifiers: u64,
    edges: u64,
    components: u64,
    largest: u64,
    precision: f64,
    recall: f64,
}

/// A row of a README: input, identifiers, edges, components, largest, precision, recall.
const fn row(
    input: &'static str,
    (identifiers, edges): (u64, u64),
    (components, largest): (u64, u64),
    (precision, recall): (f64, f64),
) -> Figures {
    Figures { input, identifiers, edges, components, largest, precision, recall }
}

/// A store to import into, and the means to check what went in.
struct Bench {
    _folder: tempfile::TempDir,
    store: CliStore,
    mapping: PathBuf,
    imports: Vec<(Option<String>, PathBuf)>,
}

impl Bench {
    fn new(schema: &str, mapping: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cli = Cli::within(folder.path());
        let store = CliStore::init(&cli, "store", &data::case(schema));
        Self { _folder: folder, store, mapping: data::case(mapping), imports: Vec::new() }
    }

    fn import(&mut self, input: Option<&str>, file: &Path) {
        let said = self.store.import(&self.mapping, input, &[file]);
        assert!(said.lines().any(|line| line.split_whitespace().eq(["rejected", "0"])), "{said}");
        self.imports.push((input.map(str::to_owned), file.to_owned()));
    }

    /// Nothing is wrong with the store, and importing everything again changes nothing.
    fn sound(&self) {
        self.store.check();
        let before = self.store.stats();
        for (input, file) in &self.imports {
            let said = self.store.import(&self.mapping, input.as_deref(), &[file]);
            assert!(said.lines().any(|line| line.split_whitespace().eq(["written", "0"])), "{said}");
        }
        assert_eq!(self.store.stats(), before);
    }

    /// The sizes of the largest persons, counted in all identifiers.
    fn largest(&self, count: usize) -> Vec<u64> {
        let text = format!(
            "MATCH (i:Identifier)-[:IDENTIFIES]->(p:Person) RETURN p.id, count(*) AS n ORDER BY n DESC LIMIT {count}"
        );
        self.store.query(&text).iter().map(|row| number(&row[1])).collect()
    }

    fn persons(&self) -> u64 {
        self.store.number("MATCH (p:Person) RETURN count(p)")
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The columns of a CSV file with a header.
fn read_csv<const N: usize>(file: &Path, columns: [&str; N]) -> Vec<[String; N]> {
    let mut reader = csv::Reader::from_reader(File::open(file).expect("the data set is complete"));
    let header = reader.headers().expect("a header").clone();
    let places = columns.map(|name| header.iter().position(|it| it == name).expect("the column"));
    reader
        .records()
        .map(|record| {
            let record = record.expect("well-formed CSV");
            places.map(|place| record[place].trim().to_lowercase())
        })
        .collect()
}

fn truth(file: &Path) -> BTreeMap<String, String> {
    read_csv(file, ["record", "entity"]).into_iter().map(|[record, entity]| (record, entity)).collect()
}

/// Holds `links*.csv` and `truth*.csv` of a set to the figures of its README.
fn links_agree(set: &str, test: &str, links: &str, truth_file: &str, records: u64, figures: &[Figures]) {
    let Some(folder) = data::set(set, test) else { return };
    let (links, truth_file) = (folder.join(links), folder.join(truth_file));
    for expected in figures {
        let input = expected.input;
        let mut bench = Bench::new("datasets/links/schema.toml", "datasets/links/mapping.toml");
        bench.import(None, &truth_file);
        bench.import(Some(input), &links);
        bench.sound();

        let stats = bench.store.stats();
        assert_eq!(number(&stats["namespaces"]["record"]), records, "{input}: records");
        assert_eq!(number(&stats["identifiers"]) - records, expected.identifiers, "{input}: identifiers");
        assert_eq!(number(&stats["links"]), expected.edges, "{input}: edges");
        let persons =
            bench.store.number("MATCH (i:record)-[:IDENTIFIES]->(p:Person) RETURN count(DISTINCT p)");
        assert_eq!(persons, expected.components, "{input}: components");
        // An identifier without records does not exist.
        assert_eq!(number(&stats["persons"]), expected.components, "{input}: persons");
        let largest = bench.store.query(RECORDS_OF_PERSONS);
        assert_eq!(number(&largest[0][1]), expected.largest, "{input}: the largest");

        let agreed = CliStore::evaluate(&[&bench.store], None, &truth_file, RECORDS);
        let four = |what: &str| (agreed[0][what].as_f64().expect("a share") * 10_000.0).round() / 10_000.0;
        assert_eq!(
            (four("precision"), four("recall")),
            (expected.precision, expected.recall),
            "{input}: pair precision and recall"
        );
        assert_eq!((number(&agreed[0]["labelled"]), number(&agreed[0]["missing"])), (records, 0), "{input}");
    }
}

#[test]
fn splink_fake1000() {
    links_agree(
        "splink_fake1000",
        "datasets::splink_fake1000",
        "links.csv",
        "truth.csv",
        1_000,
        &[
            row("email", (424, 789), (635, 6), (1.0, 0.3358)),
            row("name_dob", (598, 686), (912, 5), (1.0, 0.0542)),
            row("surname_dob", (648, 819), (829, 5), (1.0, 0.1206)),
            row("first_dob", (641, 831), (810, 5), (1.0, 0.1339)),
            row("all", (2_311, 3_125), (484, 7), (1.0, 0.5707)),
        ],
    );
}

#[test]
fn febrl_1() {
    links_agree(
        "febrl",
        "datasets::febrl_1",
        "links_1.csv",
        "truth_1.csv",
        1_000,
        &[
            row("ssn", (550, 1_000), (550, 2), (1.0, 0.9)),
            row("name_dob", (697, 899), (798, 2), (1.0, 0.404)),
            row("address", (725, 931), (794, 2), (1.0, 0.412)),
            row("all", (1_972, 2_830), (521, 2), (1.0, 0.958)),
        ],
    );
}

#[test]
fn febrl_2() {
    links_agree(
        "febrl",
        "datasets::febrl_2",
        "links_2.csv",
        "truth_2.csv",
        5_000,
        &[
            row("ssn", (4_089, 5_000), (4_089, 6), (1.0, 0.8718)),
            row("name_dob", (4_285, 4_721), (4_564, 5), (1.0, 0.3175)),
            row("address", (4_259, 4_671), (4_588, 5), (1.0, 0.2942)),
            row("all", (12_633, 14_392), (4_024, 6), (1.0, 0.9669)),
        ],
    );
}

#[test]
fn febrl_3() {
    links_agree(
        "febrl",
        "datasets::febrl_3",
        "links_3.csv",
        "truth_3.csv",
        5_000,
        &[
            row("ssn", (2_291, 5_000), (2_291, 6), (1.0, 0.8567)),
            row("name_dob", (3_380, 4_621), (3_759, 6), (1.0, 0.2921)),
            row("address", (3_395, 4_615), (3_780, 6), (1.0, 0.2799)),
            row("all", (9_066, 14_236), (2_079, 6), (1.0, 0.9586)),
        ],
    );
}

#[test]
fn febrl_4ab() {
    links_agree(
        "febrl",
        "datasets::febrl_4ab",
        "links_4ab.csv",
        "truth_4ab.csv",
        10_000,
        &[
            row("ssn", (5_439, 10_000), (5_439, 2), (1.0, 0.9122)),
            row("name_dob", (7_148, 9_227), (7_921, 2), (1.0, 0.4158)),
            row("address", (7_263, 9_250), (8_013, 2), (1.0, 0.3974)),
            row("all", (19_850, 28_477), (5_125, 2), (1.0, 0.975)),
        ],
    );
}

#[test]
fn senzing_truthset() {
    links_agree(
        "senzing_truthset",
        "datasets::senzing_truthset",
        "links.csv",
        "truth.csv",
        159,
        &[
            row("phone", (20, 31), (148, 2), (0.7273, 0.0741)),
            row("email", (19, 54), (124, 21), (0.0647, 0.1389)),
            row("docid", (28, 49), (138, 4), (1.0, 0.2315)),
            row("all", (67, 134), (95, 21), (0.1696, 0.4444)),
        ],
    );
}

/// One e-mail address stands on 21 records of many people. With `shared_above`
/// it is seen for what it is: the persons are the components of the rest.
#[test]
fn senzing_truthset_without_its_shared_address() {
    let test = "datasets::senzing_truthset_without_its_shared_address";
    let Some(folder) = data::set("senzing_truthset", test) else { return };
    let (links, truth_file) = (folder.join("links.csv"), folder.join("truth.csv"));
    let mut bench = Bench::new("datasets/links/shared_email.toml", "datasets/links/mapping.toml");
    bench.import(None, &truth_file);
    bench.import(Some("all"), &links);
    bench.sound();

    let rows = read_csv(&links, ["record", "id_type", "id_value"]);
    let mut holders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for [record, _, value] in rows.iter().filter(|[_, id_type, _]| id_type == "email") {
        holders.entry(value).or_default().insert(record);
    }
    let shared: BTreeSet<String> = holders
        .iter()
        .filter(|(_, records)| records.len() > 5)
        .map(|(value, _)| (*value).to_owned())
        .collect();
    assert_eq!(shared.len(), 1, "one address is on more than five records");
    let mut components = Components::default();
    for record in truth(&truth_file).keys() {
        components.add(&format!("record:{record}"));
    }
    for [record, id_type, value] in &rows {
        if id_type != "email" || !shared.contains(value) {
            components.join(&format!("record:{record}"), &format!("{id_type}:{value}"));
        }
    }
    let mut expected: Vec<u64> =
        components.sizes(|name| name.starts_with("record:")).into_iter().map(|size| size as u64).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));

    let query = "MATCH (i:record)-[:IDENTIFIES]->(p:Person) RETURN p.id, count(*) AS n ORDER BY n DESC";
    let found: Vec<u64> = bench.store.query(query).iter().map(|row| number(&row[1])).collect();
    assert_eq!(found, expected);
    assert_eq!((found.len(), found[0]), (114, 8));
    let found = bench.store.query("MATCH (e:email) WHERE e.shared RETURN e.value, e.degree");
    assert_eq!(found.len(), 1);
    assert_eq!((text(&found[0][0]), number(&found[0][1])), (shared.into_iter().next().expect("one"), 21));
}

#[test]
fn aws_fraud_graph_accounts_and_features() {
    let test = "datasets::aws_fraud_graph_accounts_and_features";
    let Some(folder) = data::set("aws_fraud_graph", test) else { return };
    let mut bench = aws();
    for input in ["accounts", "emails", "phones", "features"] {
        bench.import(Some(input), &folder.join("nodes.csv"));
    }
    bench.import(Some("of_account"), &folder.join("edges.csv"));
    bench.sound();
    let stats = bench.store.stats();
    assert_eq!((number(&stats["identifiers"]), number(&stats["links"])), (10_542, 6_190));
    assert_eq!(bench.persons(), 4_454);
    assert_eq!(accounts(&bench), 731);
    assert_eq!(bench.largest(5), [88, 68, 68, 62, 54]);
}

#[test]
fn aws_fraud_graph_accounts_emails_and_phones() {
    let test = "datasets::aws_fraud_graph_accounts_emails_and_phones";
    let Some(folder) = data::set("aws_fraud_graph", test) else { return };
    let mut bench = aws();
    for input in ["accounts", "emails", "phones"] {
        bench.import(Some(input), &folder.join("nodes.csv"));
    }
    bench.import(Some("email_phone_of_account"), &folder.join("edges.csv"));
    bench.sound();
    let stats = bench.store.stats();
    assert_eq!((number(&stats["identifiers"]), number(&stats["links"])), (4_555, 3_055));
    assert_eq!(bench.persons(), 1_527);
    assert_eq!(accounts(&bench), 997);
    assert_eq!(bench.largest(5), [32, 31, 11, 11, 11]);
}

/// All 35,949 nodes are one person: what a graph without limits comes to.
#[test]
fn aws_fraud_graph_all() {
    let Some(folder) = data::set("aws_fraud_graph", "datasets::aws_fraud_graph_all") else { return };
    let mut bench = aws();
    bench.import(Some("nodes"), &folder.join("nodes.csv"));
    bench.import(Some("edges"), &folder.join("edges.csv"));
    bench.sound();
    let stats = bench.store.stats();
    assert_eq!((number(&stats["identifiers"]), number(&stats["links"])), (35_949, 82_111));
    assert_eq!(bench.persons(), 1);
    assert_eq!(bench.largest(5), [35_949]);
}

fn aws() -> Bench {
    Bench::new("datasets/aws_fraud_graph/schema.toml", "datasets/aws_fraud_graph/mapping.toml")
}

/// How many persons hold an account.
fn accounts(bench: &Bench) -> u64 {
    bench.store.number("MATCH (a:account)-[:IDENTIFIES]->(p:Person) RETURN count(DISTINCT p)")
}

#[test]
fn snap_small() {
    for (graph, nodes, edges, components, largest) in [
        ("email-Eu-core", 1_005, 16_064, 20, &[986, 1, 1, 1, 1][..]),
        ("wiki-Vote", 7_116, 100_762, 24, &[7_067, 3, 3, 3, 2]),
        ("gnutella", 10_876, 39_994, 1, &[10_876]),
        ("grqc", 5_242, 14_484, 355, &[4_158, 14, 12, 10, 9]),
        ("lastFM", 7_624, 27_806, 1, &[7_624]),
        ("bitcoin-otc", 5_881, 21_492, 4, &[5_875, 2, 2, 2]),
    ] {
        let Some(folder) = data::set("snap_small", &format!("datasets::snap_small ({graph})")) else {
            return;
        };
        let folder = folder.join(graph);
        let mut bench = Bench::new("datasets/snap_small/schema.toml", "datasets/snap_small/mapping.toml");
        bench.import(None, &folder.join("nodes.csv"));
        bench.import(None, &folder.join("edges.csv"));
        bench.sound();
        let stats = bench.store.stats();
        assert_eq!((number(&stats["identifiers"]), number(&stats["links"])), (nodes, edges), "{graph}");
        assert_eq!(bench.persons(), components, "{graph}");
        assert_eq!(bench.largest(5), largest, "{graph}");
    }
}
