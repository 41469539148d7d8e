//! `kinfold why` and its like: the questions of somebody who debugs who is who.
//!
//! Each composes a statement of the query language and asks it as `kinfold query` does.

use clap::{Args, value_parser};
use kinfold_query::{Params, Value};

use super::args::{LimitArgs, TargetArgs};
use super::failure::Failure;
use super::output::Format;
use super::query;

/// Of which view of a store it is asked, and how the answer is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct ViewArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// As it was then: a time as 2026-01-05T00:00:00Z, or a sequence number
    #[arg(long, value_name = "WHEN")]
    as_of: Option<String>,
    /// As if person.threshold were this, above 0 and at most 1
    #[arg(long, value_name = "X")]
    threshold: Option<f64>,
    /// As if this source had never said anything; once for each
    #[arg(long, value_name = "NAME")]
    without_source: Vec<String>,
    /// As if nobody had ever seen these two together; once for each pair
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    without_link: Vec<String>,
    /// How the rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Say why two identifiers are one person
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold why --store ./store email:ann@example.com device:d-1
  kinfold why --store ./store --without-source web email:ann@example.com device:d-1

It shows the strongest chain of links between them, each with what sources said,
and what would have to go for the two to part.")]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    pair: PairArgs,
}

/// Say why two identifiers are not one person
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold why-not --store ./store email:ann@example.com account:a-7

It shows what stands between them: links that are too weak, identifiers that are
shared or denied, links that a limit holds back, and pairs that are forbidden.")]
pub(crate) struct WhyNotArgs {
    #[command(flatten)]
    pair: PairArgs,
}

/// Two identifiers.
#[derive(Debug, Args)]
struct PairArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// One identifier, as email:ann@example.com
    #[arg(value_name = "A")]
    a: String,
    /// The other
    #[arg(value_name = "B")]
    b: String,
}

/// Say how a person came to be what it is
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold how --store ./store email:ann@example.com

It shows every merge and split that led to the person, back to the first
identifiers, each with what brought it about.")]
pub(crate) struct HowArgs {
    #[command(flatten)]
    one: OneArgs,
}

/// List what happened to a person
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold history --store ./store p42")]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    one: OneArgs,
}

/// Compare who is who now with another view of the store: what if
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold diff --store ./store --threshold 0.8 email:ann@example.com
  kinfold diff --store ./store --as-of 2026-01-05T00:00:00Z email:ann@example.com
  kinfold diff --store ./store --without-link email:ann@example.com device:d-1 email:ann@example.com")]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    one: OneArgs,
}

/// One identifier or person.
#[derive(Debug, Args)]
struct OneArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// Who: an identifier as email:ann@example.com, or a person's id as p42
    #[arg(value_name = "WHO")]
    who: String,
}

/// Show the links around somebody
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold network --store ./store --depth 2 email:ann@example.com")]
pub(crate) struct NetworkArgs {
    #[command(flatten)]
    one: OneArgs,
    /// How many links away [default: the language's own]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    depth: Option<u32>,
}

/// List the pairs of persons that are closest to being one, the strongest first
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold near-merges --store ./store --limit 20

This is the review queue: `kinfold require` or `kinfold forbid` settles a pair.")]
pub(crate) struct NearMergesArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// How many [default: the language's own]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// Asks why two are one person.
pub(super) fn why(args: &WhyArgs) -> Result<(), Failure> {
    let PairArgs { view, a, b } = &args.pair;
    let statement = Statement::of(view, "WHY").who("a", a).and_who("b", b);
    statement.ask(view, &format!("Why are {a} and {b} one person"), '?')
}

/// Asks why two are not one person.
pub(super) fn why_not(args: &WhyNotArgs) -> Result<(), Failure> {
    let PairArgs { view, a, b } = &args.pair;
    let statement = Statement::of(view, "WHY NOT").who("a", a).and_who("b", b);
    statement.ask(view, &format!("Why are {a} and {b} not one person"), '?')
}

/// Asks how a person came to be.
pub(super) fn how(args: &HowArgs) -> Result<(), Failure> {
    let OneArgs { view, who } = &args.one;
    let statement = Statement::of(view, "HOW").who("who", who);
    statement.ask(view, &format!("How did the person of {who} come to be"), '?')
}

/// Asks what happened to a person.
pub(super) fn history(args: &HistoryArgs) -> Result<(), Failure> {
    let OneArgs { view, who } = &args.one;
    let statement = Statement::of(view, "HISTORY").who("who", who);
    statement.ask(view, &format!("What happened to the person of {who}"), '?')
}

/// Asks for a comparison.
pub(super) fn diff(args: &DiffArgs) -> Result<(), Failure> {
    let OneArgs { view, who } = &args.one;
    let statement = Statement::of(view, "DIFF").who("who", who);
    statement.ask(view, &format!("The person of {who} now, and otherwise"), ':')
}

/// Asks for the links around somebody.
pub(super) fn network(args: &NetworkArgs) -> Result<(), Failure> {
    let OneArgs { view, who } = &args.one;
    let statement = Statement::of(view, "NETWORK").who("who", who).number("DEPTH", args.depth);
    statement.ask(view, &format!("The links around {who}"), ':')
}

/// Asks for the review queue.
pub(super) fn near_merges(args: &NearMergesArgs) -> Result<(), Failure> {
    let statement = Statement::of(&args.view, "NEAR MERGES").number("LIMIT", args.limit);
    statement.ask(&args.view, "Persons that are close to being one", ':')
}

