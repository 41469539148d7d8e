//! The two ways to a store: its directory, and a server that has it open.

mod changes;
mod values;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kinfold_client::{Client, ClientError, ClientOptions};
use kinfold_engine::read::{Read as _, ViewOptions};
use kinfold_engine::{OpenOptions, Store};
use kinfold_proto::v1;
use kinfold_query::ast::VerbKind;
use kinfold_query::graph::Vocabulary;
use kinfold_query::{Limits, Names, Options, Params, Parsed};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::args::{LimitArgs, ServerArgs, TargetArgs};
use super::failure::Failure;
use super::import::ServerSink;
use super::output::{Answer, Figures};
use crate::grpc::to_proto;
use crate::view;

pub(crate) use changes::SchemaTexts;

/// What one query may take; what is not set is the store's or the server's own to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunLimits {
    timeout: Option<Duration>,
    max_rows: Option<u64>,
    max_expansions: Option<u64>,
    max_memory_bytes: Option<usize>,
}

impl RunLimits {
    /// As the command line says.
    pub(crate) fn of(args: &LimitArgs) -> Self {
        Self {
            timeout: args.timeout.map(Duration::from_secs_f64),
            max_rows: args.max_rows,
            max_expansions: args.max_expansions,
            max_memory_bytes: args.max_memory.map(|mib| usize::try_from(mib << 20).unwrap_or(usize::MAX)),
        }
    }

    fn apply(&self, limits: Limits) -> Limits {
        Limits {
            deadline: self.timeout.or(limits.deadline),
            max_rows: self.max_rows.unwrap_or(limits.max_rows),
            max_expansions: self.max_expansions.unwrap_or(limits.max_expansions),
            max_memory_bytes: self.max_memory_bytes.unwrap_or(limits.max_memory_bytes),
            ..limits
        }
    }
}

/// A query with what it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) text: &'a str,
    pub(crate) params: &'a Params,
    pub(crate) limits: &'a RunLimits,
}

/// Calls a running query off; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    flag: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

impl Interrupt {
    /// Calls off what runs.
    pub(crate) fn raise(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.notify.notify_waiters();
    }

    /// Forgets what was called off; comes before the next query.
    pub(crate) fn reset(&self) {
        self.flag.store(false, Ordering::Relaxed);
    }

    /// Whether what runs was called off.
    pub(crate) fn is_raised(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    async fn raised(&self) {
        let notified = self.notify.notified();
        tokio::pin!(notified);
        // Waiting begins before the flag is looked at, so that nothing falls between the two.
        notified.as_mut().enable();
        if !self.is_raised() {
            notified.await;
        }
    }
}

/// Where queries go.
pub(crate) enum Target {
    /// A store's directory, open for reading.
    Store(LocalStore),
    /// A server.
    Server(RemoteServer),
}

/// A store's directory; the state is the one at the moment of opening.
pub(crate) struct LocalStore {
    directory: PathBuf,
    store: Store,
}

/// A connection to a server. Its runtime has a thread of its own, which answers
/// the server's signs of life while nobody asks anything.
pub(crate) struct RemoteServer {
    client: Client,
    runtime: Box<Runtime>,
}

impl Target {
    /// Opens the store, or connects to the server.
    pub(crate) fn open(args: &TargetArgs) -> Result<Self, Failure> {
        match &args.store {
            Some(directory) => LocalStore::open(directory).map(Self::Store),
            None => RemoteServer::open(&args.remote).map(Self::Server),
        }
    }

    /// Runs a query: the answer gets the columns, then row after row. The caller
    /// ends the answer, which may have had rows before an error.
    pub(crate) fn ask(
        &self,
        question: &Question<'_>,
        interrupt: &Interrupt,
        answer: &mut dyn Answer,
    ) -> Result<(), Failure> {
        match self {
            Self::Store(store) => store.ask(question, interrupt, answer),
            Self::Server(server) => server.runtime.block_on(server.ask(question, interrupt, answer)),
        }
    }

