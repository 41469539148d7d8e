//! A page whose examples run: its store, its statements, and what they answer.
//!
//! The page says itself what its store holds: a `toml` block is the schema, a
//! `csv` block the observations, a `params` block the parameters. Behind each
//! `query` block stands a `result` block with the columns and the rows, or an
//! `error` block with the message. A `query` block may set limits, as in
//! `query max_rows=2`.

use std::collections::BTreeMap;
use std::time::Duration;

use kinfold_engine::model::{AttributeValue, Identifier, Observation, Timestamp};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;
use kinfold_engine::{Snapshot, Store, StoreView};
use kinfold_query::{Limits, MemoryGraph, Options, Params, Parsed, QueryError, prepare_on};

use crate::TestResult;

/// A block between fences.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// What stands behind the opening fence.
    pub info: String,
    /// What stands between the fences.
    pub text: String,
    /// The bytes of the page that the whole takes, fences included.
    pub range: std::ops::Range<usize>,
}

impl Block {
    /// Whether its first word is this.
    pub fn is(&self, kind: &str) -> bool {
        self.info.split_whitespace().next() == Some(kind)
    }
}

/// The blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, usize)> = None;
    let mut at = 0;
    for line in page.split_inclusive('\n') {
        let end = at + line.len();
        if let Some(info) = line.trim_end().strip_prefix("```") {
            match open.take() {
                None => open = Some((at, info.to_owned(), end)),
                Some((start, info, inside)) => {
                    let text = page.get(inside..at).unwrap_or_default().to_owned();
                    blocks.push(Block { info, text, range: start..end });
                }
            }
        }
        at = end;
    }
    blocks
}

/// A store with the parameters of its page.
pub struct PageStore {
    store: Store,
    params: Params,
    /// When it was filled: times from then on are not the page's.
    filled: Timestamp,
}

impl PageStore {
    /// The store that a page describes. The error says what is wrong with the description.
    pub fn of(page: &str) -> TestResult<Self> {
        let blocks = blocks(page);
        let one = |kind: &str| {
            blocks.iter().find(|block| block.is(kind)).map(|block| block.text.as_str()).unwrap_or_default()
        };
        let filled = Timestamp::now();
        let store = Store::in_memory(Schema::parse(one("toml"), "the page's schema")?)?;
        for line in one("csv").lines().skip(1) {
            let observation = observation(line).map_err(|error| format!("`{line}`: {error}"))?;
            let receipt = store.observe(Batch { request_id: None, observations: vec![observation] })?;
            if let Some(rejected) = receipt.rejected.first() {
                return Err(format!("`{line}`: {rejected:?}").into());
            }
        }
        if !store.wait_resolved(Duration::from_secs(60)) {
            return Err("the store is not resolved within a minute".into());
        }
        let mut params = Params::new();
        for line in one("params").lines() {
            let (name, text) = line.split_once('=').ok_or("a parameter is written name = value")?;
            params.insert(name.trim().to_owned(), literal(text)?);
        }
        Ok(Self { store, params, filled })
    }

    /// The store as it is.
    pub fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }

    /// The parameters of the page.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// What a statement answers: its columns and rows under `Ok`, its error under `Err`.
    pub fn answer(&self, text: &str, limits: Limits) -> Result<String, String> {
        let answer = self.table(text, limits).map_err(|error| format!("{error}\n"))?;
        Ok(masked(&answer, self.filled))
    }

    fn table(&self, text: &str, limits: Limits) -> Result<String, QueryError> {
        let parsed = Parsed::new(text, self.params.clone(), Options { limits, ..Options::default() })?;
        let now = self.snapshot();
        let options = parsed.view(&now)?;
        let view = match now.view(&options) {
            Ok(view) => view,
            // A past that has no state has nothing: it is shown as what it is.
            Err(error) => return Ok(format!("no such view: {error}\n")),
        };
        let prepared = match &view {
            StoreView::Resolved(read) => parsed.prepare(read)?,
            StoreView::Supposed(read) => parsed.prepare(&**read)?,
        };
        let columns = prepared.columns().to_vec();
        let mut table = format!("{}\n", columns.join(" | "));
        for row in prepared.run() {
            let cells: Vec<String> = row?
                .iter()
                .zip(&columns)
                .map(|(value, column)| match column.as_str() {
                    "milliseconds" => "…".to_owned(),
                    _ => value.to_string(),
                })
                .collect();
            table.push_str(cells.join(" | ").trim_end());
            table.push('\n');
        }
        Ok(table)
    }
}

/// The value of an expression that names nothing.
fn literal(text: &str) -> TestResult<kinfold_query::Value> {
    let graph = MemoryGraph::new();
    let prepared =
        prepare_on(&format!("RETURN {text}"), Box::new(&graph), Params::new(), Options::default())?;
    let row = prepared.run().next().ok_or("RETURN gives a row")??;
    row.into_iter().next().ok_or_else(|| "RETURN gives a value".into())
}

