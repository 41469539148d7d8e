//! What the command line takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, value_parser};

use super::acts::{ForbidArgs, ReleaseArgs, RequireArgs, RetractArgs};
use super::assertions::AssertArgs;
use super::evaluate::EvaluateArgs;
use super::explain::{DiffArgs, HistoryArgs, HowArgs, NearMergesArgs, NetworkArgs, WhyArgs, WhyNotArgs};
use super::forget::{ForgetArgs, ReadmitArgs};
use super::generate::GenerateArgs;
use super::guards::Guard;
use super::import::ImportArgs;
use super::output::Format;
use super::rebuild::RebuildArgs;
use super::schema::SchemaArgs;
use super::upkeep::{BackupArgs, CompactArgs};
use super::watch::WatchArgs;

/// A graph-based identity store: who is who, and why
#[derive(Debug, Parser)]
#[command(
    name = "kinfold",
    version,
    arg_required_else_help = true,
    propagate_version = true,
    after_help = "\
First steps:
  kinfold generate --persons 1000 --out demo
  kinfold init --store ./store --schema demo/schema.toml
  kinfold import --store ./store --mapping demo/mapping.toml demo/records.csv demo/links.csv
  kinfold shell --store ./store

Each command tells more: kinfold query --help"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(InitArgs),
    Import(ImportArgs),
    Query(QueryArgs),
    Shell(ShellArgs),
    Why(WhyArgs),
    WhyNot(WhyNotArgs),
    How(HowArgs),
    History(HistoryArgs),
    Network(NetworkArgs),
    Diff(DiffArgs),
    NearMerges(NearMergesArgs),
    Watch(WatchArgs),
    Forbid(ForbidArgs),
    Require(RequireArgs),
    Release(ReleaseArgs),
    Retract(RetractArgs),
    Forget(ForgetArgs),
    Readmit(ReadmitArgs),
    Schema(SchemaArgs),
    Assert(AssertArgs),
    Serve(ServeArgs),
    Token(TokenArgs),
    Stats(StatsArgs),
    Check(CheckArgs),
    Evaluate(EvaluateArgs),
    Rebuild(RebuildArgs),
    Backup(BackupArgs),
    Compact(CompactArgs),
    Generate(GenerateArgs),
}

/// Make a store
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold init --store ./store
  kinfold init --print-schema > schema.toml
  kinfold init --store ./store --schema schema.toml
  kinfold init --store ./plain --schema schema.toml --without all

The schema says which namespaces of identifiers there are, how their values are
brought into one spelling, and what makes identifiers one person. It is kept in
the store. --without leaves out its guards against over-merging, to see with
`kinfold evaluate` what they do.")]
pub(crate) struct InitArgs {
    /// The directory to make the store in; it is made if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "print_schema")]
    pub(crate) store: Option<PathBuf>,
    /// The schema [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
    /// Leave out guards of the schema, to compare with; several with commas between
    #[arg(long, value_enum, value_name = "GUARD", value_delimiter = ',', conflicts_with = "print_schema")]
    pub(crate) without: Vec<Guard>,
    /// Print the built-in schema, to start your own from
    #[arg(long, conflicts_with_all = ["store", "schema"])]
    pub(crate) print_schema: bool,
}

/// A store in a directory, or a server that has one.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("where").required(true).multiple(false).args(["store", "server"]))]
pub(crate) struct TargetArgs {
    /// The store's directory; commands that only read may run beside whoever writes to it
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: ServerArgs,
}

/// A server, and what it is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The server's address, as http://127.0.0.1:7437; https where it has TLS
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The file that holds the token for the server [default: the variable KINFOLD_TOKEN, if it is set]
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) token_file: Option<PathBuf>,
    /// The roots that the server's certificate must lead to, PEM [default: the system's]
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) ca: Option<PathBuf>,
    /// The client's own certificate, PEM, for a server that asks for one
    #[arg(long, value_name = "FILE", requires = "server", requires = "client_key")]
    pub(crate) client_certificate: Option<PathBuf>,
    /// The key of the client's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "server", requires = "client_certificate")]
    pub(crate) client_key: Option<PathBuf>,
}

/// What one query may take.
#[derive(Debug, Clone, Args)]
pub(crate) struct LimitArgs {
    /// How long a query may run, in seconds [default: 30; a server's own limit holds as well]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<f64>,
    /// How many rows a query may return; more are an error
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) max_rows: Option<u64>,
    /// How many nodes and relationships a query may take from the graph (with --store)
    #[arg(long, value_name = "N", conflicts_with = "server", value_parser = value_parser!(u64).range(1..))]
    pub(crate) max_expansions: Option<u64>,
    /// How many MiB a query may hold in collected, sorted and grouped values (with --store)
    #[arg(long, value_name = "MIB", conflicts_with = "server", value_parser = value_parser!(u64).range(1..=1 << 20))]
    pub(crate) max_memory: Option<u64>,
}

/// Run one query and print its rows
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold query --store ./store \"PROFILE email:'ann@example.com'\"
  kinfold query --store ./store --param id=email:ann@example.com --format json \\
      'MATCH (i:Identifier {id: $id})-[:IDENTIFIES]->(p) RETURN p.id'
  kinfold query --server http://127.0.0.1:7437 - < query.txt

A parameter's value is what it is as JSON if it is JSON, and else a text:
n=5 is a number, 'n=\"5\"' a text, 'ids=[\"a\", \"b\"]' a list, id=email:a@b.c a text.