    /// What the store holds, counted.
    pub(crate) fn figures(&self) -> Result<Figures, Failure> {
        match self {
            Self::Store(store) => store.figures(),
            Self::Server(server) => server.figures(),
        }
    }

    /// What a check of the whole store says, and whether nothing is wrong.
    pub(crate) fn check(&self) -> Result<(String, bool), Failure> {
        let report = match self {
            Self::Store(store) => kinfold_engine::check(&store.store.snapshot())?,
            Self::Server(server) => {
                let v1::CheckResponse { rows, problem_count, problems, .. } =
                    server.runtime.block_on(server.client.check(v1::CheckRequest::default()))?;
                return Ok((checked(rows, problem_count, &problems), problem_count == 0));
            }
        };
        Ok((report.to_string(), report.is_clean()))
    }

    /// The names that completion offers.
    pub(crate) fn names(&self) -> Result<Names, Failure> {
        match self {
            Self::Store(store) => Ok(Names::of(&store.store.snapshot())),
            Self::Server(server) => {
                let namespaces = server.figures()?.namespaces.into_iter().map(|(name, _)| name);
                Ok(vocabulary(namespaces).into())
            }
        }
    }

    /// Reads what was written since a directory was opened; a server always does.
    pub(crate) fn refresh(&mut self) -> Result<(), Failure> {
        if let Self::Store(store) = self {
            *store = LocalStore::open(&store.directory)?;
        }
        Ok(())
    }

    /// The directory or the address.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Store(store) => store.directory.display().to_string(),
            Self::Server(server) => server.client.url().to_owned(),
        }
    }

    /// The sequence number of the state that a directory was opened at; `None` for a server.
    pub(crate) fn opened_at(&self) -> Option<u64> {
        match self {
            Self::Store(store) => Some(store.store.snapshot().seq().get()),
            Self::Server(_) => None,
        }
    }
}

/// What a check on a server found, as one of a directory tells it.
fn checked(rows: u64, count: u64, problems: &[v1::CheckProblem]) -> String {
    if count == 0 {
        return format!("{rows} rows checked, nothing wrong");
    }
    let mut text = format!("{rows} rows checked, {count} problems:\n");
    for problem in problems {
        text += &format!("  {}: {}\n", problem.table, problem.detail);
    }
    if count > problems.len() as u64 {
        text += &format!("  … and {} more\n", count - problems.len() as u64);
    }
    text
}

/// What the command line shows a server.
fn credentials(args: &ServerArgs) -> Result<ClientOptions, Failure> {
    let read = |what: &str, path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::failed(format!("cannot read the {what} {}: {error}", path.display())))
    };
    let token =
        match &args.token_file {
            Some(path) => Some(String::from_utf8(read("token file", path)?).map_err(|_| {
                Failure::usage(format!("the token file {} is no text in UTF-8", path.display()))
            })?),
            None => std::env::var("KINFOLD_TOKEN").ok(),
        };
    Ok(ClientOptions {
        token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
        ca: args.ca.as_deref().map(|path| read("roots", path)).transpose()?,
        identity: match (&args.client_certificate, &args.client_key) {
            (Some(certificate), Some(key)) => Some((read("certificate", certificate)?, read("key", key)?)),
            _ => None,
        },
        ..ClientOptions::default()
    })
}

/// Says what is wrong with a directory that holds no store, where the engine would only say that there is none.
pub(crate) fn look_at(directory: &Path) -> Result<(), Failure> {
    let shown = directory.display();
    match std::fs::read_dir(directory) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(Failure::failed(format!(
            "`{shown}` is a file; a store is a directory, as `kinfold init` makes it"
        ))),
        // The engine says how to make one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot read the directory `{shown}`: {error}"))),
    }
}

/// Opens a store beside whoever writes to it.
pub(crate) fn open_to_read(directory: &Path) -> Result<Store, Failure> {
    look_at(directory)?;
    Ok(Store::open(directory, OpenOptions { read_only: true, ..OpenOptions::default() })?)
}

