//! What is done to a store's directory is done through a server as well, with the same outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{Place, Ran, Server};

const SCHEMA: &str = "\
[person]
threshold = 0.5
[namespace.account]
max_per_person = 1
[namespace.email]
normalise = \"email\"
[namespace.device]
[namespace.home]
scope = \"household\"
";

const MAPPING: &str = "\
[[input]]
source = \"crm\"
shape = \"record\"
time = \"2026-01-05T00:00:00Z\"
on_invalid = \"skip\"
identifiers = { account = \"account\", email = \"email\", device = \"device\", home = \"home\" }
";

impl Place {
    /// A place with a schema, a mapping, 2,500 rows with mistakes among them, and what they should be.
    fn with_files() -> Self {
        let place = Self::new();
        place.write("schema.toml", SCHEMA);
        place.write("mapping.toml", MAPPING);
        let mut rows = "account,email,device,home\n".to_owned();
        let mut truth = "namespace,value,person\n".to_owned();
        for number in 0..2_500 {
            let email = match number % 500 {
                7 => format!("no address {number}"),
                _ => format!("p{number}@example.com"),
            };
            rows += &format!("a-{number},{email},d-{},elm {number}\n", number / 2);
            truth += &format!("account,a-{number},p{number}\nemail,{email},p{number}\n");
        }
        // It names nobody once its one value is left out.
        rows += ",nobody,,\n";
        truth += "home,elm 7,p7\ndevice,unseen,p8\n";
        place.write("rows.csv", &rows);
        place.write("truth.csv", &truth);
        for store in ["store", "local"] {
            let made = place.run(&["init", "--store", store, "--schema", "schema.toml"]);
            assert_eq!(made.status, Some(0), "{made:?}");
        }
        place
    }

    fn import(&self, into: &[&str], rejects: &str) -> Ran {
        let mapping = ["--mapping", "mapping.toml", "--rejects", rejects, "rows.csv"];
        self.run(&[&["import"], into, &mapping].concat())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }
}

/// The lines of a summary that say how many there were of something.
fn counts(ran: &Ran) -> Vec<String> {
    assert_eq!(ran.status, Some(0), "{ran:?}");
    // The first says how long it took, and the last where the rejected rows are.
    ran.out.lines().skip(1).filter(|line| !line.contains(".csv")).map(str::to_owned).collect()
}

#[test]
fn an_import_through_a_server_is_as_one_into_a_directory() {
    let place = Place::with_files();
    let local = place.import(&["--store", "local"], "local.csv");
    let server = Server::start(&place);
    let remote = place.import(&["--server", &server.url], "remote.csv");
    assert_eq!(counts(&local), counts(&remote));
    assert_eq!(place.read("local.csv"), place.read("remote.csv"));
    assert!(place.read("remote.csv").contains("rows.csv,9,email,"), "{}", place.read("remote.csv"));
    let query = "MATCH (i:Identifier)-[:IDENTIFIES]->(p) RETURN i.id AS id, p.id AS person ORDER BY id";
    // Rows that are offered again go in behind others, so that ids may differ, and who is who does not.
    let persons = |store: &[&str]| {
        let out = place.run(&[&["query"], store, &["--format", "csv", query]].concat()).out;
        let mut persons: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, person) in out.lines().skip(1).filter_map(|line| line.rsplit_once(',')) {
            persons.entry(person.to_owned()).or_default().push(id.to_owned());
        }
        persons.into_values().collect::<BTreeSet<_>>()
    };
    assert_eq!(persons(&["--store", "local"]), persons(&["--server", &server.url]));

    // The same again changes nothing, whichever way.
    let before = persons(&["--server", &server.url]);
    let stats = |store: &[&str]| {
        let out = place.run(&[&["stats"], store, &["--format", "json"]].concat()).out;
        let figures: serde_json::Value = serde_json::from_str(&out).unwrap();
        figures["observations"].clone()
    };
    let observations = stats(&["--server", &server.url]);
    let local = place.import(&["--store", "local"], "local.csv");
    let remote = place.import(&["--server", &server.url], "remote.csv");
    assert_eq!(counts(&local), counts(&remote));
    assert!(remote.out.contains("unchanged"), "{remote:?}");
    assert_eq!(persons(&["--server", &server.url]), before);
    assert_eq!(stats(&["--server", &server.url]), observations);
    assert_eq!(server.signal("TERM"), Some(0));
    let directory = place.import(&["--store", "store"], "remote.csv");
    assert!(directory.out.contains("unchanged"), "what a server took in, its directory knows: {directory:?}");
    assert_eq!(stats(&["--store", "store"]), observations);
}

