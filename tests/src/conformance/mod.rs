//! The conformance scenarios of the openCypher grammar: how they are read, set
//! up on a graph in memory, run, and compared with what they expect.
//!
//! A file of them has one scenario a line, as JSON: `{"file", "name", "example",
//! "group", "steps": [{"step", "text", "table"}]}`, the steps as the suite words
//! them without their first `Given`, `And`, `When` or `Then`.

pub mod cells;
pub mod errors;
pub mod setup;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use kinfold_query::graph::Signature;
use kinfold_query::{MemoryGraph, Options, Params, QueryError, Strictness, Value, prepare_on};
use serde_json::Value as Json;

use crate::TestResult;
use cells::Cell;
use errors::{Expected, Phase, Raised};

/// A scenario of the suite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// The file of the suite that it stands in.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Which example of an outline it is; empty if it is none.
    pub example: String,
    /// What part of the language it is about.
    pub group: String,
    /// What it does.
    pub steps: Vec<Step>,
}

/// A step of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its words.
    pub step: String,
    /// The text below it.
    pub text: String,
    /// The table below it.
    pub table: Vec<Vec<String>>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.name)?;
        if self.example.is_empty() { Ok(()) } else { write!(f, " #{}", self.example) }
    }
}

/// What became of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// All was as expected.
    Passed,
    /// Something was not.
    Failed(Difference),
    /// It could not be run, for this reason.
    Skipped(String),
}

/// What was not as a scenario expects it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The query.
    pub query: String,
    /// What was expected of it.
    pub expected: String,
    /// What it gave.
    pub got: String,
}

/// Reads a file of scenarios. The error says which line is none.
pub fn read(path: &Path) -> TestResult<Vec<Scenario>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| scenario(line).map_err(|error| format!("line {}: {error}", at + 1).into()))
        .collect()
}

/// Reads one scenario.
fn scenario(line: &str) -> Result<Scenario, String> {
    let json: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |json: &Json, field: &str| match json.get(field) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows = |json: &Json| -> Result<Vec<Vec<String>>, String> {
        match json.get("table") {
            None | Some(Json::Null) => Ok(Vec::new()),
            Some(table) => serde_json::from_value(table.clone()).map_err(|error| format!("a table: {error}")),
        }
    };
    let steps = json.get("steps").and_then(Json::as_array).ok_or("a scenario has steps")?;
    let step =
        |json: &Json| Ok(Step { step: text(json, "step"), text: text(json, "text"), table: rows(json)? });
    Ok(Scenario {
        file: text(&json, "file"),
        name: text(&json, "name"),
        example: text(&json, "example"),
        group: text(&json, "group"),
        steps: steps.iter().map(step).collect::<Result<_, String>>()?,
    })
}

/// The columns and the rows of a query, or when it failed and how.
fn rows(graph: &MemoryGraph, text: &str, params: Params) -> Result<Table, (Phase, QueryError)> {
    let options = Options { strictness: Strictness::Lenient, ..Options::default() };
    let prepared =
        prepare_on(text, Box::new(graph), params, options).map_err(|error| (Phase::Compile, error))?;
    let columns = prepared.columns().to_vec();
    let rows: Result<_, _> = prepared.run().collect();
    Ok((columns, rows.map_err(|error| (Phase::Run, error))?))
}

type Table = (Vec<String>, Vec<Vec<Value>>);

/// Runs a scenario. `graphs` is the folder of the graphs that scenarios name.
pub fn run(scenario: &Scenario, graphs: &Path) -> Outcome {
    let mut run = Run { graphs: graphs.to_owned(), ..Run::default() };
    match catch_unwind(AssertUnwindSafe(|| run.steps(scenario))) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(outcome)) => *outcome,
        Err(_) => Outcome::Failed(run.difference("no panic".to_owned(), "a panic".to_owned())),
    }
}

/// The state of a scenario that is running.
#[derive(Default)]
struct Run {
    graphs: PathBuf,
    graph: MemoryGraph,
    params: Params,
    query: String,
    result: Option<Result<Table, (Phase, QueryError)>>,
    /// Whether anything was compared.
    checked: bool,
}

type StepResult = Result<(), Box<Outcome>>;

fn skipped(reason: impl Into<String>) -> Box<Outcome> {
    Box::new(Outcome::Skipped(reason.into()))
}

impl Run {
    fn difference(&self, expected: String, got: String) -> Difference {
        Difference { query: self.query.clone(), expected, got }
    }