json is one object a row (JSON Lines). Times are RFC 3339 and lengths of time
ISO 8601 strings; a node is {\"id\", \"labels\", \"properties\"}, a relationship
{\"end\", \"properties\", \"start\", \"type\"}, a path {\"nodes\", \"relationships\"}.
csv has a header; null is an empty field; lists, maps, nodes, relationships and
paths are JSON in it. dot is a graph for Graphviz, of the nodes, relationships and
paths that the query returns:
  kinfold query --store ./store --param id=email:ann@example.com --format dot \\
      'MATCH p = (i {id: $id})-[:LINKED*..2]-() RETURN p' | dot -Tsvg > ann.svg

The exit status is 0, 1 if the query failed, 2 if its text is wrong.")]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How the rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// The value of a parameter, named without its $; once for each
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// The query; `-` reads it from standard input
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
}

/// Ask one query after another
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold shell --store ./store
  kinfold shell --server http://127.0.0.1:7437 < queries.txt

A query ends with a semicolon. Tab completes, \\help says what else there is.
Queries can name people: the history is a file that only you can read
($XDG_STATE_HOME/kinfold/history or ~/.local/state/kinfold/history), and
--no-history keeps none.

When standard input is no terminal, the queries are read from it, and the first
that fails ends the shell with status 1.")]
pub(crate) struct ShellArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How rows are printed; \format changes it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// The value of a parameter, named without its $; once for each
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Keep no history
    #[arg(long)]
    pub(crate) no_history: bool,
    /// Go on behind a query that fails; the status is 1 at the end all the same
    #[arg(long)]
    pub(crate) keep_going: bool,
}

/// Serve a store over gRPC
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold serve --store ./store
  kinfold serve --store ./store --listen 127.0.0.1:0 --admin 127.0.0.1:7438
  kinfold serve --config kinfold.toml --print-config
  kinfold serve --store ./store --listen 0.0.0.0:7437 \\
      --tls-certificate server.pem --tls-key server.key --tokens tokens.toml

It prints `listening on http://ADDRESS` (https with TLS) on standard output once it
takes calls (with port 0 the system chooses the port), and logs to standard error
as KINFOLD_LOG or RUST_LOG says (`debug`, `kinfold_server=trace`; `info` unless set).
Interrupt or terminate it to end it: what is under way finishes first.

Settings come from the file, then from the environment (KINFOLD_SERVE_LISTEN for
`listen`), then from here; the later counts. --print-config prints all of them, with
what each is and where it comes from, and serves nothing.

Without both TLS and tokens it listens on this machine's own addresses alone,
unless --insecure-public is given. `kinfold token` makes a token.")]
pub(crate) struct ServeArgs {
    /// The store's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// The file of settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The address and port to listen on; a port alone is one of 127.0.0.1 [default: 127.0.0.1:7437]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// The address and port for metrics and health over HTTP
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) admin: Option<SocketAddr>,
    /// The server's certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The roots of certificates that clients must bring, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// The file of tokens
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: Option<PathBuf>,
    /// Listen where other machines can reach it: whoever does reads and writes everything
    #[arg(long)]
    pub(crate) insecure_public: bool,
    /// The collector of OpenTelemetry that spans are sent to, as http://127.0.0.1:4317
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Another setting, as max_queries=32; once for each
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Print all settings, and serve nothing
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// Make a token for a server's file of tokens
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold token --name shop --role read --hide email >> tokens.toml

The token itself is printed once, on standard error; the entry for the file, which
holds its hash alone, on standard output.")]
pub(crate) struct TokenArgs {
    /// What logs call whoever brings it
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What it may do: read, write as well, or admin: everything
    #[arg(long, value_name = "ROLE", value_parser = ["read", "write", "admin"])]
    pub(crate) role: String,
    /// A namespace whose values it may not see; once for each
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) hide: Vec<String>,
    /// When it ends, as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
}

/// Print what a store holds, counted
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold stats --store ./store
  kinfold stats --server http://127.0.0.1:7437 --format json")]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How the figures are printed
    #[arg(long, value_enum, default_value_t = StatsFormat::Table)]
    pub(crate) format: StatsFormat,
}

/// How figures are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StatsFormat {
    /// A line a figure
    Table,
    /// One JSON object
    Json,
}

/// Check a store: every table against every other, and who is who against a fresh resolution
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold check --store ./store
  kinfold check --server http://127.0.0.1:7437

It writes nothing, and with --store may run beside a server. It needs about 100
bytes of memory for each identifier and 80 for each link, here or on the server.
The exit status is 0 if nothing is wrong, 1 if something is.")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Seconds, above 0 and at most a year.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 31_536_000.0 => Ok(seconds),
        _ => Err("expected seconds above 0, as in 2.5".to_owned()),
    }
}

/// `NAME=VALUE`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.to_owned())),
        None => Err("expected NAME=VALUE, as in max_queries=32".to_owned()),
    }
}

/// `ADDRESS:PORT`, `localhost:PORT`, or a port alone.
fn address(text: &str) -> Result<SocketAddr, String> {
    crate::settings::address(text).map_err(|expected| format!("expected {expected}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let line = format!("  kinfold {} ", command.get_name());
            assert!(help.starts_with("Example") && help.contains(&line), "{}", command.get_name());
        }
    }

    #[test]
    fn addresses_and_seconds() {
        for (text, expected) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("localhost:80", "127.0.0.1:80"),
            ("7000", "127.0.0.1:7000"),
            ("[::1]:7000", "[::1]:7000"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        for text in ["", "host", "127.0.0.1", "127.0.0.1:99999", "::1", "http://127.0.0.1:1"] {
            assert!(address(text).is_err(), "{text}");
        }
        assert_eq!(seconds("2.5"), Ok(2.5));
        for text in ["0", "-1", "nan", "inf", "1e99", "x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
