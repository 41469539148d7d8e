//! The limits of one query and what it has used of them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::ast::Span;
use crate::error::{Fault, Outcome};
use crate::value::Value;

/// What one query may use. Whatever is met is an error that names the field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How long it may run, from when it was prepared; `None` for as long as it takes.
    pub deadline: Option<Duration>,
    /// How many rows it may return.
    pub max_rows: u64,
    /// How many nodes and relationships it may take from the graph.
    pub max_expansions: u64,
    /// How many bytes it may hold in collected, sorted and grouped values (an estimate).
    pub max_memory_bytes: usize,
    /// How long the text may be, in bytes.
    pub max_text_bytes: usize,
    /// How deeply expressions and values may be nested; never more than 128.
    pub max_depth: usize,
    /// On how many threads one large scan may run.
    pub max_threads: usize,
    /// From how many nodes on, by the estimate, a scan is large.
    pub large_scan: u64,
}

/// The deepest nesting that any setting allows: what the parser's stack is measured for.
pub(crate) const DEEPEST: usize = 128;

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Some(Duration::from_secs(30)),
            max_rows: 10_000_000,
            max_expansions: 100_000_000,
            max_memory_bytes: 256 * 1024 * 1024,
            max_text_bytes: 64 * 1024,
            max_depth: DEEPEST,
            max_threads: std::thread::available_parallelism().map_or(1, usize::from),
            large_scan: 10_000,
        }
    }
}

/// What a query used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Rows returned.
    pub rows: u64,
    /// Nodes and relationships taken from the graph.
    pub expansions: u64,
    /// The most bytes held at one time in collected, sorted and grouped values (an estimate).
    pub peak_memory_bytes: usize,
    /// The time since it was prepared.
    pub elapsed: Duration,
}

/// The account of one running query. Operators count against it; a clone of
/// nothing: one query, one meter.
pub(crate) struct Meter {
    limits: Limits,
    cancel: Option<Arc<AtomicBool>>,
    started: Instant,
    ticks: Cell<u32>,
    rows: Cell<u64>,
    expansions: Cell<u64>,
    memory: Rc<Cell<usize>>,
    peak: Cell<usize>,
}

/// What one of several threads may use of what a query has left.
pub(crate) struct ThreadAccount {
    limits: Limits,
    cancel: Option<Arc<AtomicBool>>,
    started: Instant,
}

/// What a thread has used.
pub(crate) struct Usage {
    expansions: u64,
    peak: usize,
}

impl Meter {
    /// On how many threads a scan of about so many nodes may run.
    pub(crate) fn threads(&self, nodes: f64) -> usize {
        if nodes < self.limits.large_scan as f64 { 1 } else { self.limits.max_threads }
    }

    /// What each of `threads` may use at once, so that all together stay within the limits of memory.
    pub(crate) fn account(&self, threads: usize) -> ThreadAccount {
        let memory = self.limits.max_memory_bytes.saturating_sub(self.memory.get());
        let limits = Limits {
            max_expansions: self.limits.max_expansions.saturating_sub(self.expansions.get()),
            max_memory_bytes: memory / threads.max(1),
            ..self.limits
        };
        ThreadAccount { limits, cancel: self.cancel.clone(), started: self.started }
    }

    /// The meter of a thread.
    pub(crate) fn of(account: &ThreadAccount) -> Self {
        Self { started: account.started, ..Self::new(account.limits, account.cancel.clone()) }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { expansions: self.expansions.get(), peak: self.peak.get() }
    }

    /// Counts what a thread has used; says whether that is within the limits.
    pub(crate) fn charge(&self, used: &Usage) -> bool {
        let expansions = self.expansions.get().saturating_add(used.expansions);
        let within = expansions <= self.limits.max_expansions;
        if within {
            self.expansions.set(expansions);
            self.peak.set(self.peak.get().max(self.memory.get() + used.peak));
        }
        within
    }

    pub(crate) fn new(limits: Limits, cancel: Option<Arc<AtomicBool>>) -> Self {
        Self {
            limits,
            cancel,
            started: Instant::now(),
            ticks: Cell::new(0),
            rows: Cell::new(0),
            expansions: Cell::new(0),
            memory: Rc::default(),
            peak: Cell::new(0),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            rows: self.rows.get(),
            expansions: self.expansions.get(),
            peak_memory_bytes: self.peak.get(),
            elapsed: self.started.elapsed(),
        }
    }

    /// Called in every loop: looks at the clock and the cancel flag now and then.
    pub(crate) fn tick(&self) -> Outcome<()> {
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        if ticks.is_multiple_of(64) { self.check_time() } else { Ok(()) }
    }

