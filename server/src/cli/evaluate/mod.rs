//! `kinfold evaluate`: how far the persons of stores agree with a known truth.

mod agreement;
mod mistakes;
mod truth;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use kinfold_engine::model::PersonKey;
use kinfold_engine::read::{Found, Read};
use kinfold_query::Value;

use super::failure::Failure;
use super::output::{self, Answer, Format, grouped};
use super::target::open_to_read;
use agreement::Agreement;
use truth::{Columns, Truth};

/// Compare the persons of stores with a known truth
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold evaluate --truth truth.csv --store ./store
  kinfold evaluate --truth truth.csv --store ./store --unguarded ./plain
  kinfold evaluate --truth labels.csv --person customer --identifier email=mail \\
      --identifier phone=tel --store ./store
  kinfold evaluate --truth truth.csv --store ./store --mistakes 10

The truth is a CSV file with a header: columns `namespace`, `value` and `person`,
one identifier a row, or the columns that --person and --identifier name. Rows
without a person label nobody. Two identifiers are a pair. Of the pairs in one
person of the store, precision is the part that truly belong together; of the
pairs that truly belong together, recall is the part in one person. Identifiers
that the truth does not name make no pairs. `missing` are those that it names
and that are in no person of the store: each counts as alone.

A store to compare with, of the same rows under the same schema without its
guards against over-merging, is made with `kinfold init --without all`; then
recall_kept is a store's recall as a part of the recall there.

docs/evaluation.md says more.")]
pub(crate) struct EvaluateArgs {
    /// The truth, a CSV file
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: PathBuf,
    /// The directory of a store to look at; once for each
    #[arg(long = "store", value_name = "DIR", required = true)]
    pub(crate) stores: Vec<PathBuf>,
    /// The directory of a store whose recall the others are held against
    #[arg(long, value_name = "DIR")]
    pub(crate) unguarded: Option<PathBuf>,
    /// The column of the truth that names the person
    #[arg(long, value_name = "COLUMN", default_value = "person")]
    pub(crate) person: String,
    /// A column of the truth that holds identifiers of a namespace, instead of `namespace` and `value`; once for each
    #[arg(long = "identifier", value_name = "NAMESPACE=COLUMN", value_parser = identifier_column)]
    pub(crate) identifiers: Vec<IdentifierColumn>,
    /// Print the N worst mistakes of each kind instead: strangers in one person, and people in several
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) mistakes: Option<usize>,
    /// How the rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// A column of the truth with identifiers of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentifierColumn {
    namespace: String,
    column: String,
}

fn identifier_column(text: &str) -> Result<IdentifierColumn, String> {
    match text.split_once('=') {
        Some((namespace, column)) if !namespace.is_empty() && !column.is_empty() => {
            Ok(IdentifierColumn { namespace: namespace.to_owned(), column: column.to_owned() })
        }
        _ => Err("expected a namespace and a column, as in email=mail".to_owned()),
    }
}

/// What one store makes of the truth.
struct Judged {
    store: String,
    persons: u64,
    /// How many identifiers the largest person has, labelled or not.
    largest: u32,
    /// The person of each label, in their order.
    found: Vec<Option<PersonKey>>,
    agreement: Agreement,
}

/// Looks at the stores and prints a row for each.
pub(super) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let columns = Columns { person: &args.person, identifiers: &args.identifiers };
    let truth = Truth::read(&args.truth, columns)?;
    // A store that is also the one to compare with has one row.
    let directories = || {
        let stores = args.stores.iter().filter(|it| Some(*it) != args.unguarded.as_ref());
        stores.chain(&args.unguarded)
    };
    let mut answer = output::to_stdout(args.format);
    if let Some(most) = args.mistakes {
        answer.columns(&mistakes::COLUMNS.map(str::to_owned))?;
        for directory in directories() {
            let snapshot = open_to_read(directory)?.snapshot();
            let judged = judge(directory, &snapshot, &truth)?;
            for row in mistakes::worst(&snapshot, &truth, &judged, most)? {
                answer.row(&row)?;
            }
        }
        return Ok(answer.end(true)?);
    }
    let mut judged = Vec::new();
    for directory in directories() {
        judged.push(judge(directory, &open_to_read(directory)?.snapshot(), &truth)?);
    }
    let base = judged.last().filter(|_| args.unguarded.is_some()).map(|it| it.agreement.recall());
    write_rows(answer.as_mut(), &judged, base)?;
    Ok(())
}

fn write_rows(answer: &mut dyn Answer, judged: &[Judged], base: Option<f64>) -> io::Result<()> {
    let mut columns = vec![
        "store",
        "persons",
        "largest",
        "labelled",
        "missing",
        "pairs",
        "true_pairs",
        "right",
        "precision",
        "recall",
        "f1",
    ];
    columns.extend(base.map(|_| "recall_kept"));
    answer.columns(&columns.into_iter().map(str::to_owned).collect::<Vec<_>>())?;
    for it in judged {
        let missing = it.found.iter().filter(|person| person.is_none()).count() as u64;
        let pairs = it.agreement;
        let mut row = vec![
            it.store.as_str().into(),
            count(it.persons),
            Value::from(it.largest),
            count(it.found.len() as u64),
            count(missing),
            count(pairs.found),
            count(pairs.truth),
            count(pairs.correct),
            share(pairs.precision()),
            share(pairs.recall()),
            share(pairs.f1()),
        ];
        row.extend(base.map(|base| {
            // Where nothing was found without guards, nothing can be lost by them.
            share(if base > 0.0 { pairs.recall() / base } else { 1.0 })
        }));
        answer.row(&row)?;
    }
    answer.end(true)
}

fn count(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A share to six decimals, which is finer than any truth with labels by hand.
fn share(of: f64) -> Value {
    Value::Float((of * 1e6).round() / 1e6)
}

/// Finds the person of every label, and counts. What is in no person is told on standard error.
fn judge(directory: &Path, snapshot: &impl Read, truth: &Truth) -> Result<Judged, Failure> {
    let store = directory.display().to_string();
    let mut found = Vec::with_capacity(truth.labels.len());
    let mut missing: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    for (identifier, _) in &truth.labels {
        let why = match snapshot.find(identifier)? {
            Found::Known(id) => match snapshot.person_of(id)? {
                Some(person) => {
                    found.push(Some(person));
                    continue;
                }
                None => "are of household scope",
            },
            Found::Unknown(_) => "were never seen",
            Found::NoNamespace { .. } => "are of no namespace of the schema",
            Found::Denied { .. } => "are denied",
            Found::Invalid { .. } => "do not satisfy their rule",
        };
        found.push(None);
        *missing.entry((identifier.namespace.clone(), why)).or_default() += 1;
    }
    if !missing.is_empty() {
        let what: Vec<String> = missing
            .iter()
            .map(|((namespace, why), count)| format!("{} of `{namespace}` {why}", grouped(*count)))
            .collect();
        let what = format!("{store}: of the identifiers of the truth, {}", what.join(", "));
        if found.iter().all(Option::is_none) {
            return Err(Failure::failed(format!("{what}: not one is in a person")));
        }
        // A note; where standard error is closed, the column says how many.
        let _ = writeln!(io::stderr().lock(), "note: {what}");
    }
    let agreement = Agreement::of(found.iter().copied().zip(truth.labels.iter().map(|(_, person)| *person)));
    let mut largest = 0;
    for person in snapshot.persons() {
        largest = largest.max(person?.size);
    }
    Ok(Judged { store, persons: snapshot.person_count()?, largest, found, agreement })
}

#[cfg(test)]
mod tests;
