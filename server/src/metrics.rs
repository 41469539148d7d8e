//! What is counted and measured of a server, for Prometheus.
//!
//! No label holds anything of a request but the method's name and the code of its
//! answer.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kinfold_engine::model::Seq;
use kinfold_engine::read::{Read as _, ReadError};
use kinfold_engine::{Store, Watch};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The bounds of how long calls take, in seconds.
const SECONDS: [f64; 13] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limited {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reloaded {
    file: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Work {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    name: &'static str,
}

type Figure = Gauge<u64, AtomicU64>;

/// The metrics of one server. Cheap to clone; clones are the same.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<All>);

struct All {
    registry: Registry,
    calls: Family<Answered, Counter>,
    seconds: Family<Method, Histogram>,
    in_flight: Family<Method, Gauge>,
    shed: Family<Limited, Counter>,
    connections: Gauge,
    accepted: Counter,
    handshakes_failed: Counter,
    reloads: Family<Reloaded, Counter>,
    running: Family<Work, Gauge>,
    waiting: Family<Work, Gauge>,
    queued: Gauge,
    request_bytes: Figure,
    commit_observations: Histogram,
    events: Family<Work, Counter>,
    audited: Counter,
    store: Family<Named, Figure>,
    storage: Family<Named, Figure>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics(..)")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("kinfold");
        macro_rules! register {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register($name, $help, metric.clone());
                metric
            }};
        }
        let seconds = Family::<Method, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register_with_unit(
            "request_duration",
            "How long calls took from their headers to the end of their answer",
            Unit::Seconds,
            seconds.clone(),
        );
        // From one observation to as many as a group takes.
        let commit_observations = Histogram::new([0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0]);
        registry.register(
            "commit_observations",
            "How many observations shared a commit and its sync",
            commit_observations.clone(),
        );
        let calls = register!("requests", "Calls that were answered", Family::default());
        let in_flight = register!("requests_in_flight", "Calls that are being answered", Family::default());
        let shed = register!("shed", "Calls that were refused because a limit was met", Family::default());
        let connections = register!("connections", "Connections that are open", Gauge::default());
        let accepted =
            register!("connections_accepted", "Connections that were accepted", Counter::default());
        let handshakes_failed = register!(
            "handshakes_failed",
            "Connections that ended before they were set up: garbage, no certificate, too slow",
            Counter::default()
        );
        let reloads = register!("reloads", "Files that changed and were read again", Family::default());
        let running =
            register!("running", "Pieces of work under way, off the connections", Family::default());
        let waiting = register!("waiting", "Pieces of work that wait for a place", Family::default());
        let queued = register!("write_queue", "Batches on their way to the disk", Gauge::default());
        let request_bytes = register!(
            "request_bytes_in_flight",
            "Bytes of requests that are held in memory",
            Figure::default()
        );
        let events = register!("events", "Changes to who is who since the start", Family::default());
        let audited = register!("audit_entries", "Entries written to the audit", Counter::default());
        let store = register!("store", "What the store holds", Family::default());
        let storage = register!("rocksdb", "RocksDB's own figures", Family::default());
        Self(Arc::new(All {
            registry,
            calls,
            seconds,
            in_flight,
            shed,
            connections,
            accepted,
            handshakes_failed,
            reloads,
            running,
            waiting,
            queued,
            request_bytes,
            commit_observations,
            events,
            audited,
            store,
            storage,
        }))
    }
}

/// A gauge that is one higher while this is held.
pub(crate) struct Held(Gauge);

impl Held {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// A call began; what is given is held until it ends.
    pub(crate) fn call_begins(&self, method: &'static str) -> Held {
        Held::new(&self.0.in_flight.get_or_create(&Method { method }))
    }

