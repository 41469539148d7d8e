//! `kinfold evaluate`: how far the persons of stores agree with a known truth.

mod agreement;
mod mistakes;
mod server;
mod truth;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use kinfold_engine::model::{PersonId, PersonKey};
use kinfold_engine::read::{Found, Read};
use kinfold_query::Value;

use super::args::ServerArgs;
use super::failure::Failure;
use super::output::{self, Answer, Format, grouped};
use super::target::{RemoteServer, open_to_read};
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
  kinfold evaluate --truth truth.csv --server http://127.0.0.1:7437

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
    #[arg(long = "store", value_name = "DIR", required_unless_present = "server")]
    pub(crate) stores: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: ServerArgs,
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
    /// How many identifiers the largest person has, labelled or not; `None` where
    /// a server's limits do not let all persons be looked at.
    largest: Option<u32>,
    /// The person of each label, in their order.
    found: Vec<Option<PersonId>>,
    agreement: Agreement,
}

/// What a store, wherever it is, has of the identifiers of a truth.
struct Seen {
    /// The person of each label, in their order, or why there is none.
    found: Vec<Result<PersonId, &'static str>>,
    persons: u64,
    largest: Option<u32>,
}

/// Why an identifier is in no person, as it is told.
mod why {
    pub(super) const HOUSEHOLD: &str = "are of household scope";
    pub(super) const UNSEEN: &str = "were never seen";
    pub(super) const NO_NAMESPACE: &str = "are of no namespace of the schema";
    pub(super) const DENIED: &str = "are denied";
    pub(super) const INVALID: &str = "do not satisfy their rule";
}

/// Looks at the stores and prints a row for each.
pub(super) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let columns = Columns { person: &args.person, identifiers: &args.identifiers };
    let truth = Truth::read(&args.truth, columns)?;
    let mut answer = output::to_stdout(args.format);
    let mut judged = Vec::new();
    if args.mistakes.is_some() {
        answer.columns(&mistakes::COLUMNS.map(str::to_owned))?;
    }
    let mut take = |it: Judged| -> Result<(), Failure> {
        match args.mistakes {
            Some(most) => {
                for row in mistakes::worst(&truth, &it, most) {
                    answer.row(&row)?;
                }
            }
            None => judged.push(it),
        }
        Ok(())
    };
    if args.remote.server.is_some() {
        let server = RemoteServer::open(&args.remote)?;
        take(judge(server.url().to_owned(), server::look(&server, &truth)?, &truth)?)?;
    }
    // A store that is also the one to compare with has one row.
    let stores = args.stores.iter().filter(|it| Some(*it) != args.unguarded.as_ref());
    for directory in stores.chain(&args.unguarded) {
        let seen = look(&open_to_read(directory)?.snapshot(), &truth)?;
        take(judge(directory.display().to_string(), seen, &truth)?)?;
    }
    if args.mistakes.is_some() {
        return Ok(answer.end(true)?);
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
            it.largest.map_or(Value::Null, Value::from),
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

/// Finds the person of every label.
fn look(snapshot: &impl Read, truth: &Truth) -> Result<Seen, Failure> {
    let mut keys: Vec<Result<PersonKey, &'static str>> = Vec::with_capacity(truth.labels.len());
    for (identifier, _) in &truth.labels {
        keys.push(match snapshot.find(identifier)? {
            Found::Known(id) => snapshot.person_of(id)?.ok_or(why::HOUSEHOLD),
            Found::Unknown(_) => Err(why::UNSEEN),
            Found::NoNamespace { .. } => Err(why::NO_NAMESPACE),
            Found::Denied { .. } => Err(why::DENIED),
            Found::Invalid { .. } => Err(why::INVALID),
        });
    }
    let mut ids: HashMap<PersonKey, Option<PersonId>> =
        keys.iter().filter_map(|key| key.as_ref().ok()).map(|key| (*key, None)).collect();
    let mut largest = 0;
    for person in snapshot.persons() {
        let person = person?;
        largest = largest.max(person.size);
        if let Some(id) = ids.get_mut(&person.key) {
            *id = Some(person.id);
        }
    }
    let id = |key: PersonKey| {
        let known = ids.get(&key).copied().flatten();
        known.ok_or_else(|| Failure::failed("an identifier's person is not there; run `kinfold check`"))
    };
    let found = keys.into_iter().map(|key| key.map_or_else(|why| Ok(Err(why)), |key| id(key).map(Ok)));
    Ok(Seen {
        found: found.collect::<Result<_, Failure>>()?,
        persons: snapshot.person_count()?,
        largest: Some(largest),
    })
}

/// Holds what a store has against the truth. What is in no person is told on standard error.
fn judge(store: String, seen: Seen, truth: &Truth) -> Result<Judged, Failure> {
    let mut missing: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
    for ((identifier, _), found) in truth.labels.iter().zip(&seen.found) {
        if let Err(why) = found {
            *missing.entry((identifier.namespace.as_str(), *why)).or_default() += 1;
        }
    }
    let found: Vec<Option<PersonId>> = seen.found.iter().map(|person| person.ok()).collect();
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
    Ok(Judged { store, persons: seen.persons, largest: seen.largest, found, agreement })
}

#[cfg(test)]
mod tests;