impl LocalStore {
    fn open(directory: &Path) -> Result<Self, Failure> {
        Ok(Self { directory: directory.to_owned(), store: open_to_read(directory)? })
    }

    fn ask(
        &self,
        question: &Question<'_>,
        interrupt: &Interrupt,
        answer: &mut dyn Answer,
    ) -> Result<(), Failure> {
        let options = Options {
            limits: question.limits.apply(Limits::default()),
            cancel: Some(Arc::clone(&interrupt.flag)),
            ..Options::default()
        };
        let parsed = Parsed::new(question.text, question.params.clone(), options)?;
        let read = view::reader::<Failure>(&parsed, &self.store.snapshot(), &ViewOptions::default())?;
        let prepared = parsed.prepare(&read)?;
        answer.columns(prepared.columns())?;
        for row in prepared.run() {
            answer.row(&row?)?;
        }
        Ok(())
    }

    fn figures(&self) -> Result<Figures, Failure> {
        let stats = self.store.stats()?;
        Ok(Figures {
            sequence: stats.seq.get(),
            persons: stats.persons,
            households: stats.households,
            namespaces: sorted(stats.identifiers),
            links: stats.links,
            held_back: stats.held_back,
            records: stats.records,
            observations: stats.observations,
            sources: sorted(stats.sources),
            denied: sorted(stats.denied),
            forgotten: sorted(stats.forgotten),
            bytes_on_disk: stats.disk_bytes,
        })
    }
}

impl RemoteServer {
    /// Connects to the server that the command line names.
    pub(crate) fn open(args: &ServerArgs) -> Result<Self, Failure> {
        match &args.server {
            Some(url) => Self::connect(url, &credentials(args)?),
            None => Err(Failure::usage("say where the store is: --store DIR or --server URL")),
        }
    }

    /// Makes calls, and waits for what comes of them.
    pub(crate) fn call<F: Future>(&self, calls: impl FnOnce(Client) -> F) -> F::Output {
        self.runtime.block_on(calls(self.client.clone()))
    }

    /// The server's address.
    pub(crate) fn url(&self) -> &str {
        self.client.url()
    }

    /// Where an import sends its batches; no longer than the connection is kept.
    pub(crate) fn sink(&self) -> ServerSink {
        ServerSink::new(self.client.clone(), self.runtime.handle().clone())
    }