    fn failed(&self, expected: String, got: String) -> Box<Outcome> {
        Box::new(Outcome::Failed(self.difference(expected, got)))
    }

    fn steps(&mut self, scenario: &Scenario) -> StepResult {
        for step in &scenario.steps {
            self.step(step)?;
        }
        if self.checked { Ok(()) } else { Err(skipped("the scenario expects nothing")) }
    }

    fn step(&mut self, step: &Step) -> StepResult {
        let words = step.step.trim().trim_end_matches(':');
        if matches!(words, "an empty graph" | "any graph") {
            self.graph = MemoryGraph::new();
        } else if let Some(name) = words.strip_prefix("the ").and_then(|words| words.strip_suffix(" graph")) {
            self.graph = MemoryGraph::new();
            self.named_graph(name)?;
        } else if words.ends_with("having executed") {
            setup::run(&mut self.graph, &step.text).map_err(skipped)?;
        } else if words.starts_with("parameters are") {
            self.parameters(&step.table)?;
        } else if words.starts_with("there exists a procedure") {
            self.procedure(words, &step.table)?;
        } else if words.starts_with("executing") {
            self.query.clone_from(&step.text);
            self.result = Some(rows(&self.graph, &step.text, self.params.clone()));
        } else if words.starts_with("the result should be") {
            self.compare(words, &step.table)?;
        } else if words.contains("should be raised") {
            self.raised(words)?;
        } else if words == "no side effects" {
            // A query holds the graph by a shared reference: it cannot have any.
        } else {
            return Err(skipped(format!("the step `{}` is not known", step.step)));
        }
        Ok(())
    }

    fn named_graph(&mut self, name: &str) -> StepResult {
        let folder = self.graphs.join(name);
        let open = |path: &Path| {
            std::fs::read_to_string(path).map_err(|error| skipped(format!("{}: {error}", path.display())))
        };
        let described = folder.join(format!("{name}.json"));
        let mut scripts = vec![name.to_owned()];
        if described.is_file() {
            let json: Json = serde_json::from_str(&open(&described)?)
                .map_err(|error| skipped(format!("{}: {error}", described.display())))?;
            if let Some(listed) = json.get("scripts").and_then(Json::as_array) {
                scripts = listed.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            }
        }
        for script in scripts {
            let text = open(&folder.join(format!("{script}.cypher")))?;
            setup::run(&mut self.graph, &text).map_err(skipped)?;
        }
        Ok(())
    }

    fn parameters(&mut self, table: &[Vec<String>]) -> StepResult {
        for row in table {
            let [name, text] = row.as_slice() else {
                return Err(skipped("a parameter has a name and a value"));
            };
            self.params.insert(name.clone(), literal(text)?);
        }
        Ok(())
    }

    fn procedure(&mut self, words: &str, table: &[Vec<String>]) -> StepResult {
        let signature = signature(words).ok_or_else(|| skipped(format!("`{words}` is no procedure")))?;
        let cells = signature.parameters.len() + signature.columns.len();
        let mut rows = Vec::new();
        for row in table.iter().skip(1).filter(|row| !row.is_empty()) {
            if row.len() != cells {
                return Err(skipped("a procedure's table has all of its arguments and columns"));
            }
            rows.push(row.iter().map(|text| literal(text)).collect::<Result<Vec<_>, _>>()?);
        }
        self.graph.add_procedure(signature, rows);
        Ok(())
    }

    fn compare(&mut self, words: &str, table: &[Vec<String>]) -> StepResult {
        self.checked = true;
        let (columns, rows) = match self.result.take() {
            Some(Ok(table)) => table,
            Some(Err((phase, error))) => {
                return Err(self.failed(words.to_owned(), format!("an error at {phase}\n{error}")));
            }
            None => return Err(skipped("nothing was executed before its result")),
        };
        if words.ends_with("empty") {
            let got = format!("{} rows", rows.len());
            return if rows.is_empty() { Ok(()) } else { Err(self.failed("no rows".to_owned(), got)) };
        }
        let wanted: Vec<&String> = table.first().into_iter().flatten().collect();
        if columns.iter().ne(wanted.iter().copied()) {
            return Err(self.failed(format!("the columns {wanted:?}"), format!("{columns:?}")));
        }
        let any_list = words.contains("ignoring element order");
        let cell = |cell: Cell| if any_list { cell.with_sorted_lists() } else { cell };
        let mut expected = Vec::new();
        for row in table.iter().skip(1) {
            let row: Result<Vec<Cell>, String> = row.iter().map(|text| Cell::parse(text).map(cell)).collect();
            expected.push(row.map_err(skipped)?);
        }
        let mut got: Vec<Vec<Cell>> =
            rows.iter().map(|row| row.iter().map(|value| cell(value.into())).collect()).collect();
        if !words.contains("in order") {
            expected.sort();
            got.sort();
        }
        if expected == got { Ok(()) } else { Err(self.failed(shown(&expected), shown(&got))) }
    }

