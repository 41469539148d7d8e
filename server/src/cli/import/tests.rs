//! Rows and the driver, against a sink that remembers as a store does.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::PathBuf;

use kinfold_engine::model::{AttributeValue, Observation, Seq};
use kinfold_engine::write::{Batch, Receipt, RejectReason, Rejection, WriteError};

use super::mapping::{Format, Mapping};
use super::rejects::RejectsFile;
use super::*;

// ---- rows ----

fn read(mapping: &str, format: Format, bytes: &[u8]) -> Result<Vec<Row>, OpenError> {
    let mapping = Mapping::parse("m.toml", mapping).expect("a mapping");
    let input = &mapping.inputs[0];
    let source = input.source.as_ref().expect("a source");
    let file = FileToRead { file: "data".into(), mapping: "m.toml", input, format, source };
    let mut reader = RowReader::open(&file, Box::new(Cursor::new(bytes.to_vec())))?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    Ok(rows)
}

/// A row in one line: `5 email:a@b` or `5! column: reason`.
fn show(row: &Row) -> String {
    match &row.content {
        Content::Filtered => format!("{} filtered", row.line),
        Content::Rejected(fault) => {
            format!("{}! {}: {}", row.line, fault.column.as_deref().unwrap_or("-"), fault.reason)
        }
        Content::Observation(o) => {
            let identifiers: Vec<String> = o.identifiers.iter().map(|i| i.to_string()).collect();
            format!("{} {}", row.line, identifiers.join(" "))
        }
    }
}

fn shown(mapping: &str, format: Format, bytes: &[u8]) -> Vec<String> {
    read(mapping, format, bytes).expect("opens").iter().map(show).collect()
}

fn observations(rows: Vec<Row>) -> Vec<Observation> {
    rows.into_iter()
        .filter_map(|row| match row.content {
            Content::Observation(observation) => Some(*observation),
            _ => None,
        })
        .collect()
}

const RECORDS: &str = r#"
[[input]]
source = { column = "system", default = "crm" }
shape = "record"
record_id = "id"
time = { column = "at", format = "date" }
confidence = { column = "sure", divide_by = 100, default = "100" }
kind = { column = "kind" }
identifiers = { account = "account", email = ["email", { column = "more", split = ";" }] }
attributes = { city = "city", age = { column = "age", type = "number" }, vip = { column = "vip", type = "bool" } }
except = { system = "test*" }
"#;

#[test]
fn a_record_row_becomes_an_observation() {
    let text = "\
id,system,at,sure,kind,account,email,more,city,age,vip
7, shop ,2026-01-05,80,order,A1,ann@example.com,\"x@example.com; ;ann@example.com\",\"New
Town\",41.5,yes
8,,2026-01-06,,,A2,,,,,
9,test-1,,,,,,,,,
";
    let rows = read(RECORDS, Format::Csv, text.as_bytes()).expect("opens");
    assert_eq!(
        rows.iter().map(show).collect::<Vec<_>>(),
        ["2 account:A1 email:ann@example.com email:x@example.com", "4 account:A2", "5 filtered"]
    );
    let all = observations(rows);
    assert_eq!(all[0].source, "shop");
    assert_eq!(all[0].confidence, 0.8);
    assert_eq!(all[0].kind.as_deref(), Some("order"));
    assert_eq!(all[0].record_id.as_deref(), Some("7"));
    assert_eq!(all[0].time, "2026-01-05".parse().expect("a time"));
    let attributes: BTreeMap<String, AttributeValue> = [
        ("city".to_owned(), AttributeValue::String("New\nTown".to_owned())),
        ("age".to_owned(), AttributeValue::Number(41.5)),
        ("vip".to_owned(), AttributeValue::Bool(true)),
    ]
    .into();
    assert_eq!(all[0].attributes, attributes);
    assert_eq!((all[1].source.as_str(), all[1].confidence, &all[1].kind), ("crm", 1.0, &None));
    assert!(all[1].attributes.is_empty());
}

