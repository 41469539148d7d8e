//! What people do to a store by hand: overrides, retractions, schemas, assertions; and what they watch.

use std::io::{BufRead, BufReader};

use super::{Place, Server};

const SCHEMA: &str = "\
[person]
threshold = 0.5
[household]
threshold = 0.3
[namespace.account]
max_per_person = 1
[namespace.email]
normalise = \"email\"
[namespace.device]
[namespace.address]
scope = \"household\"
";

const MAPPING: &str = "\
[[input]]
source = \"crm\"
shape = \"record\"
record_id = \"id\"
time = \"2026-01-05T00:00:00Z\"
confidence = { column = \"score\" }
identifiers = { account = \"account\", email = \"email\", device = \"device\", address = \"address\" }
";

const ROWS: &str = "\
id,score,account,email,device,address
1,0.9,a-1,ann@example.com,d-1,Elm Street 1
2,0.6,,ann@example.com,d-2,
3,0.9,a-2,bob@example.com,d-3,Elm Street 1
";

impl Place {
    /// A place with a store of three rows: Ann with two devices, the second by a weak link, and Bob.
    fn with_rows() -> Self {
        let place = Self::new();
        place.write("schema.toml", SCHEMA);
        place.write("mapping.toml", MAPPING);
        place.write("rows.csv", ROWS);
        place.ok(&["init", "--store", "store", "--schema", "schema.toml"]);
        place.ok(&["import", "--store", "store", "--mapping", "mapping.toml", "rows.csv"]);
        place
    }

    /// Runs it, expects it to end well, and gives its standard output.
    fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.status, Some(0), "{args:?}: {ran:?}");
        ran.out
    }

    /// The same, read as JSON Lines.
    fn json(&self, args: &[&str]) -> Vec<serde_json::Value> {
        let out = self.ok(&[args, &["--format", "json"]].concat());
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn persons(&self, store: &[&str]) -> i64 {
        let rows = self.json(&[&["query"], store, &["MATCH (p:Person) RETURN count(p) AS n"]].concat());
        rows[0]["n"].as_i64().unwrap()
    }
}

const ANN: &str = "email:ann@example.com";
const BOB: &str = "email:bob@example.com";
const WHY: [&str; 4] = ["--author", "carol", "--reason", "ticket 12"];

/// Overrides and retractions, in a directory or through a server.
fn acts(place: &Place, store: &[&str]) {
    let act = |words: &[&'static str]| [&words[..1], store, &WHY, &words[1..]].concat();
    let said = place.ok(&act(&["forbid", ANN, "device:d-1"]));
    assert!(said.starts_with("`email:ann@example.com` and `device:d-1` are never one person. "), "{said}");
    assert!(said.contains(" split ") && said.contains("\n1 split"), "{said}");
    let before = place.persons(store);
    let again = place.ok(&act(&["forbid", ANN, "device:d-1"]));
    assert!(again.ends_with("It was so before: nothing changed.\n"), "{again}");
    place.refused(&act(&["require", "device:d-1", ANN]), 1, "carol set at");
    place.refused(&act(&["require", ANN, "device:d-99"]), 1, "the store has never seen `device:d-99`");
    place.refused(&act(&["require", "account:a-1", "account:a-2"]), 1, "break");
    place.refused(&act(&["require", "nobody", ANN]), 2, "`nobody`");
    place.refused(&act(&["require", "emial:x@y.z", ANN]), 2, "did you mean `email`?");
    place.refused(&act(&["release", ANN, BOB]), 1, "nothing stands on");
    assert_eq!(place.persons(store), before, "what is refused changes nothing");

    let released = place.json(&act(&["release", ANN, "device:d-1"]));
    assert_eq!((&released[0]["changed"], &released[0]["merged"]), (&true.into(), &1.into()), "{released:?}");
    let event = &released[0]["events"][0];
    assert_eq!(event["cause"]["kind"], "release");
    assert_eq!(event["cause"]["author"], "carol");
    assert_eq!(place.persons(store), before - 1);

    place.refused(&act(&["retract", "link", "web", ANN, "device:d-2"]), 1, "the sources are: crm");
    place.refused(&act(&["retract", "record", "crm", "77"]), 1, "source `crm` has no record `77`");
    place.refused(&act(&["retract", "link", "crm", ANN]), 2, "expected link SOURCE A B");
    let said = place.ok(&act(&["retract", "link", "crm", ANN, "device:d-2"]));
    assert!(said.contains("\n1 split") && said.contains("; 1 identifier moved.\n"), "{said}");
    assert_eq!(place.persons(store), before);
    let said = place.ok(&act(&["retract", "record", "crm", "3"]));
    assert!(said.starts_with("Record `3` of `crm` is withdrawn. "), "{said}");
    let said = place.json(&act(&["retract", "source", "crm"]));
    assert_eq!(said[0]["changed"], true);
    assert_eq!(place.persons(store), 7, "everybody is alone");
}

#[test]
fn what_people_say_counts_over_what_sources_saw() {
    let place = Place::with_rows();
    acts(&place, &["--store", "store"]);
    assert!(place.ok(&["check", "--store", "store"]).ends_with("nothing wrong\n"));
    place.refused(&["forbid", "--store", "store", "--author", "carol", ANN, BOB], 2, "--reason");
    let nobody = place
        .command(&["forbid", "--store", "store", "--reason", "x", ANN, BOB])
        .env_remove("USER")
        .env_remove("LOGNAME")
        .env_remove("USERNAME")
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("--author NAME"));
    let named = place
        .command(&["forbid", "--store", "store", "--reason", "x", "--format", "json", ANN, BOB])
        .env("USER", "dave")
        .output()
        .unwrap();
    assert_eq!(named.status.code(), Some(0), "{named:?}");
    place.refused(
        &["require", "--store", "store", "--author", "x", "--reason", "y", ANN, BOB],
        1,
        "a forbid that dave set",
    );
}

#[test]
fn what_people_say_reaches_a_server_too() {
    let place = Place::with_rows();
    let server = Server::start(&place);
    acts(&place, &["--server", &server.url.clone()]);
    place.refused(
        &["forbid", "--store", "store", "--author", "a", "--reason", "b", ANN, BOB],
        1,
        "is in use by another process",
    );
}

/// Plans and applies a stricter schema.
fn schemas(place: &Place, store: &[&str]) {
    let schema = |words: &[&'static str]| [&["schema"], store, words].concat();
    assert_eq!(place.ok(&schema(&["show"])), SCHEMA);
    place.write("strict.toml", &SCHEMA.replacen("0.5", "0.8", 1));
    place.write("known.txt", "same email:ann@example.com device:d-2\ndifferent account:a-1 account:a-2\n");
    let plan = place.ok(&schema(&["plan", "--schema", "strict.toml"]));
    assert!(plan.starts_with("It would change:\n\npersons               2 → 3\n"), "{plan}");
    assert!(plan.contains("  split               1\n") && plan.contains("The largest changes:"), "{plan}");
    let checked = place.run(&schema(&["plan", "--schema", "strict.toml", "--assertions", "known.txt"]));
    assert_eq!(checked.status, Some(1), "{checked:?}");
    assert!(checked.out.contains("Assertions: 1 hold, 1 broken.\n"), "{checked:?}");
    assert_eq!(place.persons(store), 2, "a plan writes nothing");

    let apply = schema(&["apply", "--schema", "strict.toml", "--assertions", "known.txt"]);
    place.refused(&[&apply[..], &["--author", "carol"]].concat(), 2, "--reason");
    let apply = [&apply[..], &WHY].concat();
    place.refused(&apply, 1, "1 of 2 assertions would be broken");
    assert_eq!(place.persons(store), 2);
    let applied = place.json(&[&apply[..], &["--go-on"]].concat());
    assert_eq!(applied[0]["persons"], serde_json::json!({"before": 2, "after": 3}));
    assert_eq!(applied[0]["examples"][0]["cause"]["author"], "carol");
    assert_eq!(applied[0]["assertions"][0]["outcome"], "broken");
    assert_eq!(place.persons(store), 3);
    assert!(place.ok(&schema(&["show"])).contains("threshold = 0.8"));

    place.write("bad.toml", "[person]\nthreshold = 2\n");
    place.refused(&schema(&["plan", "--schema", "bad.toml"]), 2, "bad.toml:2:13");
    place.write("unfit.toml", &SCHEMA.replacen("\"email\"", "\"lower\"", 1));
    place.refused(&schema(&["plan", "--schema", "unfit.toml"]), 1, "load the data into a new store");
    place.write("none.txt", "maybe email:a@b.c device:1\n");
    let wrong = schema(&["plan", "--schema", "strict.toml", "--assertions", "none.txt"]);
    place.refused(&wrong, 2, "none.txt:1:1");
    place.refused(&schema(&["plan"]), 2, "--schema FILE");
    place.refused(&schema(&["show", "--go-on"]), 2, "takes no --go-on");
}

#[test]
fn a_schema_is_planned_before_it_is_put_in_force() {
    let place = Place::with_rows();
    schemas(&place, &["--store", "store"]);
    assert!(place.ok(&["check", "--store", "store"]).ends_with("nothing wrong\n"));
    let same = place.ok(&["rebuild", "--store", "store"]);
    assert!(same.starts_with("The store is resolved again. Everything was as it should be.\n"), "{same}");
    let json = place.json(&["rebuild", "--store", "store"]);
    assert_eq!((&json[0]["untouched"], &json[0]["split"]), (&3.into(), &0.into()));
}

#[test]
fn a_store_is_copied_and_its_files_rewritten() {
    let place = Place::with_rows();
    let copied = place.ok(&["backup", "--store", "store", "--to", "copy"]);
    assert!(
        copied.starts_with("The copy holds everything up to write ") && copied.ends_with("copy\n"),
        "{copied}"
    );
    assert_eq!(place.persons(&["--store", "copy"]), place.persons(&["--store", "store"]));
    place.refused(&["backup", "--store", "store", "--to", "copy"], 1, "is not empty");
    place.refused(&["backup", "--store", "store", "--name", "copy"], 2, "--name");
    place.refused(&["backup", "--store", "store"], 2, "--to");

    let compacted = place.ok(&["compact", "--store", "store"]);
    assert!(
        compacted.starts_with("The store's files took ") && compacted.ends_with(" now.\n"),
        "{compacted}"
    );
    assert!(place.ok(&["check", "--store", "store"]).ends_with("nothing wrong\n"));

    let server = Server::start(&place);
    let compacted = place.ok(&["compact", "--server", &server.url]);
    assert!(compacted.ends_with(" now.\n"), "{compacted}");
    // Its configuration names no directory for copies.
    place.refused(&["backup", "--server", &server.url, "--name", "monday"], 1, "backup_dir");
    place.refused(&["backup", "--server", &server.url, "--to", "copy"], 2, "--to");
}

#[test]
fn a_schema_is_put_in_force_through_a_server() {
    let place = Place::with_rows();
    let server = Server::start(&place);
    schemas(&place, &["--server", &server.url.clone()]);
}

#[test]
fn assertions_are_checked() {
    let place = Place::with_rows();
    place.write(
        "good.txt",
        "# Ann\nsame email:Ann@Example.com device:d-2\ndifferent account:a-1 account:a-2\n",
    );
    let said = place.ok(&["assert", "--store", "store", "good.txt"]);
    assert_eq!(said, "Assertions: 2 hold, 0 broken.\n");
    assert_eq!(place.json(&["assert", "--store", "store", "--all", "good.txt"]).len(), 2);
    place
        .write("bad.txt", "same email:ann@example.com account:a-2\nsame email:who@example.com account:a-1\n");
    let broken = place.run(&["assert", "--store", "store", "--format", "json", "bad.txt"]);
    assert_eq!(broken.status, Some(1), "{broken:?}");
    let rows: Vec<serde_json::Value> =
        broken.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = rows.iter().map(|row| (row["line"].as_u64(), row["outcome"].as_str())).collect();
    assert_eq!(told, [(Some(1), Some("broken")), (Some(2), Some("unknown"))]);
    assert!(rows.iter().all(|row| row["reason"].as_str().is_some_and(|why| !why.is_empty())));
    place.refused(&["assert", "--store", "store", "none.txt"], 1, "cannot read the assertions none.txt");
    place.write("wrong.txt", "same one\n");
    place.refused(&["assert", "--store", "store", "wrong.txt"], 2, "wrong.txt:1:");
}

#[test]
fn events_are_printed_from_a_sequence_number_on() {
    let place = Place::with_rows();
    let local = ["--store", "store"];
    let watch = |store: &[&str], rest: &[&str]| place.json(&[&["watch"], store, rest].concat());
    let all = watch(&local, &[]);
    let words: Vec<&str> = all.iter().map(|event| event["change"].as_str().unwrap()).collect();
    assert_eq!(words.iter().filter(|word| **word == "created").count(), 2, "{words:?}");
    let last = all.last().unwrap()["seq"].as_u64().unwrap();
    let rest: Vec<_> = all.iter().filter(|event| event["seq"].as_u64() >= Some(last)).cloned().collect();
    assert_eq!(watch(&local, &["--from", &last.to_string()]), rest);
    assert!(watch(&local, &["--from", "99"]).is_empty());
    let table = place.ok(&["watch", "--store", "store"]);
    assert!(table.contains("crm saw "), "{table}");
    place.refused(&["watch", "--store", "store", "--follow", "--format", "table"], 2, "--follow");

    let server = Server::start(&place);
    let remote = ["--server", server.url.as_str()];
    assert_eq!(watch(&remote, &[]), all);
    // A follower hears of what happens while it listens.
    let args = [&["watch"], &remote[..], &["--follow", "--format", "json", "--from", "4"]].concat();
    let mut child = place.command(&args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    place.ok(&[&["forbid"], &remote[..], &WHY, &[ANN, "device:d-1"]].concat());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&event["change"], &event["cause"]["kind"]), (&"split".into(), &"forbid".into()), "{event}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn questions_of_somebody_who_debugs() {
    let place = Place::with_rows();
    let server = Server::start(&place);
    let remote = ["--server", server.url.as_str()];
    place.ok(&[&["forbid"], &remote[..], &WHY, &[ANN, BOB]].concat());
    let weak = ["--threshold", "0.8"];
    for (words, heading) in [
        (&["why", ANN, "device:d-2"][..], "Why are email:ann@example.com and device:d-2 one person?"),
        (&["why-not", ANN, BOB], "Why are email:ann@example.com and email:bob@example.com not one person?"),
        (&["how", ANN], "How did the person of email:ann@example.com come to be?"),
        (&["history", "p0"], "What happened to the person of p0?"),
        (&["network", ANN, "--depth", "1"], "The links around email:ann@example.com:"),
        (
            &["diff", ANN, weak[0], weak[1]],
            "The person of email:ann@example.com now, and otherwise, at threshold 0.8:",
        ),
        (&["near-merges", "--limit", "5"], "Persons that are close to being one:"),
    ] {
        let ask = |store: &[&str], format: &str| {
            place.ok(&[&words[..1], store, &["--format", format], &words[1..]].concat())
        };
        let told = ask(&remote, "table");
        assert_eq!(told.lines().next(), Some(heading));
        assert_eq!(ask(&["--store", "store"], "table"), told, "{words:?}");
        let rows = ask(&remote, "json");
        assert!(rows.lines().all(|line| line.starts_with('{')), "{rows}");
        assert_eq!(rows.is_empty(), told.ends_with("\n0 rows\n"), "{told}");
    }
    // Left out, what a source said joins nobody.
    let parted =
        place
            .ok(&[&["why-not"], &remote[..], &["--without-link", ANN, "device:d-2", ANN, "device:d-2"]]
                .concat());
    assert!(parted.contains("without the link email:ann@example.com - device:d-2?"), "{parted}");
    place.refused(&[&["why"], &remote[..], &["--as-of", "99", ANN, BOB]].concat(), 2, "lies ahead");
    place.refused(
        &[&["why"], &remote[..], &["--threshold", "2", ANN, BOB]].concat(),
        2,
        "above 0 and at most 1",
    );
}