/// `source,time,confidence,identifiers,kind,record,attributes`: identifiers parted
/// by blanks, attributes as `name=value`, parted by `;`.
fn observation(line: &str) -> TestResult<Observation> {
    let fields: Vec<&str> = line.split(',').collect();
    let [source, time, confidence, identifiers, kind, record, attributes] = fields.as_slice() else {
        return Err(format!("{} fields, not 7", fields.len()).into());
    };
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let attribute = |text: &str| -> TestResult<(String, AttributeValue)> {
        let (name, value) = text.split_once('=').ok_or("an attribute is written name=value")?;
        let value =
            value.parse().map_or_else(|_| AttributeValue::String(value.to_owned()), AttributeValue::Number);
        Ok((name.to_owned(), value))
    };
    Ok(Observation {
        source: (*source).to_owned(),
        time: time.parse()?,
        identifiers: identifiers
            .split_whitespace()
            .map(|text| text.replace('_', " ").parse::<Identifier>())
            .collect::<Result<_, _>>()?,
        confidence: confidence.parse()?,
        kind: given(kind),
        record_id: given(record),
        attributes: attributes
            .split(';')
            .filter(|text| !text.is_empty())
            .map(attribute)
            .collect::<TestResult<BTreeMap<_, _>>>()?,
    })
}

/// The text with every time from `start` on as `…`: those are the test's, not the page's.
fn masked(text: &str, start: Timestamp) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let time = |length: &usize| {
            let text = rest.get(..*length)?;
            let time = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with('Z');
            let late = time && text.parse::<Timestamp>().is_ok_and(|time| time >= start);
            late.then_some(*length)
        };
        let length = (20..=27).rev().find_map(|length| time(&length));
        out.push_str(if length.is_some() { "…" } else { rest.get(..first.len_utf8()).unwrap_or_default() });
        rest = rest.get(length.unwrap_or(first.len_utf8())..).unwrap_or_default();
    }
    out
}

/// The limits that a `query` block sets.
fn limits(info: &str) -> TestResult<Limits> {
    let mut limits = Limits::default();
    for word in info.split_whitespace().skip(1) {
        let (name, value) = word.split_once('=').ok_or("a limit is written name=value")?;
        match name {
            "deadline_ms" => limits.deadline = Some(Duration::from_millis(value.parse()?)),
            "max_rows" => limits.max_rows = value.parse()?,
            "max_expansions" => limits.max_expansions = value.parse()?,
            "max_memory_bytes" => limits.max_memory_bytes = value.parse()?,
            "max_text_bytes" => limits.max_text_bytes = value.parse()?,
            "max_depth" => limits.max_depth = value.parse()?,
            other => return Err(format!("no limit `{other}`").into()),
        }
    }
    Ok(limits)
}

/// The page with what its statements answer now. Behind a `query` block without
/// an answer one is put.
pub fn answered(page: &str) -> TestResult<String> {
    let store = PageStore::of(page)?;
    let all = blocks(page);
    let (mut out, mut at) = (String::new(), 0);
    for (place, block) in all.iter().enumerate().filter(|(_, block)| block.is("query")) {
        let (kind, text) = match store.answer(block.text.trim(), limits(&block.info)?) {
            Ok(text) => ("result", text),
            Err(text) => ("error", text),
        };
        out.push_str(page.get(at..block.range.end).unwrap_or_default());
        at = block.range.end;
        let behind = all.get(place + 1).filter(|next| next.is("result") || next.is("error"));
        if let Some(behind) = behind {
            out.push_str(page.get(at..behind.range.start).unwrap_or_default());
            at = behind.range.end;
        } else {
            out.push('\n');
        }
        out.push_str(&format!("```{kind}\n{text}```\n"));
    }
    out.push_str(page.get(at..).unwrap_or_default());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "Text.\n\n```toml\n[namespace.email]\n[namespace.device]\n```\n\n\
        ```csv\nsource,time,confidence,identifiers,kind,record,attributes\n\
        crm,2026-01-02,0.9,email:a device:d,,,tier=2;name=Ann\n```\n\n\
        ```params\nid = 'email:a'\n```\n\n\
        ```query\nMATCH (i {id: $id}) RETURN i.value, i.tier\n```\n\nMore.\n\n\
        ```query max_rows=1\nMATCH (i) RETURN i.id\n```\n";

    #[test]
    fn answers_are_put_behind_their_statements() {
        let page = answered(PAGE).expect("a page");
        assert!(
            page.contains("i.tier\n```\n\n```result\ni.value | i.tier\n'a' | 2.0\n```\n\nMore."),
            "{page}"
        );
        assert!(page.contains("```error\nerror[limit-rows]"), "{page}");
        assert_eq!(answered(&page).expect("the same page"), page);
        let wrong = page.replace("'a' | 2.0", "'a' | 3.0");
        assert_ne!(answered(&wrong).expect("a page"), wrong);
    }

    #[test]
    fn only_the_times_of_the_test_are_masked() {
        let start: Timestamp = "2026-05-01T00:00:00Z".parse().expect("a time");
        let text = "[2026-01-01T00:00:00Z, 2026-05-01T00:00:00.000001Z, 2026-05-02T10:11:12Z é]";
        assert_eq!(masked(text, start), "[2026-01-01T00:00:00Z, …, … é]");
    }
}