    fn raised(&mut self, words: &str) -> StepResult {
        self.checked = true;
        let expected = Expected::parse(words).ok_or_else(|| skipped(format!("`{words}` is no error")))?;
        match self.result.take() {
            Some(Err((phase, error))) => {
                let raised = Raised::of(&error, phase);
                if expected.is_met_by(&raised) {
                    return Ok(());
                }
                Err(self.failed(expected.to_string(), format!("{raised}\n{error}")))
            }
            Some(Ok((_, rows))) => Err(self.failed(expected.to_string(), format!("{} rows", rows.len()))),
            None => Err(skipped("nothing was executed before its error")),
        }
    }
}

fn shown(rows: &[Vec<Cell>]) -> String {
    let line = |row: &Vec<Cell>| {
        let cells: Vec<String> = row.iter().map(Cell::to_string).collect();
        format!("| {} |", cells.join(" | "))
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    if lines.is_empty() { "no rows".to_owned() } else { lines.join("\n") }
}

/// The value of a cell of parameters or of a procedure.
fn literal(text: &str) -> Result<Value, Box<Outcome>> {
    let query = format!("RETURN {text} AS value");
    let (_, found) = rows(&MemoryGraph::new(), &query, Params::new())
        .map_err(|(_, error)| skipped(format!("`{text}` is no value: {error}")))?;
    found.into_iter().flatten().next().ok_or_else(|| skipped(format!("`{text}` is no value")))
}

/// `… test.my.proc(name :: STRING?, id :: INTEGER?) :: (city :: STRING?)`.
fn signature(words: &str) -> Option<Signature> {
    let (left, right) = words.strip_prefix("there exists a procedure")?.trim().rsplit_once(") :: ")?;
    let (name, parameters) = left.split_once('(')?;
    let columns = right.trim().strip_prefix('(')?.strip_suffix(')')?;
    let typed = |text: &str| -> Option<Vec<(String, String)>> {
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        parts
            .map(|part| {
                let (name, kind) = part.split_once("::")?;
                Some((name.trim().to_owned(), kind.trim().to_owned()))
            })
            .collect()
    };
    Some(Signature {
        name: name.trim().to_owned(),
        parameters: typed(parameters)?,
        columns: typed(columns)?.into_iter().map(|(name, _)| name).collect(),
    })
}

/// What became of many scenarios.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: Vec<(Scenario, Difference)>,
    /// Those that could not be run, each with the reason.
    pub skipped: Vec<(Scenario, String)>,
}

impl Report {
    /// Runs all of `scenarios`; see [`run`].
    pub fn of(scenarios: impl IntoIterator<Item = Scenario>, graphs: &Path) -> Self {
        let mut report = Self::default();
        for scenario in scenarios {
            match run(&scenario, graphs) {
                Outcome::Passed => report.passed += 1,
                Outcome::Failed(difference) => report.failed.push((scenario, difference)),
                Outcome::Skipped(reason) => report.skipped.push((scenario, reason)),
            }
        }
        report
    }

    /// `N passed, N failed, N skipped`.
    pub fn summary(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped.len())
    }

    /// Every difference in full, and every reason why one was skipped.
    pub fn failures(&self) -> String {
        let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
        let mut text = String::new();
        for (scenario, Difference { query, expected, got }) in &self.failed {
            text.push_str(&format!(
                "FAILED {scenario}\n  query\n{}  expected\n{}  got\n{}\n",
                indented(query),
                indented(expected),
                indented(got)
            ));
        }
        for (scenario, reason) in &self.skipped {
            text.push_str(&format!("SKIPPED {scenario}\n{}\n", indented(reason)));
        }
        text
    }

    /// How many of each file did not pass.
    pub fn by_file(&self) -> BTreeMap<&str, usize> {
        let mut files = BTreeMap::new();
        let failed = self.failed.iter().map(|(scenario, _)| scenario);
        for scenario in failed.chain(self.skipped.iter().map(|(scenario, _)| scenario)) {
            *files.entry(scenario.file.as_str()).or_default() += 1;
        }
        files
    }
}

#[cfg(test)]
mod tests;
