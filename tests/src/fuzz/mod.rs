//! Texts that nobody would write, run as if somebody had.
//!
//! A text is generated from the grammar, or made of texts of a corpus by
//! changing words or characters. It is parsed, printed, and parsed again, which
//! must give the same; prepared and run on a small graph in memory and on a small
//! identity store, under small limits, none of which may be exceeded. A panic
//! anywhere is a failure. What the execution `n` of a seed does depends on
//! nothing but the two, so that each can be run again by itself.

mod generate;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kinfold_query::{
    Limits, MemoryGraph, Names, Options, Params, Parsed, QueryError, Rows, Strictness, Value, complete,
    parse, prepare_on,
};

use crate::TestResult;
use crate::conformance::setup;
use crate::data;
use crate::page::{PageStore, blocks};

/// A stream of numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of one execution.
    pub fn new(seed: u64, execution: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ execution.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A number below `count`; 0 if there is none.
    pub fn below(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { (self.next() % count as u64) as usize }
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T
    where
        &'a T: Default,
    {
        all.get(self.below(all.len())).copied().unwrap_or_default()
    }
}

/// What was wrong with a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which execution it was.
    pub execution: u64,
    /// The text.
    pub text: String,
    /// What happened.
    pub what: String,
}

/// How many texts came how far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Texts that were tried.
    pub executions: u64,
    /// Those that are statements.
    pub parsed: u64,
    /// Those that ran to their end on the graph.
    pub ran: u64,
    /// Those that a limit ended.
    pub limited: u64,
    /// Those that ran to their end on the identity store.
    pub answered: u64,
}

/// What every execution works with.
pub struct Fuzz {
    seed: u64,
    corpus: Vec<String>,
    graph: MemoryGraph,
    store: PageStore,
    names: Names,
    params: Params,
}

const GRAPH: &str = "CREATE (a:A:Person {name: 'a', num: 1}), (b:B {name: 'b', num: 2.5, id: 'x'}), \
    (c:A {name: 'c', list: [1, 2, 3]}), (d:Person), (e:B {num: -1}), (f), \
    (a)-[:T {num: 1}]->(b), (b)-[:T {num: 2}]->(c), (c)-[:R]->(a), (a)-[:R]->(d), (d)-[:T]->(d), \
    (d)-[:KNOWS {name: 'k'}]->(e), (e)-[:KNOWS]->(a), (b)-[:R]->(a), (e)-[:T]->(c), (c)-[:T]->(b)";

impl Fuzz {
    /// Takes the corpus from the language's page, our own scenarios and, where
    /// they are, those of the data sets.
    pub fn new(seed: u64) -> TestResult<Self> {
        let page = std::fs::read_to_string(data::case("../../docs/language.md"))?;
        let mut corpus: Vec<String> =
            blocks(&page).into_iter().filter(|block| block.is("query")).map(|block| block.text).collect();
        let mut files = vec![data::case("conformance/own.jsonl")];
        if let Some(set) = data::set("graph-queries", "the scenarios as a corpus") {
            files.push(set.join("scenarios.jsonl"));
        }
        for file in files {
            let steps = crate::conformance::read(&file)?.into_iter().flat_map(|scenario| scenario.steps);
            corpus.extend(steps.filter(|step| step.step.starts_with("executing")).map(|step| step.text));
        }
        let mut graph = MemoryGraph::new();
        setup::run(&mut graph, GRAPH)?;
        graph.add_index("name");
        let store = PageStore::of(&page)?;
        let names = Names::of(&store.snapshot());
        let mut params = store.params().clone();
        params.insert("p".to_owned(), Value::Int(3));
        params.insert("list".to_owned(), vec![Value::Null, Value::from("a"), Value::Float(0.5)].into());
        Ok(Self { seed, corpus, graph, store, names, params })
    }

    /// The text of an execution, and the numbers that are left for what is done with it.
    pub fn text(&self, execution: u64) -> (String, Random) {
        let mut random = Random::new(self.seed, execution);
        let text = if random.once_in(3) {
            generate::statement(&mut random)
        } else {
            mutate::text(&mut random, &self.corpus)
        };
        (text, random)
    }

    /// Runs the executions of a range, until `most` were wrong.
    pub fn run(&self, executions: std::ops::Range<u64>, most: usize) -> (Tally, Vec<Finding>) {
        let (mut tally, mut findings) = (Tally::default(), Vec::new());
        for execution in executions {
            if findings.len() >= most {
                break;
            }
            let (text, random) = self.text(execution);
            tally.executions += 1;
            let done = catch_unwind(AssertUnwindSafe(|| self.execute(&text, random, &mut tally)));
            if let Some(what) = done.unwrap_or_else(|_| Some("a panic".to_owned())) {
                findings.push(Finding { execution, text, what });
            }
        }
        (tally, findings)
    }

