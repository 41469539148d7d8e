//! What a target does besides answering: acts, schemas, the feed of changes.

use std::path::Path;
use std::time::Duration;

use kinfold_engine::answers::Assertions;
use kinfold_engine::model::Seq;
use kinfold_engine::privacy::Forget;
use kinfold_engine::write::{Act, Authored};
use kinfold_engine::{OpenOptions, Store};
use kinfold_proto::v1;

use super::{LocalStore, RemoteServer, Target, look_at};
use crate::cli::args::TargetArgs;
use crate::cli::failure::Failure;
use crate::grpc::from_proto::View;
use crate::grpc::to_proto;
use crate::random;
use crate::schema_change::{Named, SchemaChange};

/// A schema, and assertions to check under it, by their texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchemaTexts<'a> {
    pub(crate) schema: Named<'a>,
    pub(crate) assertions: Option<Named<'a>>,
}

/// How many lines of assertions a call takes along.
const LINES: usize = 1_000;

/// How many events are read at once.
const EVENTS: usize = 256;

/// How often a directory is looked at for more, which opens it anew.
const AGAIN: Duration = Duration::from_secs(1);

impl Target {
    /// Opens the store to write to it, or connects to the server.
    pub(crate) fn open_to_write(args: &TargetArgs) -> Result<Self, Failure> {
        let Some(directory) = &args.store else { return Self::open(args) };
        look_at(directory)?;
        let store = Store::open(directory, OpenOptions::default())?;
        Ok(Self::Store(LocalStore { directory: directory.clone(), store }))
    }

    /// Lets go of a store that was opened to write to it: what was written goes
    /// from the log to sorted files.
    pub(crate) fn close(self) -> Result<(), Failure> {
        match self {
            Self::Store(local) => local.store.close().map_err(|error| {
                Failure::failed(format!("it is done, but the store does not close: {error}"))
            }),
            Self::Server(_) => Ok(()),
        }
    }

    /// Does something in somebody's name.
    pub(crate) fn act(&self, act: &Act, by: Authored) -> Result<v1::ActReceipt, Failure> {
        match self {
            Self::Store(local) => {
                let receipt = local.store.act(act, by)?;
                Ok(to_proto::act_receipt(&local.store.snapshot(), &receipt, usize::MAX)?)
            }
            Self::Server(server) => server.runtime.block_on(server.act(act, by)),
        }
    }

    /// Has identifiers forgotten; with `dry_run` nothing is written, and what would be erased is told.
    pub(crate) fn forget(
        &self,
        forget: &Forget,
        by: Authored,
        dry_run: bool,
    ) -> Result<v1::ForgetResponse, Failure> {
        let server = match self {
            Self::Store(local) if dry_run => {
                return Ok(to_proto::forget_plan(local.store.plan_forget(forget)?));
            }
            Self::Store(local) => {
                let report = local.store.forget(None, forget, by)?;
                return Ok(to_proto::forget_report(&local.store.snapshot(), report, usize::MAX)?);
            }
            Self::Server(server) => server,
        };
        use v1::forget_request::Whom;
        let whom = match forget {
            Forget::Identifiers(all) => Whom::Identifiers(v1::ForgottenIdentifiers {
                identifiers: all.iter().map(to_proto::identifier).collect(),
            }),
            Forget::PersonOf(identifier) => Whom::PersonOf(to_proto::identifier(identifier)),
            Forget::Person(id) => Whom::PersonId(id.to_string()),
        };
        let Authored { author, reason } = by;
        let request_id = if dry_run { String::new() } else { new_request_id()? };
        let request = v1::ForgetRequest { whom: Some(whom), author, reason, request_id, dry_run };
        Ok(server.call(|client| async move { client.forget(request).await })?)
    }