/// A statement in the making. Everything that a user names is a parameter, so
/// that no name can be read as a part of the language.
struct Statement {
    text: String,
    params: Params,
}

impl Statement {
    /// The options and the verb.
    fn of(view: &ViewArgs, verb: &str) -> Self {
        let mut statement = Self { text: String::new(), params: Params::new() };
        if let Some(when) = &view.as_of {
            // Digits alone are a sequence number.
            let moment = when.trim().parse::<i64>().map_or_else(|_| Value::from(when.as_str()), Value::Int);
            statement.option("AS OF", "as_of", moment);
        }
        if let Some(threshold) = view.threshold {
            statement.option("THRESHOLD", "threshold", Value::Float(threshold));
        }
        for (at, source) in view.without_source.iter().enumerate() {
            statement.option("WITHOUT SOURCE", &format!("source{at}"), source.as_str().into());
        }
        for (at, pair) in view.without_link.chunks(2).enumerate() {
            // The command line takes them in twos.
            if let [a, b] = pair {
                let (first, second) = (format!("link{at}a"), format!("link{at}b"));
                statement.text.push_str(&format!("WITHOUT LINK ${first} - ${second} "));
                statement.params.insert(first, a.as_str().into());
                statement.params.insert(second, b.as_str().into());
            }
        }
        statement.text.push_str(verb);
        statement
    }

    fn option(&mut self, words: &str, name: &str, value: Value) {
        self.text.push_str(&format!("{words} ${name} "));
        self.params.insert(name.to_owned(), value);
    }

    fn who(mut self, name: &str, who: &str) -> Self {
        self.text.push_str(&format!(" ${name}"));
        self.params.insert(name.to_owned(), who.into());
        self
    }

    fn and_who(mut self, name: &str, who: &str) -> Self {
        self.text.push(',');
        self.who(name, who)
    }

    fn number(mut self, word: &str, number: Option<u32>) -> Self {
        if let Some(number) = number {
            self.text.push_str(&format!(" {word} {number}"));
        }
        self
    }

    fn ask(self, view: &ViewArgs, heading: &str, end: char) -> Result<(), Failure> {
        let heading = format!("{heading}{}{end}", supposed(view));
        let asked = query::Asked { text: &self.text, params: &self.params, heading: Some(&heading) };
        query::ask(&view.target, &view.limits, view.format, &asked)
    }
}

/// The view, in words.
fn supposed(view: &ViewArgs) -> String {
    let mut words = String::new();
    if let Some(when) = &view.as_of {
        words.push_str(&format!(", as of {when}"));
    }
    if let Some(threshold) = view.threshold {
        words.push_str(&format!(", at threshold {threshold}"));
    }
    for source in &view.without_source {
        words.push_str(&format!(", without source {source}"));
    }
    for pair in view.without_link.chunks(2) {
        words.push_str(&format!(", without the link {}", pair.join(" - ")));
    }
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;
    use kinfold_query::{Options, Parsed};

    use super::super::args::{Cli, Command};
    use super::*;

    fn network(args: &[&str]) -> NetworkArgs {
        let all = ["kinfold", "network", "--store", "s"].iter().chain(args);
        match Cli::try_parse_from(all).unwrap().command {
            Command::Network(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_become_a_statement_that_parses() {
        let args = network(&[
            "--as-of",
            "12",
            "--threshold",
            "0.8",
            "--without-source",
            "web'; RETURN 1",
            "--without-source",
            "crm",
            "--without-link",
            "email:a@x.de",
            "device:1",
            "--depth",
            "3",
            "account:2",
        ]);
        let OneArgs { view, who } = &args.one;
        let statement = Statement::of(view, "NETWORK").who("who", who).number("DEPTH", args.depth);
        assert_eq!(
            statement.text,
            "AS OF $as_of THRESHOLD $threshold WITHOUT SOURCE $source0 WITHOUT SOURCE $source1 \
             WITHOUT LINK $link0a - $link0b NETWORK $who DEPTH 3"
        );
        assert_eq!(statement.params["as_of"], Value::Int(12));
        assert_eq!(statement.params["source0"], Value::from("web'; RETURN 1"));
        assert!(Parsed::new(&statement.text, statement.params, Options::default()).is_ok());
        assert_eq!(
            supposed(view),
            ", as of 12, at threshold 0.8, without source web'; RETURN 1, without source crm, \
             without the link email:a@x.de - device:1"
        );
    }

    #[test]
    fn every_verb_is_one_of_the_language() {
        let view = network(&["account:2"]).one.view;
        for statement in [
            Statement::of(&view, "WHY").who("a", "email:a@x.de").and_who("b", "device:1"),
            Statement::of(&view, "WHY NOT").who("a", "email:a@x.de").and_who("b", "device:1"),
            Statement::of(&view, "HOW").who("who", "p1"),
            Statement::of(&view, "HISTORY").who("who", "p1"),
            Statement::of(&view, "DIFF").who("who", "p1"),
            Statement::of(&view, "NETWORK").who("who", "p1"),
            Statement::of(&view, "NEAR MERGES").number("LIMIT", Some(3)),
        ] {
            let parsed = Parsed::new(&statement.text, statement.params, Options::default());
            assert!(parsed.is_ok(), "{}: {}", statement.text, parsed.err().unwrap());
        }
    }
}
