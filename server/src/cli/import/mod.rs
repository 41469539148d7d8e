//! `kinfold import`: rows of CSV and JSON Lines files become observations.
//!
//! A mapping file says what the columns mean ([`Mapping`]). Rows are read in
//! bounded memory, cut into chunks of 1,000, and each chunk is written as one
//! atomic batch named after its content: a second import of the same file
//! changes nothing, and one that was killed midway goes on where it was. A store
//! that holds nothing yet can be loaded in bulk, where all batches are one.

mod cells;
mod chunk;
mod mapper;
mod mapping;
mod open;
mod progress;
mod raw;
mod rejects;
mod rows;
mod run;
mod server_sink;
mod sink;
mod store_sink;
mod summary;
mod time;

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;

pub use chunk::{CHUNK_BYTES, CHUNK_ROWS};
pub use mapping::{Format, Input, Mapping, MappingError, Text, TextFrom};
pub use open::{FileToRead, OpenError, RowReader};
pub use rejects::RejectsError;
pub use rows::{Content, Fault, FaultKind, Row};
pub use run::RunError;
pub use server_sink::ServerSink;
pub use sink::{Done, Sink, SinkError};
pub use store_sink::{BulkSink, StoreSink};
pub use summary::{ImportSummary, Reasons};

use super::args::TargetArgs;
use progress::Progress;
use rejects::{RejectsFile, default_paths, may_replace};

/// Import rows of CSV and JSON Lines files, as a mapping file describes them
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  kinfold import --store ./store --mapping mapping.toml records.csv links.csv
  kinfold import --server http://127.0.0.1:7437 --mapping mapping.toml records.csv links.csv
  zcat events.jsonl.gz | kinfold import --store ./store --mapping mapping.toml --input events -

The same file imported again changes nothing; an import that was stopped goes
on when the same command is run again. A store that holds nothing yet is loaded
in bulk: then everything is in it at the end, or nothing. A server is sent batch
after batch, and acknowledges each. Rows that cannot be used are listed with
the reason in a rejects file, and the rest goes in. The exit status is 0 unless
something failed or every row was rejected.

docs/mapping.md describes the mapping file.")]
pub struct ImportArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The file that says what the columns mean
    #[arg(long, value_name = "FILE")]
    pub mapping: PathBuf,
    /// Which `[[input]]` of the mapping to use, by its name, instead of choosing by the file's name
    #[arg(long, value_name = "NAME")]
    pub input: Option<String>,
    /// The source of all rows, instead of what the mapping says
    #[arg(long, value_name = "NAME")]
    pub source_name: Option<String>,
    /// Where rejected rows are listed [default: INPUT.rejects.csv in the working directory]
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Load into a store that holds nothing yet, all at once; chosen for itself where that is so and the files have
    /// more than 8 MiB (with --store)
    #[arg(long, conflicts_with = "stream")]
    pub bulk: bool,
    /// Write batch after batch, even into a store that holds nothing yet
    #[arg(long)]
    pub stream: bool,
    /// Memory for a bulk load, in MiB; what is beyond it is kept in files beside the store [default: 2048]
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
    /// The files to import, in this order; `-` is standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
}

