//! The driver: chunks go to the store, several at a time, and what became of
//! each is counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, Sender, channel};

use kinfold_engine::model::Observation;
use kinfold_engine::write::{Batch, Receipt, RejectReason, Rejection};

use super::chunk::{Chunk, ChunkRow, Read, RowFault, next_chunk};
use super::mapper::Mapper;
use super::mapping::OnInvalid;
use super::open::{OpenError, RowReader};
use super::raw::RawRow;
use super::rejects::{RejectsError, RejectsFile};
use super::rows::{Content, Fault, FaultKind};
use super::sink::{Sink, SinkError};
use super::summary::ImportSummary;

/// How many chunks may be on their way at once, so that the store can share a sync among them.
const IN_FLIGHT: usize = 64;
/// How many bytes of rows may be on their way at once.
const BYTES_IN_FLIGHT: usize = 64 << 20;
/// How often the rejected rows of a chunk are offered again, each time under a new request id.
pub(super) const MAX_ROUNDS: u32 = 100;

/// Why an import stopped. What was written before stays; the same command
/// again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file could not be read to its end.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store did not take a chunk.
    #[error("the store did not take the rows from {file}:{line} on: {error}")]
    Sink {
        /// The file.
        file: String,
        /// The line of the first row that may not be in the store, from 1.
        line: u64,
        /// What the store says.
        error: SinkError,
    },
    /// The rejected rows could not be written down.
    #[error(transparent)]
    Rejects(#[from] RejectsError),
}

/// Imports the rows of one file; every chunk of it has been answered when this returns.
pub(super) fn import_rows<S: Sink + ?Sized>(
    file: &str,
    reader: &mut RowReader<'_>,
    on_invalid: OnInvalid,
    sink: &mut S,
    rejects: &mut RejectsFile,
    summary: &mut ImportSummary,
    mut tell: impl FnMut(&ImportSummary),
) -> Result<(), RunError> {
    let (sender, receiver) = channel();
    let mut driver = Driver {
        file,
        on_invalid,
        sink,
        rejects,
        summary,
        sender,
        receiver,
        on_their_way: HashMap::new(),
        next_ticket: 0,
        bytes: 0,
        finished: BTreeMap::new(),
        to_report: 0,
    };
    let outcome = driver.run(reader, &mut tell);
    // After a failure, what is on its way still lands or not; it is counted,
    // and a second failure says no more than the first.
    while !driver.on_their_way.is_empty() {
        let _ = driver.receive(None);
    }
    tell(driver.summary);
    outcome
}

/// The answer to the batch with this ticket.
struct Answer {
    ticket: u64,
    result: Result<Receipt, SinkError>,
}

/// Sends an answer once; that there is none, if it is dropped without being asked to.
struct Promise {
    ticket: u64,
    sender: Option<Sender<Answer>>,
}

impl Promise {
    fn keep(mut self, result: Result<Receipt, SinkError>) {
        self.send(result);
    }

    fn send(&mut self, result: Result<Receipt, SinkError>) {
        if let Some(sender) = self.sender.take() {
            // An import that has ended needs no answer.
            let _ = sender.send(Answer { ticket: self.ticket, result });
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.send(Err(SinkError::NoAnswer));
    }
}

/// A row to be written.
#[derive(Clone, Debug)]
struct Pending {
    /// Its place in the chunk.
    row: usize,
    /// Which identifiers are left out of it, one after another, each by its
    /// place among those still there.
    left_out: Vec<usize>,
}

/// A chunk whose answer is awaited.
struct Flight {
    chunk: Chunk,
    /// How many batches of this chunk went before, in this run and earlier ones.
    round: u32,
    pending: Vec<Pending>,
}

struct Driver<'d, S: ?Sized> {
    file: &'d str,
    on_invalid: OnInvalid,
    sink: &'d mut S,
    rejects: &'d mut RejectsFile,
    summary: &'d mut ImportSummary,
    sender: Sender<Answer>,
    receiver: Receiver<Answer>,
    on_their_way: HashMap<u64, Flight>,
    next_ticket: u64,
    bytes: usize,
    /// Chunks that are done but wait for an earlier one, so that rejects are reported in the file's order.
    finished: BTreeMap<u64, Vec<ChunkRow>>,
    /// The chunk whose rejects are reported next.
    to_report: u64,
}