#[test]
fn bad_rows_are_rejected_one_by_one() {
    let header = "id,system,at,sure,kind,account,email,more,city,age,vip\n";
    let mut text = header.as_bytes().to_vec();
    text.extend_from_slice(b"1,,2026-01-05,,,A1,,,,,\r\n");
    text.extend_from_slice(b"2,,2026-01-05,,,A1,,,,\r\n");
    text.extend_from_slice(b"3,,05.01.2026,,,A1,,,,,\r\n");
    text.extend_from_slice(b"4,,2026-01-05,120,,A1,,,,,\n");
    text.extend_from_slice(b"5,,2026-01-05,,,,,,,,\n");
    text.extend_from_slice(b"6,,2026-01-05,,,A1,,,M\xfcnster,,\n");
    text.extend_from_slice(b"7,,2026-01-05,,,A1,,,,old,\n");
    text.extend_from_slice(b"8,,,,,A1,,,,,\n");
    text.extend_from_slice(b"9,,2026-01-05,,,\"A1,,,,,\n");
    text.extend_from_slice(b"10,,2026-01-05,,,A2,,,,,");
    assert_eq!(
        shown(RECORDS, Format::Csv, &text),
        [
            "2 account:A1",
            "3! -: 10 cells where 11 were expected",
            "4! at: `05.01.2026` is no time; expected a date, as 2026-01-05",
            "5! sure: `120` is no confidence; expected a number above 0 and at most 100",
            "6! account and email and more: no identifier: all of the row's identifier cells are empty",
            "7! city: byte 2 of the cell is no UTF-8; convert the file to UTF-8",
            "8! age: `old` is no value for `age`; expected a finite number",
            "9! at: the time is missing: the cell is empty",
            "10! -: a quote at the start of a cell is never closed; write a quote within a quoted cell twice",
            "11 account:A2",
        ]
    );
}

#[test]
fn skip_leaves_out_the_value_alone() {
    let mapping = format!("{RECORDS}on_invalid = \"skip\"\n");
    let rows = read(
        &mapping,
        Format::Csv,
        b"id,system,at,sure,kind,account,email,more,city,age,vip\n7,,2026-01-05,,,A1,,,,old,no\n",
    );
    let rows = rows.expect("opens");
    assert_eq!(rows[0].left_out.len(), 1);
    assert_eq!(rows[0].left_out[0].column.as_deref(), Some("age"));
    let attributes = &observations(rows)[0].attributes;
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["vip"]);
}

const LINKS: &str = r#"
[[input]]
source = "web"
shape = "link"
time = "2026-01-01"
csv = { delimiter = ";" }
from = { namespace = { column = "ns", rename = { "tel*" = "phone", "x" = "cookie" } }, value = "value" }
to = { namespace = "record", value = "record" }
"#;

#[test]
fn a_link_row_has_two_ends() {
    let text = "record;ns;value\n1;email;a@example.com\n2;telephone;+49\n3;x;c\n;x;c\n5;;c\n";
    let mut expected = vec![
        "2 email:a@example.com record:1",
        "3 phone:+49 record:2",
        "4 cookie:c record:3",
        "5! record: an end of the link is missing: the cell is empty",
        "6! ns: the namespace is missing: the cell is empty",
    ];
    assert_eq!(shown(LINKS, Format::Csv, text.as_bytes()), expected);
    expected[3] = "5 cookie:c";
    expected[4] = "6 record:5";
    assert_eq!(shown(&format!("{LINKS}on_invalid = \"skip\""), Format::Csv, text.as_bytes()), expected);
}

#[test]
fn columns_go_by_number_without_a_header() {
    let mapping = r#"
[[input]]
source = "snap"
shape = "link"
csv = { header = false }
time = { column = 4, format = "unix_s" }
from = { namespace = "node", value = 1 }
to = { namespace = "node", value = 2 }
only = { 3 = ["1", "2"] }
"#;
    let text = b"610,977,1,1307526243.273450\n610,937,-3,1307544707.672470\n1,1,2,0\n";
    assert_eq!(shown(mapping, Format::Csv, text), ["1 node:610 node:977", "2 filtered", "3 node:1"]);
    let error = read(mapping, Format::Csv, b"610,977,1\n").expect_err("too few").to_string();
    assert_eq!(error, "data:1: no column `4`, which m.toml:6:19 asks for; there are 3 columns");
    assert!(read(mapping, Format::Csv, b"").expect("empty").is_empty());
}