    /// What becomes of assertions, which stand in `text`.
    pub(crate) fn assert(
        &self,
        assertions: &Assertions,
        text: &str,
    ) -> Result<Vec<v1::AssertionVerdict>, Failure> {
        let server = match self {
            Self::Store(local) => {
                let verdicts = assertions.check(&local.store.snapshot())?;
                return Ok(verdicts.iter().map(to_proto::verdict).collect());
            }
            Self::Server(server) => server,
        };
        let mut verdicts = Vec::with_capacity(assertions.len());
        // The first answer says which state it is of; the others are asked for the same one.
        let mut options = None;
        let lines: Vec<&str> = text.lines().collect();
        for (at, lines) in lines.chunks(LINES).enumerate() {
            let request = v1::AssertRequest { assertions: lines.join("\n"), options: options.clone() };
            let answer = server.call(|client| async move { client.assert(request).await })?;
            verdicts.extend(
                answer.verdicts.into_iter().map(|verdict| v1::AssertionVerdict {
                    line: verdict.line + (at * LINES) as u64,
                    ..verdict
                }),
            );
            options.get_or_insert(v1::ReadOptions {
                as_of: Some(v1::read_options::AsOf::AsOfSequence(answer.sequence)),
                ..v1::ReadOptions::default()
            });
        }
        Ok(verdicts)
    }

    /// Resolves the whole store again; gives what changed.
    pub(crate) fn rebuild(&self) -> Result<v1::SchemaPlan, Failure> {
        match self {
            Self::Store(local) => {
                let plan = local.store.rebuild()?;
                Ok(to_proto::schema_plan(&local.store.snapshot(), &plan, usize::MAX)?)
            }
            Self::Server(server) => {
                let answer =
                    server.call(|client| async move { client.rebuild(v1::RebuildRequest::default()).await });
                Ok(answer?.plan.ok_or_else(|| server.contract("no plan"))?)
            }
        }
    }

    /// Copies a store's directory to another; gives the write up to which the copy has everything.
    pub(crate) fn backup_to(&self, to: &Path) -> Result<u64, Failure> {
        match self {
            Self::Store(local) => Ok(local.store.backup(to)?.get()),
            Self::Server(_) => Err(Failure::usage("a server makes its copies itself: give each a --name")),
        }
    }

    /// Has a server make a copy of its store under a name, likewise.
    pub(crate) fn backup_as(&self, name: &str) -> Result<u64, Failure> {
        match self {
            Self::Store(_) => Err(Failure::usage("say with --to where the copy goes")),
            Self::Server(server) => {
                let request = v1::BackupRequest { name: name.to_owned() };
                Ok(server.call(|client| async move { client.backup(request).await })?.sequence)
            }
        }
    }

    /// Rewrites the store's files; gives how many bytes they took before and take now.
    pub(crate) fn compact(&self) -> Result<(u64, u64), Failure> {
        match self {
            Self::Store(local) => Ok(local.store.compact()?),
            Self::Server(server) => {
                let request = v1::CompactRequest::default();
                let done = server.call(|client| async move { client.compact(request).await })?;
                Ok((done.bytes_before, done.bytes_after))
            }
        }
    }

    /// The schema's text.
    pub(crate) fn schema(&self) -> Result<String, Failure> {
        use kinfold_engine::read::Read as _;
        match self {
            Self::Store(local) => Ok(local.store.snapshot().schema().text().to_owned()),
            Self::Server(RemoteServer { client, runtime }) => {
                Ok(runtime.block_on(client.get_schema(v1::GetSchemaRequest::default()))?.schema)
            }
        }
    }

    /// What a schema would change; nothing is written.
    pub(crate) fn plan_schema(&self, texts: &SchemaTexts<'_>) -> Result<v1::PlanSchemaResponse, Failure> {
        match self {
            Self::Store(local) => {
                let change = SchemaChange::parse(texts.schema, texts.assertions)?;
                Ok(change.plan(&local.store, usize::MAX)?)
            }
            Self::Server(RemoteServer { client, runtime }) => {
                // What is wrong in a file is told with its name, which a server does not know.
                SchemaChange::parse(texts.schema, texts.assertions)?;
                Ok(runtime.block_on(client.plan_schema(v1::PlanSchemaRequest {
                    schema: texts.schema.text.to_owned(),
                    assertions: texts.assertions.map(|it| it.text.to_owned()).unwrap_or_default(),
                }))?)
            }
        }
    }

    /// Puts a schema in force.
    pub(crate) fn apply_schema(
        &self,
        texts: &SchemaTexts<'_>,
        by: Authored,
        go_on: bool,
    ) -> Result<v1::ApplySchemaResponse, Failure> {
        let change = SchemaChange::parse(texts.schema, texts.assertions)?;
        match self {
            Self::Store(local) => Ok(change.apply(&local.store, by, go_on, usize::MAX)?),
            Self::Server(RemoteServer { client, runtime }) => {
                Ok(runtime.block_on(client.apply_schema(v1::ApplySchemaRequest {
                    schema: texts.schema.text.to_owned(),
                    assertions: texts.assertions.map(|it| it.text.to_owned()).unwrap_or_default(),
                    go_on,
                    author: by.author,
                    reason: by.reason,
                }))?)
            }
        }
    }

