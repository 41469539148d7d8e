//! How far persons agree with the truth, with and without the guards against over-merging.

use std::path::Path;

use kinfold_tests::bin::{Cli, CliStore};
use kinfold_tests::data;
use serde_json::Value;

use crate::datasets::RECORDS;

const OTHER_GUARDS: &[&str] = &["shared-above", "max-per-person", "max-identifiers"];

fn figure(row: &Value, what: &str) -> f64 {
    row[what].as_f64().unwrap_or_else(|| panic!("no {what}: {row}"))
}

/// A store of the population in `people`, without these guards of its schema.
fn populated(cli: &Cli, people: &Path, name: &str, guards: &[&str]) -> CliStore {
    let store = CliStore::init_without(cli, name, &people.join("schema.toml"), guards);
    let files = [people.join("records.csv"), people.join("links.csv")];
    let said = store.import(&people.join("mapping.toml"), None, &[&files[0], &files[1]]);
    assert!(said.lines().any(|line| line.split_whitespace().eq(["rejected", "0"])), "{said}");
    store
}

/// The bar: nearly nobody shares a person with a stranger, and the guards cost
/// nearly nothing of what would be found without them.
#[test]
fn guards_keep_a_population_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let cli = Cli::within(folder.path());
    cli.run(["generate", "--persons", "4000", "--seed", "7", "--out", "people"]).ok();
    let people = folder.path().join("people");
    let stores: Vec<CliStore> = [
        ("guarded", &[][..]),
        ("no_shared", &["shared-above"]),
        ("no_max", &["max-per-person"]),
        ("junk_only", OTHER_GUARDS),
    ]
    .into_iter()
    .map(|(name, guards)| populated(&cli, &people, name, guards))
    .collect();
    let plain = populated(&cli, &people, "plain", &["all"]);
    let rows =
        CliStore::evaluate(&stores.iter().collect::<Vec<_>>(), Some(&plain), &people.join("truth.csv"), &[]);
    let [guarded, no_shared, no_max, junk_only, plain] = rows.as_slice() else { panic!("{rows:?}") };

    assert!(figure(guarded, "precision") >= 0.999, "{guarded}");
    assert!(figure(guarded, "recall_kept") >= 0.99, "{guarded}");
    assert!(figure(guarded, "recall") >= 0.9, "{guarded}");
    assert!(figure(guarded, "largest") <= 40.0, "{guarded}");
    for row in &rows {
        for what in ["labelled", "missing", "true_pairs"] {
            assert_eq!(row[what], guarded[what], "the same pairs are looked at: {row}");
        }
    }

    // Without guards the same rows make people of thousands of identifiers, and each guard has its part.
    assert!(figure(plain, "precision") < 0.05, "{plain}");
    assert!(figure(plain, "largest") > 1_000.0, "{plain}");
    assert_eq!(figure(plain, "recall_kept"), 1.0);
    assert!(figure(no_max, "precision") < 0.8, "{no_max}");
    assert!(figure(no_shared, "precision") < 0.998, "{no_shared}");
    // Where junk, kiosks and families would make larger ones, a person ends at `max_identifiers`.
    for row in [no_shared, no_max] {
        assert_eq!(figure(row, "largest"), 40.0, "{row}");
    }
    assert!(figure(junk_only, "largest") < figure(plain, "largest"), "{junk_only} {plain}");
    for store in &stores {
        store.check();
    }
}

/// One mailbox stands on 21 records, one on five; there are companies among the
/// records, and people with one name and one phone.
#[test]
fn senzing_truthset_with_and_without_guards() {
    let test = "evaluate::senzing_truthset_with_and_without_guards";
    let Some(set) = data::set("senzing_truthset", test) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let cli = Cli::within(folder.path());
    let case = |name: &str| data::case("datasets/senzing_truthset").join(name);
    let (schema, mapping) = (case("schema.toml"), case("mapping.toml"));
    let made = |name: &str, guards: &[&str]| {
        let store = CliStore::init_without(&cli, name, &schema, guards);
        store.import(&mapping, None, &[&set.join("truth.csv")]);
        for input in ["ssn", "docid", "email", "phone"] {
            store.import(&mapping, Some(input), &[&set.join("links.csv")]);
        }
        store
    };
    let stores =
        [made("guarded", &[]), made("no_shared", &["shared-above"]), made("no_max", &["max-per-person"])];
    let plain = made("plain", &["all"]);
    let stores: Vec<&CliStore> = stores.iter().collect();
    let rows = CliStore::evaluate(&stores, Some(&plain), &set.join("truth.csv"), RECORDS);
    let found: Vec<[u64; 4]> = rows
        .iter()
        .map(|row| {
            ["pairs", "true_pairs", "right", "persons"].map(|what| row[what].as_u64().expect("a count"))
        })
        .collect();
    // The last is what the set's README gives for equal values of all kinds.
    assert_eq!(found, [[53, 108, 46, 117], [262, 108, 48, 97], [74, 108, 46, 115], [283, 108, 48, 95]]);
    let shares: Vec<[f64; 3]> =
        rows.iter().map(|row| ["precision", "recall", "recall_kept"].map(|what| figure(row, what))).collect();
    assert_eq!(
        shares,
        [
            [0.867925, 0.425926, 0.958333],
            [0.183206, 0.444444, 1.0],
            [0.621622, 0.425926, 0.958333],
            [0.169611, 0.444444, 1.0]
        ]
    );
}