/// The command line does not fit the mapping or the files; the exit status is 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Runs `kinfold import` and prints its summary on standard output.
///
/// The mapping and the head of every file are checked first; only then
/// `open_sink` is called, with the number of bytes to be read if that is known. The error is a
/// [`UsageError`] when the command line is at fault. The caller sets the exit
/// status by it and by [`ImportSummary::all_rejected`].
pub fn run_import<S: Sink>(
    args: &ImportArgs,
    open_sink: impl FnOnce(&ImportArgs, Option<u64>) -> anyhow::Result<S>,
) -> anyhow::Result<ImportSummary> {
    let file = args.mapping.display().to_string();
    let text =
        std::fs::read_to_string(&args.mapping).with_context(|| format!("cannot read the mapping {file}"))?;
    let mapping = Mapping::parse(&file, &text)?;
    let source =
        args.source_name.as_ref().map(|name| Text { from: TextFrom::Constant(name.clone()), default: None });
    let plan = plan(args, &mapping, source.as_ref())?;

    let lists = args.rejects.clone().map_or_else(|| default_paths(&args.inputs), |path| vec![path]);
    for list in &lists {
        if !may_replace(list).with_context(|| format!("cannot look at {}", list.display()))? {
            let path = list.display();
            let message = format!(
                "{path} is there already and no list of rejected rows; say --rejects FILE with another name"
            );
            return Err(UsageError(message).into());
        }
    }

    let sizes: Option<Vec<u64>> = plan.iter().map(|step| step.bytes).collect();
    let bytes: Option<u64> = sizes.map(|sizes| sizes.iter().sum());
    let progress = Progress::new(bytes);
    // Standard input can be read once, so what is checked now is read on later; files are opened again.
    let mut standard_input = None;
    for step in &plan {
        if step.path.is_none() {
            standard_input = Some(RowReader::open(&step.what, progress.count(io::stdin()))?);
        } else {
            RowReader::open(&step.what, step.reader()?)?;
        }
    }

    let mut sink = open_sink(args, bytes)?;
    let begin = Instant::now();
    let mut summary = ImportSummary::default();
    let imported = import_all(args, &plan, standard_input, &mut sink, &progress, &mut summary);
    let outcome = imported.map_err(anyhow::Error::from).and_then(|()| {
        progress.resolving(sink.is_at_once());
        if let Some(receipt) = sink.finish()? {
            summary.held_back = receipt.held_back;
            summary.one_by_one = Some(receipt.one_by_one);
        }
        Ok(())
    });
    summary.elapsed = begin.elapsed();
    progress.clear();
    if let Err(error) = outcome {
        let taken = crate::cli::output::grouped(summary.written + summary.unchanged);
        let note = match sink.is_at_once() {
            true => {
                "the import stopped; nothing is in the store, and the same command begins anew".to_owned()
            }
            false => format!(
                "the import stopped; {taken} rows are in the store, and the same command goes on from there"
            ),
        };
        return Err(error.context(note));
    }
    write!(io::stdout().lock(), "{summary}").context("cannot write the summary to standard output")?;
    Ok(summary)
}

/// One file to import.
struct Step<'m> {
    /// Where it is; `None` for standard input.
    path: Option<PathBuf>,
    /// How many bytes it has, if that is known.
    bytes: Option<u64>,
    what: FileToRead<'m>,
}

impl Step<'_> {
    fn reader(&self) -> Result<Box<dyn io::Read>, OpenError> {
        match &self.path {
            None => Ok(Box::new(io::stdin())),
            Some(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) => Err(OpenError::Io { file: self.what.file.clone(), error }),
            },
        }
    }
}

/// Decides how each input is read.
fn plan<'m>(
    args: &ImportArgs,
    mapping: &'m Mapping,
    source: Option<&'m Text>,
) -> anyhow::Result<Vec<Step<'m>>> {
    let names: Vec<&str> = mapping.inputs.iter().filter_map(|input| input.name.as_deref()).collect();
    let chosen = match &args.input {
        None => None,
        Some(name) => Some(mapping.named(name).ok_or_else(|| {
            let near =
                mapping::nearest(name, names.iter().copied()).map(|n| format!("; did you mean `{n}`?"));
            let known = match names.is_empty() {
                true => "its inputs have no names".to_owned(),
                false => format!("it has {}", mapping::list(&names)),
            };
            UsageError(format!("{} has no input `{name}`; {known}{}", mapping.file, near.unwrap_or_default()))
        })?),
    };
    if args.inputs.iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(UsageError("standard input (`-`) is named twice; it can be read once".to_owned()).into());
    }
    let mut steps = Vec::new();
    for path in &args.inputs {
        let is_standard_input = path.as_path() == Path::new("-");
        let file = if is_standard_input { "standard input".to_owned() } else { path.display().to_string() };
        let input = match chosen {
            Some(input) => input,
            None if is_standard_input => only_input(mapping, &names)?,
            None => matching_input(mapping, path, &file)?,
        };
        let format = input.format.or_else(|| format_of(path)).ok_or_else(|| {
            UsageError(format!(
                "the format of {file} does not show in its name; say format = \"csv\" or \"jsonl\" in the input {} of {}",
                input.label(),
                mapping.file
            ))
        })?;
        let source = source.or(input.source.as_ref()).ok_or_else(|| {
            UsageError(format!(
                "nothing names the source of {file}; say source = \"…\" in the input {} of {}, or --source-name",
                input.label(),
                mapping.file
            ))
        })?;
        let bytes = if is_standard_input {
            None
        } else {
            let about = std::fs::metadata(path).with_context(|| format!("cannot read {file}"))?;
            if about.is_dir() {
                return Err(UsageError(format!("{file} is a directory; name the files in it")).into());
            }
            about.is_file().then_some(about.len())
        };
        if let Some(rejects) = &args.rejects
            && (rejects == path
                || (rejects.exists() && rejects.canonicalize().ok() == path.canonicalize().ok()))
        {
            return Err(UsageError(format!("--rejects would overwrite the input {file}")).into());
        }
        let path = (!is_standard_input).then(|| path.clone());
        steps.push(Step {
            path,
            bytes,
            what: FileToRead { file, mapping: &mapping.file, input, format, source },
        });
    }
    Ok(steps)
}