    fn connect(url: &str, credentials: &ClientOptions) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
        let client = runtime.block_on(Client::connect_with(url, credentials))?;
        Ok(Self { client, runtime: Box::new(runtime) })
    }

    async fn ask(
        &self,
        question: &Question<'_>,
        interrupt: &Interrupt,
        answer: &mut dyn Answer,
    ) -> Result<(), Failure> {
        let deadline = question.limits.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        // Whichever of the two comes first drops the call, and the server hears of it.
        tokio::select! {
            outcome = self.rows(question, answer) => outcome,
            () = interrupt.raised() => Err(Failure::failed("the query was cancelled")),
            () = late => {
                let timeout = question.limits.timeout.unwrap_or_default();
                Err(Failure::failed(format!(
                    "the query ran longer than its deadline of {timeout:?}; narrow it, or allow more with --timeout"
                )))
            }
        }
    }

    async fn rows(&self, question: &Question<'_>, answer: &mut dyn Answer) -> Result<(), Failure> {
        let parameters = question.params.iter().map(|(name, value)| match to_proto::parameter(value) {
            Ok(wire) => Ok((name.clone(), wire)),
            Err(error) => Err(Failure::usage(format!("parameter `${name}`: {error}"))),
        });
        let mut rows = self.client.query(question.text, parameters.collect::<Result<_, _>>()?).await?;
        answer.columns(rows.columns())?;
        let mut count = 0;
        while let Some(row) = rows.next_row().await? {
            count += 1;
            if let Some(most) = question.limits.max_rows
                && count > most
            {
                return Err(Failure::failed(format!(
                    "the query has more than {most} rows (limit max_rows); add LIMIT, or allow more with --max-rows"
                )));
            }
            let row: Result<Vec<_>, _> = row.into_iter().map(values::value).collect();
            answer.row(&row.map_err(|what| self.contract(what))?)?;
        }
        Ok(())
    }

    /// An answer that does not follow the contract.
    pub(crate) fn contract(&self, what: impl Into<String>) -> ClientError {
        ClientError::Contract { url: self.client.url().to_owned(), what: what.into() }
    }

    fn figures(&self) -> Result<Figures, Failure> {
        let stats = self.runtime.block_on(self.client.get_stats(v1::GetStatsRequest::default()))?;
        Ok(Figures {
            sequence: stats.sequence,
            persons: stats.persons,
            households: stats.households,
            namespaces: sorted(
                stats.namespaces.into_iter().map(|it| (it.namespace, it.identifiers)).collect(),
            ),
            links: stats.links,
            held_back: stats.held_back_links,
            records: stats.records,
            observations: stats.observations,
            sources: sorted(stats.sources.into_iter().map(|it| (it.source, it.observations)).collect()),
            denied: sorted(stats.denied.into_iter().map(|it| (it.source, it.namespace, it.count)).collect()),
            forgotten: sorted(
                stats.forgotten.into_iter().map(|it| (it.source, it.namespace, it.count)).collect(),
            ),
            bytes_on_disk: stats.bytes_on_disk,
        })
    }
}

/// The names of every store, for one that is behind a server, with its namespaces.
fn vocabulary(namespaces: impl Iterator<Item = String>) -> Vocabulary {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let mut labels = owned(&["Identifier", "Person", "Household"]);
    labels.extend(namespaces);
    Vocabulary {
        labels,
        types: owned(&["LINKED", "IDENTIFIES", "MEMBER_OF"]),
        node_properties: owned(&[
            "id",
            "namespace",
            "value",
            "first_seen",
            "last_seen",
            "degree",
            "shared",
            "size",
            "created_at",
        ]),
        relationship_properties: owned(&[
            "weight",
            "count",
            "first_seen",
            "last_seen",
            "sources",
            "evidence",
            "conducts",
            "held_back_by",
            "since",
        ]),
        procedures: VerbKind::ALL.iter().map(|verb| verb.procedure().to_owned()).collect(),
    }
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use kinfold_engine::schema::Schema;
    use kinfold_query::IdentityGraph;
    use kinfold_query::graph::Graph;

    use super::*;

    /// A server is asked for its namespaces alone, so the rest of the names is written down here as well.
    #[test]
    fn the_names_behind_a_server_are_those_of_a_store() {
        let store = Store::in_memory(Schema::built_in()).unwrap();
        let snapshot = store.snapshot();
        let known = IdentityGraph::new(&snapshot).vocabulary();
        let namespaces = store.stats().unwrap().identifiers.into_iter().map(|(name, _)| name);
        let ours = vocabulary(namespaces);
        let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(set(&ours.labels), set(&known.labels));
        assert_eq!(set(&ours.types), set(&known.types));
        assert_eq!(set(&ours.node_properties), set(&known.node_properties));
        assert_eq!(set(&ours.relationship_properties), set(&known.relationship_properties));
        assert_eq!(set(&ours.procedures), set(&known.procedures));
    }

    #[tokio::test]
    async fn an_interrupt_is_seen_before_and_while_waiting() {
        let interrupt = Interrupt::default();
        let other = interrupt.clone();
        let waiting = tokio::spawn(async move { other.raised().await });
        tokio::task::yield_now().await;
        interrupt.raise();
        waiting.await.unwrap();
        interrupt.raised().await;
        interrupt.reset();
        let none = tokio::time::timeout(Duration::from_millis(20), interrupt.raised()).await;
        assert!(none.is_err());
    }
}