impl<S: Sink + ?Sized> Driver<'_, S> {
    fn run(
        &mut self,
        reader: &mut RowReader<'_>,
        tell: &mut impl FnMut(&ImportSummary),
    ) -> Result<(), RunError> {
        let mut ordinal = 0;
        while let Some(Read { chunk, observations }) = next_chunk(reader, ordinal)? {
            ordinal += 1;
            self.summary.rows += chunk.rows.len() as u64;
            self.summary.filtered += chunk.filtered;
            while self.on_their_way.len() >= IN_FLIGHT || self.bytes >= BYTES_IN_FLIGHT {
                self.receive(Some(reader.mapper()))?;
            }
            let (rows, observations): (Vec<usize>, Vec<Observation>) = observations.into_iter().unzip();
            let pending = rows.into_iter().map(|row| Pending { row, left_out: Vec::new() }).collect();
            self.bytes += chunk.bytes;
            self.send(Flight { chunk, round: 0, pending }, observations)?;
            tell(self.summary);
        }
        while !self.on_their_way.is_empty() {
            self.receive(Some(reader.mapper()))?;
            tell(self.summary);
        }
        Ok(())
    }

    /// Sends what of a chunk the store has not taken yet. `observations` are
    /// those of `flight.pending`, in the same order.
    fn send(&mut self, mut flight: Flight, mut observations: Vec<Observation>) -> Result<(), RunError> {
        let request_id = loop {
            if flight.pending.is_empty() {
                return self.finish(flight.chunk);
            }
            if flight.round > MAX_ROUNDS {
                return self.refuse(flight);
            }
            let request_id = request_id(&flight.chunk.id, flight.round);
            if flight.round == 0 && self.sink.asks_by_sending() {
                break request_id;
            }
            let applied = self.sink.applied(&request_id).map_err(|error| self.failure(&flight, error))?;
            let Some(rejected) = applied else { break request_id };
            let given = flight.pending.len();
            let kept = self.still_to_write(&flight, rejected)?;
            let is_kept = |place: usize| kept.get(place).copied().unwrap_or_default();
            flight.pending = keep(flight.pending, is_kept);
            observations = keep(observations, is_kept);
            self.summary.unchanged += (given - flight.pending.len()) as u64;
            flight.round += 1;
        };
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let promise = Promise { ticket, sender: Some(self.sender.clone()) };
        let batch = Batch { request_id: Some(request_id), observations };
        self.on_their_way.insert(ticket, flight);
        self.sink.submit(batch, Box::new(move |result| promise.keep(result)));
        Ok(())
    }

    /// Which of the rows of a batch that was applied before were rejected then, and are offered again.
    fn still_to_write(&self, flight: &Flight, rejected: Vec<u32>) -> Result<Vec<bool>, RunError> {
        let given = flight.pending.len();
        let mut kept = vec![false; given];
        for index in rejected {
            match kept.get_mut(index as usize) {
                Some(place) => *place = true,
                None => {
                    let request_id = request_id(&flight.chunk.id, flight.round);
                    return Err(self.failure(flight, SinkError::Inconsistent { request_id, index, given }));
                }
            }
        }
        Ok(kept)
    }

    /// Goes on with the rows that the store rejected when an earlier import sent
    /// them: they are offered again, since the schema may be another now.
    fn resume(
        &mut self,
        mut flight: Flight,
        rejected: Vec<Rejection>,
        mapper: &mut Mapper<'_>,
    ) -> Result<(), RunError> {
        let kept = self.still_to_write(&flight, rejected.into_iter().map(|it| it.index).collect())?;
        flight.pending = keep(flight.pending, |place| kept.get(place).copied().unwrap_or_default());
        let mut observations = Vec::with_capacity(flight.pending.len());
        for Pending { row, left_out } in &flight.pending {
            let read = flight.chunk.rows.get(*row).and_then(|row| rebuild(mapper, row, left_out));
            // It was read once already, and a row is always read alike.
            observations.extend(read.map(|read| read.observation));
        }
        flight.round += 1;
        self.send(flight, observations)
    }

    /// Waits for one answer. Without a mapper nothing more is sent.
    fn receive(&mut self, mapper: Option<&mut Mapper<'_>>) -> Result<(), RunError> {
        // The driver holds a sender itself and every promise is kept, so there is always an answer to come.
        let Ok(Answer { ticket, result }) = self.receiver.recv() else { return Ok(()) };
        let Some(flight) = self.on_their_way.remove(&ticket) else { return Ok(()) };
        let receipt = match result {
            Ok(receipt) => receipt,
            Err(error) => return Err(self.failure(&flight, error)),
        };
        if receipt.replayed {
            self.summary.unchanged += u64::from(receipt.accepted);
        } else {
            self.summary.written += u64::from(receipt.accepted);
            self.summary.denied += u64::from(receipt.denied);
            self.summary.forgotten += u64::from(receipt.forgotten);
            self.summary.held_back += u64::from(receipt.held_back);
        }
        match mapper {
            None => {
                self.bytes = self.bytes.saturating_sub(flight.chunk.bytes);
                Ok(())
            }
            Some(mapper) if receipt.replayed => self.resume(flight, receipt.rejected, mapper),
            Some(mapper) => self.settle(flight, receipt.rejected, mapper),
        }
    }

    /// Goes on with the rows that the store rejected: without the identifier
    /// at fault, if the mapping says so.
    fn settle(
        &mut self,
        mut flight: Flight,
        rejected: Vec<Rejection>,
        mapper: &mut Mapper<'_>,
    ) -> Result<(), RunError> {
        let mut again = Vec::new();
        let mut observations = Vec::new();
        for rejection in rejected {
            let Some(pending) = flight.pending.get(rejection.index as usize) else {
                let request_id = request_id(&flight.chunk.id, flight.round);
                let (index, given) = (rejection.index, flight.pending.len());
                return Err(self.failure(&flight, SinkError::Inconsistent { request_id, index, given }));
            };
            let Pending { row, mut left_out } = pending.clone();
            let Some(chunk_row) = flight.chunk.rows.get_mut(row) else { continue };
            let shown = rebuild(mapper, chunk_row, &left_out);
            let column = shown.as_ref().and_then(|shown| shown.column_of(&rejection.field, mapper));
            let fault = Fault::new(FaultKind::Store(rejection.reason.code()), column, rejection.message);
            let at_fault = identifier_at_fault(&rejection.field, rejection.reason);
            let retry = match (self.on_invalid, at_fault) {
                (OnInvalid::Skip, Some(index)) => {
                    left_out.push(index);
                    rebuild(mapper, chunk_row, &left_out).filter(|r| !r.observation.identifiers.is_empty())
                }
                _ => None,
            };
            chunk_row.faults.push(RowFault { fault, left_out: retry.is_some() });
            if let Some(retry) = retry {
                again.push(Pending { row, left_out });
                observations.push(retry.observation);
            }
        }
        flight.pending = again;
        flight.round += 1;
        self.send(flight, observations)
    }

    /// Reports rows that the store rejected in every one of many imports.
    fn refuse(&mut self, mut flight: Flight) -> Result<(), RunError> {
        for pending in &flight.pending {
            if let Some(row) = flight.chunk.rows.get_mut(pending.row) {
                let reason = format!(
                    "the store rejected this row in {MAX_ROUNDS} imports; it is not offered again until the row or the mapping changes"
                );
                let fault = Fault::new(FaultKind::Store("REJECTED_TOO_OFTEN"), None, reason);
                row.faults.push(RowFault { fault, left_out: false });
            }
        }
        self.finish(flight.chunk)
    }

    /// Takes note that nothing more is to be done for a chunk.
    fn finish(&mut self, chunk: Chunk) -> Result<(), RunError> {
        self.bytes = self.bytes.saturating_sub(chunk.bytes);
        let mut rows = chunk.rows;
        rows.retain(|row| !row.faults.is_empty());
        self.finished.insert(chunk.ordinal, rows);
        while let Some(rows) = self.finished.remove(&self.to_report) {
            self.to_report += 1;
            for row in rows {
                self.report(row)?;
            }
        }
        Ok(())
    }

    fn report(&mut self, row: ChunkRow) -> Result<(), RejectsError> {
        // A row that is rejected in the end was not imported without a value.
        let rejected = row.faults.iter().any(|f| !f.left_out);
        self.summary.rejected += u64::from(rejected);
        for RowFault { fault, left_out } in row.faults {
            if left_out && rejected {
                continue;
            }
            self.summary.left_out += u64::from(left_out);
            let reasons =
                if left_out { &mut self.summary.left_out_reasons } else { &mut self.summary.reject_reasons };
            *reasons.entry((fault.kind.to_string(), fault.column.clone())).or_default() += 1;
            let reason = match left_out {
                true => format!("imported without this value: {}", fault.reason),
                false => fault.reason,
            };
            self.rejects.add(self.file, row.line, fault.column.as_deref(), &reason, &row.raw)?;
        }
        Ok(())
    }

    fn failure(&self, flight: &Flight, error: SinkError) -> RunError {
        let line = flight.chunk.rows.first().map_or(1, |row| row.line);
        RunError::Sink { file: self.file.to_owned(), line, error }
    }
}