    /// Looks at the clock and the cancel flag.
    pub(crate) fn check_time(&self) -> Outcome<()> {
        if self.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Fault::cancelled());
        }
        match self.limits.deadline {
            Some(deadline) if self.started.elapsed() >= deadline => Err(Fault::limit(
                "deadline",
                "limit-deadline",
                None,
                format!("the query ran longer than its deadline of {deadline:?}"),
            )
            .hint("narrow the pattern, anchor it at an identifier, or allow more time")),
            _ => Ok(()),
        }
    }

    /// Counts one row returned to the caller.
    pub(crate) fn row(&self) -> Outcome<()> {
        let rows = self.rows.get();
        if rows >= self.limits.max_rows {
            let most = self.limits.max_rows;
            let text = format!("the query has more than {most} rows (limit max_rows)");
            return Err(
                Fault::limit("max_rows", "limit-rows", None, text).hint("add LIMIT, or page by a key")
            );
        }
        self.rows.set(rows + 1);
        Ok(())
    }

    /// Counts one node or relationship taken from the graph.
    pub(crate) fn expansion(&self, span: Span) -> Outcome<()> {
        let count = self.expansions.get();
        if count >= self.limits.max_expansions {
            let most = self.limits.max_expansions;
            let text =
                format!("the query touched more than {most} nodes and relationships (limit max_expansions)");
            return Err(Fault::limit("max_expansions", "limit-expansions", Some(span), text)
                .hint("anchor the pattern at an identifier, or bound its length"));
        }
        self.expansions.set(count + 1);
        self.tick().map_err(|fault| fault.or_at(span))
    }

    /// Looks at the clock where one step goes over so many bytes that a few of
    /// them would take longer than many ticks do.
    pub(crate) fn weigh(&self, bytes: usize, span: Span) -> Outcome<()> {
        const HEAVY: usize = 1 << 16;
        if bytes < HEAVY { Ok(()) } else { self.check_time().map_err(|fault| fault.or_at(span)) }
    }

    /// Fails if `bytes` more would not fit; takes nothing.
    pub(crate) fn fits(&self, bytes: usize, span: Span) -> Outcome<()> {
        self.weigh(bytes, span)?;
        match self.memory.get().checked_add(bytes) {
            Some(total) if total <= self.limits.max_memory_bytes => {
                self.peak.set(self.peak.get().max(total));
                Ok(())
            }
            _ => {
                let most = self.limits.max_memory_bytes;
                let text =
                    format!("the query needs more than {most} bytes of memory here (limit max_memory_bytes)");
                Err(Fault::limit("max_memory_bytes", "limit-memory", Some(span), text)
                    .hint("collect, sort or group less at a time"))
            }
        }
    }

    /// Fails if a value is nested deeper than allowed.
    pub(crate) fn shallow(&self, depth: usize, span: Span) -> Outcome<()> {
        let most = self.limits.max_depth.min(DEEPEST);
        if depth <= most {
            return Ok(());
        }
        let text = format!("a value is nested more than {most} levels deep (limit max_depth)");
        Err(Fault::limit("max_depth", "limit-depth", Some(span), text))
    }
}

/// Values smaller than this are not counted one by one while they are on their
/// way: a text has room for no more of them than a few megabytes are.
const LIGHT: usize = 1 << 10;

/// Bytes that an operator holds; given back to the [`Meter`] when it is done
/// with them, or when it is dropped before.
#[derive(Default)]
pub(crate) struct Held {
    bytes: usize,
    /// The meter's count, once something was taken from it.
    memory: Option<Rc<Cell<usize>>>,
}

impl Held {
    /// Takes what `value` takes, or fails, for as long as it stands beside others
    /// that are still to come. A light one costs nothing.
    pub(crate) fn keep(&mut self, meter: &Meter, value: &Value, span: Span) -> Outcome<()> {
        match value.bytes() {
            ..LIGHT => Ok(()),
            bytes => self.take(meter, bytes, span),
        }
    }

    /// Takes what the values of a row take, instead of what was taken before.
    pub(crate) fn keep_row(&mut self, meter: &Meter, row: &[Value], span: Span) -> Outcome<()> {
        self.clear();
        row.iter().try_for_each(|value| self.keep(meter, value, span))
    }

    /// Takes `bytes` more, or fails.
    pub(crate) fn take(&mut self, meter: &Meter, bytes: usize, span: Span) -> Outcome<()> {
        meter.fits(bytes, span)?;
        let memory = self.memory.get_or_insert_with(|| Rc::clone(&meter.memory));
        memory.set(memory.get() + bytes);
        self.bytes += bytes;
        Ok(())
    }

    /// Gives `bytes` back.
    pub(crate) fn give(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        if let Some(memory) = &self.memory {
            memory.set(memory.get().saturating_sub(bytes));
        }
        self.bytes -= bytes;
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self) {
        self.give(self.bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(limits: Limits) -> Meter {
        Meter::new(limits, None)
    }

    #[test]
    fn memory_is_taken_and_given_back() {
        let meter = meter(Limits { max_memory_bytes: 100, ..Limits::default() });
        let mut held = Held::default();
        let span = Span::new(0, 1);
        assert!(held.take(&meter, 60, span).is_ok());
        assert!(meter.fits(41, span).is_err() && meter.fits(40, span).is_ok());
        assert!(meter.fits(usize::MAX, span).is_err());
        drop(held);
        assert!(Held::default().take(&meter, 100, span).is_ok());
        assert!(meter.fits(100, span).is_ok());
        assert_eq!(meter.stats().peak_memory_bytes, 100);
    }

    #[test]
    fn a_flag_or_a_deadline_stops_the_loop() {
        let flag = Arc::new(AtomicBool::new(false));
        let meter = Meter::new(Limits::default(), Some(Arc::clone(&flag)));
        assert!((0..1000).all(|_| meter.tick().is_ok()));
        flag.store(true, Ordering::Relaxed);
        assert_eq!((0..100).find_map(|_| meter.tick().err()), Some(Fault::cancelled()));
        let late = self::meter(Limits { deadline: Some(Duration::ZERO), ..Limits::default() });
        assert!((0..100).any(|_| late.tick().is_err()));
    }
}