/// The input for standard input, which has no name to choose by.
fn only_input<'m>(mapping: &'m Mapping, names: &[&str]) -> Result<&'m Input, UsageError> {
    match mapping.inputs.as_slice() {
        [input] => Ok(input),
        inputs => Err(UsageError(format!(
            "standard input has no name to choose one of the {} inputs of {} by; say --input NAME{}",
            inputs.len(),
            mapping.file,
            if names.is_empty() {
                " and give them names".to_owned()
            } else {
                format!(", of {}", mapping::list(names))
            }
        ))),
    }
}

fn matching_input<'m>(mapping: &'m Mapping, path: &Path, file: &str) -> Result<&'m Input, UsageError> {
    match mapping.matching(path).as_slice() {
        [input] => Ok(input),
        [] => {
            let patterns: Vec<&str> =
                mapping.inputs.iter().flat_map(|input| &input.files).map(|(text, _)| text.as_str()).collect();
            let patterns = mapping::list(&patterns);
            Err(UsageError(format!(
                "no input of {} is for {file}: their files are {patterns}; say --input NAME to use one of them all the same",
                mapping.file
            )))
        }
        several => {
            let labels: Vec<String> = several.iter().map(|input| input.label()).collect();
            Err(UsageError(format!(
                "several inputs of {} are for {file}: {}; say --input NAME, once for each if the file is to be read several ways",
                mapping.file,
                labels.join(", ")
            )))
        }
    }
}

fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" | "tsv" | "txt" => Some(Format::Csv),
        "jsonl" | "ndjson" | "json" => Some(Format::JsonLines),
        _ => None,
    }
}

/// Imports the files one after another.
fn import_all<S: Sink>(
    args: &ImportArgs,
    plan: &[Step<'_>],
    mut standard_input: Option<RowReader<'_>>,
    sink: &mut S,
    progress: &Progress,
    summary: &mut ImportSummary,
) -> Result<(), RunError> {
    let mut common = args.rejects.clone().map(RejectsFile::new);
    for (step, default_path) in plan.iter().zip(default_paths(&args.inputs)) {
        let mut own = None;
        let rejects = match &mut common {
            Some(common) => common,
            None => own.insert(RejectsFile::new(default_path)),
        };
        let mut reader = match standard_input.take() {
            Some(reader) if step.path.is_none() => reader,
            not_yet => {
                standard_input = not_yet;
                RowReader::open(&step.what, progress.count(step.reader()?))?
            }
        };
        let what = &step.what;
        let tell = |summary: &ImportSummary| progress.tell(summary);
        run::import_rows(&what.file, &mut reader, what.input.on_invalid, sink, rejects, summary, tell)?;
        summary.files += 1;
        warn_of_unseen(what, &mut reader, summary);
        if let Some(own) = own {
            summary.rejects_files.extend(own.finish()?);
        }
    }
    if let Some(common) = common {
        summary.rejects_files.extend(common.finish()?);
    }
    Ok(())
}

/// A key that no object of a JSON file has is likely misspelt: JSON has no header that would tell.
fn warn_of_unseen(what: &FileToRead<'_>, reader: &mut RowReader<'_>, summary: &mut ImportSummary) {
    if what.format != Format::JsonLines || summary.rows == 0 {
        return;
    }
    for column in reader.mapper().unseen() {
        let (line, place) = column.place;
        summary.warnings.push(format!(
            "no row of {} has `{}`, which {}:{line}:{place} asks for",
            what.file, column.key, what.mapping
        ));
    }
}