#[test]
fn a_file_without_a_mapped_column_is_refused() {
    let error = |text: &str| read(LINKS, Format::Csv, text.as_bytes()).expect_err(text).to_string();
    assert_eq!(
        error("\nrecrod;ns;value\n1;email;x\n"),
        "data:2: no column `record`, which m.toml:8:38 asks for; the columns are `recrod`, `ns`, `value`; did you mean `recrod`?"
    );
    assert_eq!(
        error("record,ns,value\n"),
        "data:1: no column `ns`, which m.toml:7:33 asks for; the columns are `record,ns,value`"
    );
    assert_eq!(
        error("ns;record;value;ns\n"),
        "data:1: no column `ns`, which m.toml:7:33 asks for; two columns have that name, 1 and 4; write the number of the one that is meant"
    );
    assert!(error("").contains("names the columns"));
    assert!(error("record;\"ns").contains("never closed"));
    assert!(error("\u{0}\u{0}\u{0}\u{0}").starts_with("data:1: no column"));
}

#[test]
fn json_lines_are_read_by_path() {
    let mapping = r#"
[[input]]
source = { column = "DATA_SOURCE" }
shape = "record"
record_id = "RECORD_ID"
time = { column = "DATE", format = "%m/%d/%y" }
identifiers = { record = { template = "{DATA_SOURCE}:{RECORD_ID}" }, phone = "FEATURES.PHONE_NUMBER", email = "/FEATURES/1/EMAIL", nr = "a.b" }
attributes = { last = "FEATURES.NAME_LAST" }
"#;
    let text = r#"{"DATA_SOURCE": "C", "RECORD_ID": 1001, "FEATURES": [{"NAME_LAST": "Smith"}, {"PHONE_NUMBER": "702", "EMAIL": "a@b"}, {"PHONE_NUMBER": [703, null, 702]}], "DATE": "1/2/18", "a.b": 5}

{"DATA_SOURCE": "C", "RECORD_ID": "2", "DATE": "1/2/18", "a": {"b": true}}
{"DATA_SOURCE": "C", "RECORD_ID": "2", "DATE": "1/2/18", "a": {"b": {}}}
{"DATA_SOURCE": "C", "RECORD_ID": 12345678901234567890123, "DATE": "1/2/18"}
{"DATA_SOURCE": "C", "RECORD_ID": "3", "DATE": "1/2/18", "FEATURES": [{"NAME_LAST": "A"}, {"NAME_LAST": "B"}]}
{"DATA_SOURCE": "C", "RECORD_ID"
[1]
"#;
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    let bytes = [text.as_bytes(), deep.as_bytes(), b"\n{\"x\": \"\xff\"}"].concat();
    let rows = shown(mapping, Format::JsonLines, &bytes);
    assert_eq!(
        rows[..8],
        [
            "1 record:C:1001 phone:702 phone:703 email:a@b nr:5",
            "3 record:C:2 nr:true",
            "4! a.b: an object where a text or a number was expected; name a key in it, as `outer.inner`",
            "5! RECORD_ID: a number too large to be read to the last digit; write it as a text, in quotes",
            "6! FEATURES.NAME_LAST: several values where one is needed; name one by its place, as `list.0`",
            "7! -: no JSON: EOF while parsing an object at character 32 of the line",
            "8! -: expected a JSON object, as {\"id\": 1, \"email\": \"…\"}",
            "9! -: no JSON: recursion limit exceeded at character 132 of the line",
        ]
    );
    assert_eq!(rows[8], "10! -: byte 8 of the line is no UTF-8; convert the file to UTF-8");
}

#[test]
fn an_observation_has_at_most_sixteen_identifiers() {
    let mapping = LINKS.replace("link", "record").replace("csv", "split = \",\"\ncsv");
    let mapping =
        mapping.split("from =").next().map(|m| format!("{m}identifiers = {{ cookie = \"value\" }}"));
    let mapping = mapping.expect("a mapping");
    let cell = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let text = format!("value\n{}\n{}\n", cell(16), cell(17));
    let rows = shown(&mapping, Format::Csv, text.as_bytes());
    assert!(rows[0].starts_with("2 cookie:0"));
    assert_eq!(rows[1], "3! -: 17 identifiers; an observation may have 16");
}

// ---- the driver ----

/// Remembers requests as a store does, and rejects what its schema does not know.
#[derive(Default)]
struct Memory {
    namespaces: Vec<&'static str>,
    /// Every request with what was rejected of it.
    applied: HashMap<String, Vec<Rejection>>,
    observations: Vec<Observation>,
    /// After this many batches the sink fails.
    batches_left: Option<usize>,
    /// Answers are kept back and given in reverse order, this many at a time.
    delay: usize,
    kept_back: Vec<(Done, Receipt)>,
    submitted: Vec<String>,
}

impl Memory {
    fn knowing(namespaces: &[&'static str]) -> Self {
        Self { namespaces: namespaces.to_vec(), ..Self::default() }
    }

    fn reject(&self, index: usize, observation: &Observation) -> Option<Rejection> {
        let index = index as u32;
        observation.identifiers.iter().enumerate().find_map(|(place, identifier)| {
            if !self.namespaces.contains(&identifier.namespace.as_str()) {
                return Some(Rejection {
                    index,
                    field: format!("identifiers[{place}].namespace"),
                    reason: RejectReason::UndeclaredNamespace,
                    message: format!("namespace `{}` is not declared", identifier.namespace),
                });
            }
            identifier.value.contains("bad").then(|| Rejection {
                index,
                field: format!("identifiers[{place}].value"),
                reason: RejectReason::InvalidValue,
                message: format!("`{}` is invalid", identifier.value),
            })
        })
    }

    fn apply(&mut self, batch: Batch) -> Receipt {
        let id = batch.request_id.expect("every batch has one");
        let total = batch.observations.len() as u32;
        self.submitted.push(id.clone());
        let (rejected, replayed) = match self.applied.get(&id) {
            Some(rejected) => (rejected.clone(), true),
            None => {
                let rejected: Vec<Rejection> =
                    batch.observations.iter().enumerate().filter_map(|(i, o)| self.reject(i, o)).collect();
                self.applied.insert(id, rejected.clone());
                let taken = batch.observations.into_iter().enumerate();
                let taken = taken.filter(|(i, _)| rejected.iter().all(|r| r.index as usize != *i));
                self.observations.extend(taken.map(|(_, o)| o));
                (rejected, false)
            }
        };
        let accepted = total - rejected.len() as u32;
        Receipt { seq: Seq::new(0), replayed, accepted, denied: 0, forgotten: 0, rejected, held_back: 0 }
    }
}

impl Sink for Memory {
    fn submit(&mut self, batch: Batch, done: Done) {
        if let Some(left) = &mut self.batches_left {
            match left.checked_sub(1) {
                Some(rest) => *left = rest,
                None => return done(Err(SinkError::Write(WriteError::Closed))),
            }
        }
        let receipt = self.apply(batch);
        self.kept_back.push((done, receipt));
        if self.kept_back.len() > self.delay {
            for (done, receipt) in self.kept_back.drain(..).rev() {
                done(Ok(receipt));
            }
        }
    }

    fn applied(&self, request_id: &str) -> Result<Option<Vec<u32>>, SinkError> {
        Ok(self.applied.get(request_id).map(|rejected| rejected.iter().map(|r| r.index).collect()))
    }
}

const DRIVEN: &str = r#"
[[input]]
source = "crm"
shape = "record"
time = "2026-01-01"
identifiers = { account = "account", email = "email" }
"#;

struct Outcome {
    summary: ImportSummary,
    result: Result<(), RunError>,
    rejects: String,
}

fn import(mapping: &str, text: &str, sink: &mut Memory) -> Outcome {
    let mapping = Mapping::parse("m.toml", mapping).expect("a mapping");
    let input = &mapping.inputs[0];
    let source = input.source.as_ref().expect("a source");
    let file = FileToRead { file: "data.csv".into(), mapping: "m.toml", input, format: Format::Csv, source };
    let mut reader = RowReader::open(&file, Box::new(Cursor::new(text.to_owned()))).expect("opens");
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("rejects.csv");
    let mut rejects = RejectsFile::new(path.clone());
    let mut summary = ImportSummary::default();
    let result =
        run::import_rows("data.csv", &mut reader, input.on_invalid, sink, &mut rejects, &mut summary, |_| {});
    rejects.finish().expect("written");
    let rejects = std::fs::read_to_string(&path).unwrap_or_default();
    Outcome { summary, result, rejects }
}

fn table(rows: std::ops::Range<u32>) -> String {
    let mut text = "account,email\n".to_owned();
    for row in rows {
        text.push_str(&format!("A{row},{row}@example.com\n"));
    }
    text
}

#[test]
fn a_second_import_changes_nothing() {
    let text = table(0..2_500);
    let mut sink = Memory::knowing(&["account", "email"]);
    let first = import(DRIVEN, &text, &mut sink);
    first.result.expect("goes in");
    assert_eq!((first.summary.rows, first.summary.written, first.summary.unchanged), (2_500, 2_500, 0));
    assert_eq!(sink.submitted.len(), 3);
    let before = sink.observations.clone();

    let second = import(DRIVEN, &text, &mut sink);
    second.result.expect("goes in");
    assert_eq!((second.summary.rows, second.summary.written, second.summary.unchanged), (2_500, 0, 2_500));
    assert_eq!(sink.submitted.len(), 3, "nothing was sent");
    assert_eq!(sink.observations, before);
}

#[test]
fn an_import_that_was_killed_goes_on() {
    let text = table(0..10_500);
    let mut whole = Memory::knowing(&["account", "email"]);
    import(DRIVEN, &text, &mut whole).result.expect("goes in");
    for survived in [0, 1, 4, 10] {
        let mut sink = Memory::knowing(&["account", "email"]);
        sink.batches_left = Some(survived);
        let first = import(DRIVEN, &text, &mut sink);
        let error = first.result.expect_err("fails").to_string();
        assert!(error.contains(&format!("data.csv:{} on", survived * 1_000 + 2)), "{error}");
        assert_eq!(first.summary.written as usize, survived * 1_000);

        sink.batches_left = None;
        let second = import(DRIVEN, &text, &mut sink);
        second.result.expect("goes in");
        assert_eq!(second.summary.unchanged as usize, survived * 1_000);
        assert_eq!(second.summary.written as usize, 10_500 - survived * 1_000);
        assert_eq!(sink.observations, whole.observations);
    }
}

#[test]
fn answers_may_come_late_and_in_any_order() {
    let text = table(0..60_000);
    let mut sink = Memory::knowing(&["account", "email"]);
    sink.delay = 19;
    let outcome = import(DRIVEN, &text, &mut sink);
    outcome.result.expect("goes in");
    assert_eq!((outcome.summary.written, sink.submitted.len()), (60_000, 60));
}

#[test]
fn what_the_store_rejected_is_offered_again() {
    let text = table(0..1_200).replace("A5,5@example.com", ",5@example.com").replace("A1100,", ",");
    let mut sink = Memory::knowing(&["email"]);
    let first = import(DRIVEN, &text, &mut sink);
    first.result.expect("goes in");
    assert_eq!((first.summary.written, first.summary.rejected), (2, 1_198));
    assert_eq!(
        first.summary.reject_reasons.iter().collect::<Vec<_>>(),
        [(&("namespace not in the schema".to_owned(), None), &1_198)]
    );
    assert_eq!(
        first.rejects.lines().nth(1),
        Some("data.csv,2,,namespace `account` is not declared,\"A0,0@example.com\"")
    );
    let base: Vec<String> = sink.submitted.clone();

    // The schema still lacks it: offered again, rejected again.
    let second = import(DRIVEN, &text, &mut sink);
    assert_eq!((second.summary.unchanged, second.summary.written, second.summary.rejected), (2, 0, 1_198));

    // Now it has it: what was rejected goes in, and that alone.
    sink.namespaces.push("account");
    let third = import(DRIVEN, &text, &mut sink);
    assert_eq!((third.summary.unchanged, third.summary.written, third.summary.rejected), (2, 1_198, 0));
    assert_eq!(sink.observations.len(), 1_200);
    let expected: Vec<String> = ["", "", "+1", "+1", "+2", "+2"]
        .iter()
        .zip(base.iter().cycle())
        .map(|(s, id)| format!("{id}{s}"))
        .collect();
    assert_eq!(sink.submitted, expected);

    let fourth = import(DRIVEN, &text, &mut sink);
    assert_eq!((fourth.summary.unchanged, fourth.summary.written, fourth.rejects.as_str()), (1_200, 0, ""));
    assert_eq!(sink.submitted, expected);
}

#[test]
fn rows_are_not_offered_for_ever() {
    let text = "account,email\nbad,a@example.com\n";
    let mut sink = Memory::knowing(&["account", "email"]);
    for _ in 0..=run::MAX_ROUNDS {
        assert_eq!(import(DRIVEN, text, &mut sink).summary.rejected, 1);
    }
    let sent = sink.submitted.len();
    let last = import(DRIVEN, text, &mut sink);
    last.result.expect("goes on");
    assert_eq!((last.summary.rejected, sink.submitted.len()), (1, sent));
    assert!(last.rejects.contains("in 100 imports"), "{}", last.rejects);
}

#[test]
fn skip_leaves_out_what_the_store_calls_invalid() {
    let mapping = format!("{DRIVEN}on_invalid = \"skip\"\n");
    let text = "account,email\nbad1,a@example.com\nA2,b@example.com\nbad3,bad4\nA5,bad6\n";
    let mut sink = Memory::knowing(&["account", "email"]);
    let first = import(&mapping, text, &mut sink);
    first.result.expect("goes in");
    assert_eq!((first.summary.written, first.summary.rejected, first.summary.left_out), (3, 1, 2));
    assert_eq!(
        first.rejects,
        "file,line,column,reason,row\n\
         data.csv,2,account,imported without this value: `bad1` is invalid,\"bad1,a@example.com\"\n\
         data.csv,4,email,`bad4` is invalid,\"bad3,bad4\"\n\
         data.csv,5,email,imported without this value: `bad6` is invalid,\"A5,bad6\"\n"
    );
    let kept: Vec<Vec<String>> =
        sink.observations.iter().map(|o| o.identifiers.iter().map(|i| i.to_string()).collect()).collect();
    assert_eq!(
        kept,
        [vec!["account:A2", "email:b@example.com"], vec!["email:a@example.com"], vec!["account:A5"]]
    );

    // Again: what went in stays, the row that cannot go in is reported again.
    let second = import(&mapping, text, &mut sink);
    assert_eq!((second.summary.written, second.summary.unchanged, second.summary.rejected), (0, 3, 1));

    // The same file under `reject` meanwhile retries only what never went in.
    let third = import(DRIVEN, text, &mut sink);
    assert_eq!((third.summary.written, third.summary.unchanged, third.summary.rejected), (0, 3, 1));
}

#[test]
fn rejects_come_in_the_order_of_the_file() {
    let mut text = "account,email\n".to_owned();
    for row in 0..3_000 {
        text.push_str(match row % 1_000 {
            10 => "one cell\n",
            20 => "bad,x@example.com\n",
            _ => "A1,a@example.com\n",
        });
    }
    let mut sink = Memory::knowing(&["account", "email"]);
    sink.delay = 2;
    let outcome = import(DRIVEN, &text, &mut sink);
    outcome.result.expect("goes in");
    let lines: Vec<&str> = outcome.rejects.lines().skip(1).filter_map(|l| l.split(',').nth(1)).collect();
    assert_eq!(lines, ["12", "22", "1012", "1022", "2012", "2022"]);
    assert_eq!((outcome.summary.rejected, outcome.summary.written), (6, 2_994));
}

#[test]
fn a_store_that_never_answers_ends_the_import() {
    struct Deaf;
    impl Sink for Deaf {
        fn submit(&mut self, _: Batch, _: Done) {}
        fn applied(&self, _: &str) -> Result<Option<Vec<u32>>, SinkError> {
            Ok(None)
        }
    }
    let mapping = Mapping::parse("m.toml", DRIVEN).expect("a mapping");
    let input = &mapping.inputs[0];
    let source = input.source.as_ref().expect("a source");
    let file = FileToRead { file: "x".into(), mapping: "m.toml", input, format: Format::Csv, source };
    let mut reader = RowReader::open(&file, Box::new(Cursor::new(table(0..3)))).expect("opens");
    let mut rejects = RejectsFile::new("never-written.csv".into());
    let mut summary = ImportSummary::default();
    let result =
        run::import_rows("x", &mut reader, input.on_invalid, &mut Deaf, &mut rejects, &mut summary, |_| {});
    assert!(matches!(result, Err(RunError::Sink { error: SinkError::NoAnswer, .. })));
}