#[test]
fn rows_that_a_schema_refused_go_in_under_another() {
    let place = Place::with_files();
    place.write("later.toml", &format!("{SCHEMA}[namespace.phone]\n"));
    place.write(
        "rows.csv",
        "account,email,device,home,phone\na-1,a@example.com,d-1,,1\na-2,b@example.com,d-2,,\n",
    );
    place.write("mapping.toml", &MAPPING.replace("home = \"home\"", "phone = \"phone\""));
    let server = Server::start(&place);
    let to = ["--server", server.url.as_str()];
    let first = place.import(&to, "r.csv");
    assert!(first.out.contains("rejected"), "{first:?}");
    assert!(
        place.read("r.csv").contains("rows.csv,2,,the schema declares no namespace `phone`"),
        "{}",
        place.read("r.csv")
    );
    let by = ["--author", "ann", "--reason", "phones", "--schema", "later.toml"];
    let applied = place.run(&[&["schema", "apply"], to.as_slice(), &by].concat());
    assert_eq!(applied.status, Some(0), "{applied:?}");
    let second = place.import(&to, "r.csv");
    assert_eq!(second.status, Some(0), "{second:?}");
    assert!(!place.path().join("r.csv").exists(), "nothing is rejected any more: {second:?}");
    let stats = place.run(&["stats", "--server", &server.url, "--format", "json"]);
    let figures: serde_json::Value = serde_json::from_str(&stats.out).unwrap();
    assert_eq!(figures["observations"], 2, "{figures}");
}

#[test]
fn a_bulk_load_is_for_a_directory() {
    let place = Place::with_files();
    let server = Server::start(&place);
    for more in [&["--bulk"][..], &["--memory", "100"]] {
        let to = ["import", "--server", &server.url, "--mapping", "mapping.toml", "rows.csv"];
        place.refused(&[&to, more].concat(), 2, "a server takes batch after batch");
    }
    let nowhere = ["import", "--mapping", "mapping.toml", "rows.csv"];
    place.refused(&nowhere, 2, "--store <DIR>|--server <URL>");
}

#[test]
fn an_evaluation_through_a_server_is_as_one_of_its_directory() {
    let place = Place::with_files();
    let server = Server::start(&place);
    place.import(&["--server", &server.url], "r.csv");
    for more in [&[][..], &["--mistakes", "5"]] {
        let evaluate = |store: &[&str]| {
            let ran =
                place.run(&[&["evaluate", "--truth", "truth.csv", "--format", "json"], store, more].concat());
            assert_eq!(ran.status, Some(0), "{ran:?}");
            assert!(!ran.out.is_empty());
            ran
        };
        let (local, remote) = (evaluate(&["--store", "store"]), evaluate(&["--server", &server.url]));
        let named = |text: &str, name: &str| text.replace(name, "HERE");
        assert_eq!(
            named(&local.out, "\"store\":\"store\""),
            named(&remote.out, &format!("\"store\":\"{}\"", server.url))
        );
        assert_eq!(named(&local.err, "store: "), named(&remote.err, &format!("{}: ", server.url)));
        assert!(local.err.contains("1 of `home` are of household scope"), "{local:?}");
    }
    let both =
        ["evaluate", "--truth", "truth.csv", "--server", &server.url, "--store", "store", "--format", "csv"];
    assert_eq!(place.run(&both).out.lines().count(), 3);
    place.refused(&["evaluate", "--truth", "truth.csv"], 2, "--store <DIR>");
}

#[test]
fn assertions_and_rebuilds_go_through_a_server() {
    let place = Place::with_files();
    let server = Server::start(&place);
    let to = ["--server", server.url.as_str()];
    place.import(&to, "r.csv");
    let mut known = "# who is who\n".repeat(1_200);
    known += "same account:a-1 email:p1@example.com\nsame account:a-1 account:a-9\n";
    known += "different account:a-1 email:p1@example.com\nsame account:a-1 device:unseen\nsame account:a-1 home:'elm 1'\n";
    place.write("known.txt", &known);
    let assert = |store: &[&str]| {
        place.run(&[&["assert"], store, &["--all", "--format", "csv", "known.txt"]].concat())
    };
    let (local, remote) = (assert(&["--store", "store"]), assert(&to));
    assert_eq!((remote.status, local.status), (Some(1), Some(1)), "{remote:?}");
    assert_eq!(local.out, remote.out);
    assert!(remote.out.contains("1202") && remote.out.contains("never seen"), "{remote:?}");
    place.write("wrong.txt", "same account:a-1\n");
    place.refused(&[&["assert"], to.as_slice(), &["wrong.txt"]].concat(), 2, "wrong.txt:1");

    let rebuilt = place.run(&[&["rebuild"], to.as_slice()].concat());
    assert!(
        rebuilt.out.starts_with("The store is resolved again. Everything was as it should be."),
        "{rebuilt:?}"
    );
    let remote = place.run(&[&["rebuild"], to.as_slice(), &["--format", "json"]].concat());
    assert_eq!(server.signal("TERM"), Some(0));
    let local = place.run(&["rebuild", "--store", "store", "--format", "json"]);
    assert_eq!((local.status, &local.out), (Some(0), &remote.out));
}
