//! What the command line imports is what was observed, whatever it is.

use std::fmt::Write as _;
use std::path::Path;

use kinfold_engine::{OpenOptions, Store, check};
use kinfold_tests::bin::{Cli, CliStore, arg};
use kinfold_tests::observed;
use kinfold_tests::oracle::Seen;
use proptest::collection::vec;
use proptest::prelude::*;

use super::cases::{self, NAMESPACES, Saw, Step};
use super::runs::{self, run};
use super::{MANNER, Manner, hold, world};

/// Reads what [`write_files`] writes. Namespaces are in the order that identifiers are seen in.
fn mapping() -> String {
    let mut namespaces = NAMESPACES;
    namespaces.sort_unstable();
    let columns: Vec<String> = namespaces.iter().map(|name| format!("{name} = \"{name}\"")).collect();
    let common = "source = { column = \"source\" }\ntime = { column = \"time\", format = \"unix_us\" }\n\
                  confidence = { column = \"weight\" }\n";
    let end = |name: &str| {
        format!("{name} = {{ namespace = {{ column = \"{name}_ns\" }}, value = \"{name}_value\" }}\n")
    };
    format!(
        "[[input]]\nfiles = [\"records.csv\"]\nshape = \"record\"\nsplit = \";\"\n{common}identifiers = {{ {} }}\n\
         [[input]]\nfiles = [\"links.csv\"]\nshape = \"link\"\n{common}{}{}",
        columns.join(", "),
        end("from"),
        end("to"),
    )
}

fn write_files(folder: &Path, records: &[Seen], links: &[Seen]) {
    let mut namespaces = NAMESPACES;
    namespaces.sort_unstable();
    let mut text = format!("source,time,weight,{}\n", namespaces.join(","));
    let row = |seen: &Seen| format!("{},{},{}", seen.source, seen.time, seen.confidence);
    for seen in records {
        text += &row(seen);
        for namespace in namespaces {
            let values = seen.ids.iter().filter(|id| id.0 == namespace).map(|id| id.1.as_str());
            let _ = write!(text, ",{}", values.collect::<Vec<_>>().join(";"));
        }
        text.push('\n');
    }
    std::fs::write(folder.join("records.csv"), text).expect("writable");
    let mut text = String::from("source,time,weight,from_ns,from_value,to_ns,to_value\n");
    for seen in links {
        text += &row(seen);
        seen.ids.iter().for_each(|(namespace, value)| {
            let _ = write!(text, ",{namespace},{value}");
        });
        text.push('\n');
    }
    std::fs::write(folder.join("links.csv"), text).expect("writable");
    std::fs::write(folder.join("mapping.toml"), mapping()).expect("writable");
}

#[test]
fn what_is_imported_is_what_was_observed() {
    hold(
        25,
        (cases::rules(), vec(cases::plain(), 1..60), any::<bool>(), any::<bool>()),
        |(rules, seen, twice, bulk)| {
            let (links, records): (Vec<Seen>, Vec<Seen>) =
                seen.into_iter().partition(|seen| seen.ids.len() == 2);
            let folder = tempfile::tempdir().expect("a folder");
            let at = |name: &str| folder.path().join(name);
            std::fs::write(at("schema.toml"), cases::schema(&rules, None).text()).expect("writable");
            write_files(folder.path(), &records, &links);
            let store = CliStore::init(&Cli::within(folder.path()), "store", &at("schema.toml"));
            for again in [false, true] {
                let files = [at("records.csv"), at("links.csv")];
                let manner = if bulk && !again { "--bulk" } else { "--stream" };
                if !again || twice {
                    store.import_with(&[manner], &at("mapping.toml"), None, &[&files[0], &files[1]]);
                }
            }
            prop_assert!(store.cli.run(["rebuild", "--store", arg(store.path())]).status == Some(0));

            let steps: Vec<Step> =
                records.iter().chain(&links).map(|seen| Step::Observe(vec![Saw::plain(seen)])).collect();
            let observed = run(world(rules), &steps, Manner { every: usize::MAX, ..MANNER })?;
            let options = OpenOptions { read_only: true, ..OpenOptions::default() };
            let imported = Store::open(store.path(), options).expect("it opens").snapshot();
            prop_assert_eq!(observed::answer(&imported).expect("readable"), observed.world.resolve());
            prop_assert_eq!(runs::ids(observed::picture(&imported).expect("readable")), observed.ids());
            let report = check(&imported).expect("readable");
            prop_assert!(report.is_clean(), "{report}");
            Ok(())
        },
    );
}