    /// Hands the changes from a position on to `take`, some at a time, until there
    /// are no more for now; with `follow`, until `take` or a read fails.
    pub(crate) fn watch(
        self,
        from: v1::WatchPosition,
        follow: bool,
        take: &mut dyn FnMut(&[v1::Event]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::Store(local) => local.watch(from, follow, take),
            Self::Server(RemoteServer { client, runtime }) => runtime.block_on(async {
                let mut feed = client.watch(from).await?;
                loop {
                    let message = feed.next().await?;
                    if !message.events.is_empty() {
                        take(&message.events)?;
                    } else if !follow {
                        return Ok(());
                    }
                }
            }),
        }
    }
}

/// The `request_id` of an act by hand. With one an act whose answer got lost is
/// sent again by the client, and done once.
fn new_request_id() -> Result<String, Failure> {
    let digits = random::digits::<16>().map_err(|error| Failure::failed(error.to_string()))?;
    Ok(format!("hand-{digits}"))
}

impl RemoteServer {
    async fn act(&self, act: &Act, by: Authored) -> Result<v1::ActReceipt, Failure> {
        use v1::retraction::What;
        let client = &self.client;
        let Authored { author, reason } = by;
        let request_id = new_request_id()?;
        let pair = |a, b| (Some(to_proto::identifier(a)), Some(to_proto::identifier(b)));
        let what = match act {
            Act::Forbid(a, b) => {
                let (a, b) = pair(a, b);
                let request = v1::ForbidRequest { a, b, author, reason, request_id };
                return self.receipt(client.forbid(request).await?.receipt);
            }
            Act::Require(a, b) => {
                let (a, b) = pair(a, b);
                let request = v1::RequireRequest { a, b, author, reason, request_id };
                return self.receipt(client.require(request).await?.receipt);
            }
            Act::Release(a, b) => {
                let (a, b) = pair(a, b);
                let request = v1::ReleaseRequest { a, b, author, reason, request_id };
                return self.receipt(client.release(request).await?.receipt);
            }
            Act::Readmit(identifier) => {
                let identifier = Some(to_proto::identifier(identifier));
                let request = v1::ReadmitRequest { identifier, author, reason, request_id };
                return self.receipt(client.readmit(request).await?.receipt);
            }
            Act::RetractLink { source, a, b } => {
                let (a, b) = pair(a, b);
                What::Link(v1::RetractedLink { source: source.clone(), a, b })
            }
            Act::RetractRecord { source, record_id } => {
                What::Record(v1::RetractedRecord { source: source.clone(), record_id: record_id.clone() })
            }
            Act::RetractSource { source } => What::Source(source.clone()),
        };
        let what = Some(v1::Retraction { what: Some(what) });
        let request = v1::RetractRequest { what, author, reason, request_id };
        self.receipt(client.retract(request).await?.receipt)
    }

    fn receipt(&self, receipt: Option<v1::ActReceipt>) -> Result<v1::ActReceipt, Failure> {
        Ok(receipt.ok_or_else(|| self.contract("no receipt"))?)
    }
}

impl LocalStore {
    fn watch(
        mut self,
        from: v1::WatchPosition,
        follow: bool,
        take: &mut dyn FnMut(&[v1::Event]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut place = (Seq::new(from.sequence), from.index);
        loop {
            let read = self.store.snapshot();
            let mut watch = self.store.watch_at(place.0, place.1);
            loop {
                let events = watch.next(EVENTS, Duration::ZERO)?;
                if events.is_empty() {
                    break;
                }
                let wire: Vec<v1::Event> = events
                    .iter()
                    .map(|event| to_proto::event(&read, event, View::Full))
                    .collect::<Result<_, _>>()?;
                take(&wire)?;
            }
            place = watch.place();
            if !follow {
                return Ok(());
            }
            std::thread::sleep(AGAIN);
            self = Self::open(&self.directory)?;
        }
    }
}