    /// A call was answered with a code.
    pub(crate) fn call_ends(&self, method: &'static str, code: &'static str, took: Duration) {
        self.0.calls.get_or_create(&Answered { method, code }).inc();
        self.0.seconds.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    /// A call was refused because of a limit.
    pub(crate) fn shed(&self, limit: &'static str) {
        self.0.shed.get_or_create(&Limited { limit }).inc();
    }

    /// A connection was accepted; what is given is held until it closes.
    pub(crate) fn connection(&self) -> Held {
        self.0.accepted.inc();
        Held::new(&self.0.connections)
    }

    /// A connection ended before it was set up.
    pub(crate) fn handshake_failed(&self) {
        self.0.handshakes_failed.inc();
    }

    /// A file changed, and could be used or not.
    pub(crate) fn reloaded(&self, file: &'static str, ok: bool) {
        let outcome = if ok { "ok" } else { "failed" };
        self.0.reloads.get_or_create(&Reloaded { file, outcome }).inc();
    }

    /// Work of a kind runs; what is given is held until it ends.
    pub(crate) fn runs(&self, kind: &'static str) -> Held {
        Held::new(&self.0.running.get_or_create(&Work { kind }))
    }

    /// Work of a kind waits; what is given is held until it runs.
    pub(crate) fn waits(&self, kind: &'static str) -> Held {
        Held::new(&self.0.waiting.get_or_create(&Work { kind }))
    }

    /// A batch is on its way to the disk; what is given is held until it is there.
    pub(crate) fn queued(&self) -> Held {
        Held::new(&self.0.queued)
    }

    /// So many bytes of requests are held.
    pub(crate) fn request_bytes(&self, bytes: u64) {
        self.0.request_bytes.set(bytes);
    }

    /// A commit with so many observations was synced.
    pub(crate) fn committed(&self, observations: u64) {
        self.0.commit_observations.observe(observations as f64);
    }

    /// An entry was written to the audit.
    pub(crate) fn audited(&self) {
        self.0.audited.inc();
    }
}

/// How many changes to who is who are read at once.
const EVENTS: usize = 1_024;

/// The metrics of one server together with the figures of its store.
pub(crate) struct Figures {
    store: Store,
    metrics: Metrics,
    /// At the first change to who is who that is not counted yet.
    uncounted: Mutex<Watch>,
}

impl Figures {
    /// Changes to who is who count from now on.
    pub(crate) fn new(store: &Store, metrics: Metrics) -> Self {
        let next = Seq::new(store.snapshot().seq().get() + 1);
        Self { store: store.clone(), metrics, uncounted: Mutex::new(store.watch(next)) }
    }

    /// Counts the changes to who is who since the last time, by what happened.
    pub(crate) fn count_events(&self) -> Result<(), ReadError> {
        let mut watch = self.uncounted.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let events = watch.next(EVENTS, Duration::ZERO)?;
            if events.is_empty() {
                return Ok(());
            }
            for event in events {
                self.metrics.0.events.get_or_create(&Work { kind: event.word() }).inc();
            }
        }
    }

    /// Everything as text, in the OpenMetrics format, with the figures of the store as it is now.
    pub(crate) fn text(&self) -> Result<String, ReadError> {
        self.count_events()?;
        let Self { store, metrics: Metrics(metrics), .. } = self;
        let stats = store.stats()?;
        let set = |family: &Family<Named, Figure>, name, value| {
            family.get_or_create(&Named { name }).set(value);
        };
        for (name, value) in [
            ("sequence", stats.seq.get()),
            ("identifiers", stats.identifiers.iter().map(|(_, count)| count).sum()),
            ("links", stats.links),
            ("held_back_links", stats.held_back),
            ("persons", stats.persons),
            ("households", stats.households),
            ("records", stats.records),
            ("observations", stats.observations),
            ("denied_values", stats.denied.iter().map(|(_, _, count)| count).sum()),
            ("forgotten_values", stats.forgotten.iter().map(|(_, _, count)| count).sum()),
            ("bytes_on_disk", stats.disk_bytes),
        ] {
            set(&metrics.store, name, value);
        }
        for (name, value) in store.storage_figures() {
            set(&metrics.storage, name, value);
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &metrics.registry);
        Ok(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use kinfold_engine::model::{Observation, Timestamp};
    use kinfold_engine::schema::Schema;
    use kinfold_engine::write::Batch;

    use super::*;

    #[test]
    fn the_text_tells_what_was_counted() {
        let metrics = Metrics::default();
        let held = metrics.call_begins("QueryService/Query");
        metrics.call_ends("QueryService/Query", "OK", Duration::from_millis(3));
        metrics.shed("max_calls");
        let store = Store::in_memory(Schema::built_in()).unwrap();
        let figures = Figures::new(&store, metrics.clone());
        let observation = Observation {
            source: "crm".to_owned(),
            time: Timestamp::from_micros(1).unwrap(),
            identifiers: ["email:ann@x.org", "device:d1"].map(|text| text.parse().unwrap()).to_vec(),
            confidence: 0.9,
            kind: None,
            record_id: None,
            attributes: BTreeMap::new(),
        };
        store.observe(Batch { request_id: None, observations: vec![observation] }).unwrap();
        let text = figures.text().unwrap();
        for line in [
            "kinfold_requests_total{method=\"QueryService/Query\",code=\"OK\"} 1",
            "kinfold_requests_in_flight{method=\"QueryService/Query\"} 1",
            "kinfold_request_duration_seconds_bucket{le=\"0.005\",method=\"QueryService/Query\"} 1",
            "kinfold_shed_total{limit=\"max_calls\"} 1",
            "kinfold_store{name=\"persons\"} 1",
            "kinfold_events_total{kind=\"created\"} 1",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(held);
        assert!(figures.text().unwrap().contains("in_flight{method=\"QueryService/Query\"} 0"));
    }
}