    /// What is wrong with a text, if anything is.
    fn execute(&self, text: &str, mut random: Random, tally: &mut Tally) -> Option<String> {
        let cut = random.below(text.len() + 1);
        let _ = complete(text.get(..cut).unwrap_or(text), &self.names);
        if let Ok(tree) = parse(text, &Limits::default()) {
            tally.parsed += 1;
            let printed = tree.to_string();
            // Printed it may be longer, since it is spelt out.
            let limits = Limits { max_text_bytes: 1 << 24, ..Limits::default() };
            match parse(&printed, &limits) {
                Ok(again) if again == tree => {}
                Ok(_) => return Some(format!("printed as `{printed}` it is another statement")),
                Err(error) => return Some(format!("printed as `{printed}` it is none: {error}")),
            }
        }
        let limits = Limits {
            deadline: Some(Duration::from_secs(5)),
            max_rows: 1 + random.below(60) as u64,
            max_expansions: 1 + random.below(3_000) as u64,
            max_memory_bytes: 500 + random.below(200_000),
            max_text_bytes: 1 << 16,
            max_depth: 1 + random.below(128),
            max_threads: if random.once_in(8) { 2 } else { 1 },
            large_scan: 0,
        };
        let strictness = if random.once_in(2) { Strictness::Strict } else { Strictness::Lenient };
        let options = || Options { limits, strictness, ..Options::default() };
        let on_graph = prepare_on(text, Box::new(&self.graph), self.params.clone(), options());
        match self.drained(on_graph.map(kinfold_query::Prepared::run), limits) {
            Ok(Ended::AtItsEnd) => tally.ran += 1,
            Ok(Ended::AtALimit) => tally.limited += 1,
            Ok(Ended::Otherwise) => {}
            Err(what) => return Some(format!("on the graph, {what}")),
        }
        match self.on_store(text, options(), limits) {
            Ok(Ended::AtItsEnd) => tally.answered += 1,
            Ok(_) => {}
            Err(what) => return Some(format!("on the store, {what}")),
        }
        None
    }

    fn on_store(&self, text: &str, options: Options, limits: Limits) -> Result<Ended, String> {
        let Ok(parsed) = Parsed::new(text, self.params.clone(), options) else { return Ok(Ended::Otherwise) };
        let now = self.store.snapshot();
        let Ok(asked) = parsed.view(&now) else { return Ok(Ended::Otherwise) };
        let Ok(view) = now.view(&asked) else { return Ok(Ended::Otherwise) };
        match &view {
            kinfold_engine::StoreView::Resolved(read) => {
                self.drained(parsed.prepare(read).map(kinfold_query::Prepared::run), limits)
            }
            kinfold_engine::StoreView::Supposed(read) => {
                self.drained(parsed.prepare(&**read).map(kinfold_query::Prepared::run), limits)
            }
        }
    }

    /// Takes all rows, and looks whether a limit was passed unnoticed.
    fn drained(&self, rows: Result<Rows<'_>, QueryError>, limits: Limits) -> Result<Ended, String> {
        let mut rows = match rows {
            Ok(rows) => rows,
            Err(error) => return ended(&error),
        };
        let (mut count, mut end) = (0, Ended::AtItsEnd);
        for row in rows.by_ref() {
            match row {
                Ok(row) => {
                    // What is printed must not fail either.
                    let _ = row.iter().map(Value::to_string).map(|text| text.len()).sum::<usize>();
                    count += 1;
                }
                Err(error) => end = ended(&error)?,
            }
        }
        let used = rows.stats();
        for (what, used, most) in [
            ("rows", count, limits.max_rows),
            ("expansions", used.expansions, limits.max_expansions),
            ("bytes", used.peak_memory_bytes as u64, limits.max_memory_bytes as u64),
        ] {
            if used > most {
                return Err(format!("{used} {what} where {most} are allowed"));
            }
        }
        if rows.next().is_some() {
            return Err("a row after the end".to_owned());
        }
        Ok(end)
    }
}

/// How a text ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    AtItsEnd,
    AtALimit,
    Otherwise,
}

/// How a text ended with an error; the error if it is none of the text's.
fn ended(error: &QueryError) -> Result<Ended, String> {
    use kinfold_query::ErrorKind;
    if error.to_string().is_empty() || error.line() == 0 || error.column() == 0 {
        return Err(format!("an error without its place: {error:?}"));
    }
    match error.kind() {
        // Nothing here takes five seconds: it is a loop that no other limit ends.
        ErrorKind::Limit { name: "deadline" } => Err(format!("it does not end: {error}")),
        ErrorKind::Limit { .. } => Ok(Ended::AtALimit),
        ErrorKind::Storage | ErrorKind::Cancelled => Err(format!("{error}")),
        ErrorKind::Syntax | ErrorKind::Binding | ErrorKind::Type | ErrorKind::Runtime => Ok(Ended::Otherwise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_the_same_each_time_and_texts_differ() {
        let fuzz = Fuzz::new(7).expect("a corpus");
        let texts: Vec<String> = (0..200).map(|execution| fuzz.text(execution).0).collect();
        let again: Vec<String> = (0..200).map(|execution| fuzz.text(execution).0).collect();
        assert_eq!(texts, again);
        let different: std::collections::BTreeSet<&String> = texts.iter().collect();
        assert!(different.len() > 150, "{}", different.len());
        let (tally, findings) = fuzz.run(0..500, 5);
        assert_eq!(findings, []);
        // It reaches every stage.
        assert!(tally.parsed > 100 && tally.ran > 20 && tally.answered > 5, "{tally:?}");
    }

    #[test]
    fn what_exceeds_a_limit_is_found() {
        let fuzz = Fuzz::new(1).expect("a corpus");
        let run = |limits: Limits| {
            let options = Options { limits, ..Options::default() };
            let prepared = prepare_on("MATCH (n) RETURN n", Box::new(&fuzz.graph), Params::new(), options)
                .map(|p| p.run());
            (prepared, Limits { max_rows: 2, ..Limits::default() })
        };
        // Run under one limit and looked at under a stricter one: as if the limit had been passed.
        let (rows, strict) = run(Limits::default());
        let found = fuzz.drained(rows, strict).err().unwrap_or_default();
        assert!(found.contains("rows where 2 are allowed"), "{found}");
    }
}