/// The name of a chunk's batch in a round: the chunk's id, and after the first
/// round the round's number.
fn request_id(chunk: &str, round: u32) -> String {
    match round {
        0 => chunk.to_owned(),
        round => format!("{chunk}+{round}"),
    }
}

fn keep<T>(items: Vec<T>, is_kept: impl Fn(usize) -> bool) -> Vec<T> {
    items.into_iter().enumerate().filter(|(place, _)| is_kept(*place)).map(|(_, item)| item).collect()
}

/// Which identifier a rejection blames, if the rest of the observation may be
/// all right. A namespace that is not declared is a matter of the schema, not of the row.
fn identifier_at_fault(field: &str, reason: RejectReason) -> Option<usize> {
    match reason {
        RejectReason::InvalidValue | RejectReason::TooMuch => identifier_in(field),
        RejectReason::Missing
        | RejectReason::OutOfRange
        | RejectReason::UndeclaredNamespace
        | RejectReason::Full => None,
    }
}

/// The number in `identifiers[1].value`.
fn identifier_in(field: &str) -> Option<usize> {
    field.strip_prefix("identifiers[")?.split_once(']')?.0.parse().ok()
}

/// An observation made once more of its row, with where its identifiers come from.
struct Rebuilt {
    observation: Observation,
    rules: Vec<usize>,
}

impl Rebuilt {
    /// The column that a field of the observation was read from.
    fn column_of(&self, field: &str, mapper: &Mapper<'_>) -> Option<String> {
        match identifier_in(field) {
            Some(index) => mapper.identifier_column(*self.rules.get(index)?, field.ends_with(".namespace")),
            None => mapper.field_column(field),
        }
    }
}

fn rebuild(mapper: &mut Mapper<'_>, row: &ChunkRow, left_out: &[usize]) -> Option<Rebuilt> {
    let raw = RawRow { line: row.line, bytes: row.raw.clone(), fault: None };
    let Content::Observation(observation) = mapper.read(raw).content else { return None };
    let mut rebuilt = Rebuilt { observation: *observation, rules: mapper.rules_used().to_vec() };
    for &index in left_out {
        if index >= rebuilt.observation.identifiers.len() || index >= rebuilt.rules.len() {
            return None;
        }
        rebuilt.observation.identifiers.remove(index);
        rebuilt.rules.remove(index);
    }
    Some(rebuilt)
}
