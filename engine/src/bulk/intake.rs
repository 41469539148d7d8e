//! Taking observations in: names and identifiers get their numbers, in the
//! order of arrival, and what was said is put aside by number.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher as _;

use super::log::{Log, Logged, LoggedRecord, Values, read_record, write_record};
use super::sorter::{Item, Sorted, Sorter, Spill, number};
use super::{BulkError, BulkOptions};
use crate::codec::{Counters, Hash128, StoredSeen};
use crate::model::{Catalogue, IdentifierId, KindId, NamespaceId};
use crate::write::{Numbered, Prepared, RejectReason, Rejection};

/// How many observations, and how many pairs, a load takes at most: they are numbered in 31 bits.
const MOST: u32 = i32::MAX as u32;

/// What is known of an identifier while a load runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) namespace: u16,
    /// Who saw it first, whether by records, and when; what others saw stands aside.
    source: u16,
    recorded: bool,
    count: u32,
    first: i64,
    last: i64,
}

/// When and by whom identifiers were seen.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    pub(super) nodes: Vec<Node>,
    /// What those saw of an identifier that were not the first to see it.
    others: HashMap<u32, Vec<StoredSeen>>,
}

impl Sightings {
    fn see(&mut self, id: IdentifierId, source: u16, recorded: bool, time: i64) {
        let Some(node) = self.nodes.get_mut(id.get() as usize) else { return };
        if node.count == 0 {
            *node = Node { source, recorded, count: 1, first: time, last: time, ..*node };
        } else if (node.source, node.recorded) == (source, recorded) {
            node.count += 1;
            node.first = node.first.min(time);
            node.last = node.last.max(time);
        } else {
            StoredSeen::note(self.others.entry(id.get()).or_default(), source, recorded, time);
        }
    }

    /// Notes that an observation has seen its identifiers, of those that `which` names.
    pub(super) fn note(&mut self, seen: &Logged, mut which: impl FnMut(IdentifierId) -> bool) {
        for id in &seen.identifiers {
            if which(*id) {
                self.see(*id, seen.source.get(), seen.record.is_some(), seen.time);
            }
        }
    }

    /// Forgets who has seen an identifier.
    pub(super) fn forget(&mut self, id: IdentifierId) {
        if let Some(node) = self.nodes.get_mut(id.get() as usize) {
            node.count = 0;
        }
        self.others.remove(&id.get());
    }

    /// Who has seen an identifier, ordered by source, recorded.
    pub(super) fn of(&self, id: IdentifierId) -> Vec<StoredSeen> {
        let Some(node) = self.nodes.get(id.get() as usize).filter(|node| node.count > 0) else {
            return Vec::new();
        };
        let Node { source, recorded, count, first, last, .. } = *node;
        let own = StoredSeen { source, recorded, count: u64::from(count), first, last };
        let mut seen = self.others.get(&id.get()).cloned().unwrap_or_default();
        let at = seen.partition_point(|other| (other.source, other.recorded) < (source, recorded));
        seen.insert(at, own);
        seen
    }

    pub(super) fn namespace(&self, id: u32) -> NamespaceId {
        NamespaceId::new(self.nodes[id as usize].namespace)
    }
}

/// What one observation said of a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairSeen {
    /// The lower identifier of the two.
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) of_b: u16,
    pub(super) source: u16,
    pub(super) kind: Option<u16>,
    pub(super) recorded: bool,
    /// Its place among all pairs, in the order in which they came.
    pub(super) place: u32,
    pub(super) confidence: f64,
    pub(super) time: i64,
}

impl Item for PairSeen {
    type Key = (u32, u16, u32);

    fn key(&self) -> Self::Key {
        (self.a, self.of_b, self.b)
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = [0; 36];
        let kind = self.kind.map_or(0, |kind| u32::from(kind) + 1) << 1 | u32::from(self.recorded);
        let mut rest = bytes.as_mut_slice();
        rest.write_all(&self.a.to_le_bytes())?;
        rest.write_all(&self.b.to_le_bytes())?;
        rest.write_all(&self.of_b.to_le_bytes())?;
        rest.write_all(&self.source.to_le_bytes())?;
        rest.write_all(&kind.to_le_bytes())?;
        rest.write_all(&self.place.to_le_bytes())?;
        rest.write_all(&self.confidence.to_le_bytes())?;
        rest.write_all(&self.time.to_le_bytes())?;
        to.write_all(&bytes)
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let bytes: [u8; 36] = number(from)?;
        let mut rest = bytes.as_slice();
        let (a, b) = (u32::from_le_bytes(number(&mut rest)?), u32::from_le_bytes(number(&mut rest)?));
        let of_b = u16::from_le_bytes(number(&mut rest)?);
        let source = u16::from_le_bytes(number(&mut rest)?);
        let kind = u32::from_le_bytes(number(&mut rest)?);
        let place = u32::from_le_bytes(number(&mut rest)?);
        let confidence = f64::from_le_bytes(number(&mut rest)?);
        let time = i64::from_le_bytes(number(&mut rest)?);
        let recorded = kind & 1 == 1;
        let kind = (kind >> 1).checked_sub(1).map(|kind| kind as u16);
        Ok(Self { a, b, of_b, source, kind, recorded, place, confidence, time })
    }
}

/// What one observation said for a record.
#[derive(Clone, Debug)]
pub(super) struct RecordSeen {
    pub(super) source: u16,
    /// Its place among all observations.
    pub(super) place: u32,
    /// Ascending.
    pub(super) identifiers: Vec<u32>,
    pub(super) kind: Option<u16>,
    pub(super) confidence: f64,
    pub(super) time: i64,
    pub(super) record: LoggedRecord,
}

impl Item for RecordSeen {
    type Key = (u16, Hash128);

    fn key(&self) -> Self::Key {
        (self.source, self.record.hash)
    }

    fn weight(&self) -> usize {
        let attributes = self.record.attributes.len() * size_of::<(u16, crate::codec::StoredAttribute)>();
        let texts: usize = self
            .record
            .attributes
            .iter()
            .map(|(_, value)| match value {
                crate::codec::StoredAttribute::String(text) => text.len(),
                _ => 0,
            })
            .sum();
        size_of::<Self>() + self.identifiers.len() * 4 + attributes + texts + 64
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.source.to_le_bytes())?;
        to.write_all(&self.place.to_le_bytes())?;
        to.write_all(&self.kind.map_or(0, |kind| u32::from(kind) + 1).to_le_bytes())?;
        to.write_all(&self.confidence.to_le_bytes())?;
        to.write_all(&self.time.to_le_bytes())?;
        to.write_all(&[self.identifiers.len() as u8])?;
        for id in &self.identifiers {
            to.write_all(&id.to_le_bytes())?;
        }
        write_record(to, &self.record)
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let source = u16::from_le_bytes(number(from)?);
        let place = u32::from_le_bytes(number(from)?);
        let kind = u32::from_le_bytes(number(from)?).checked_sub(1).map(|kind| kind as u16);
        let confidence = f64::from_le_bytes(number(from)?);
        let time = i64::from_le_bytes(number(from)?);
        let [count] = number(from)?;
        let mut identifiers = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            identifiers.push(u32::from_le_bytes(number(from)?));
        }
        let record = read_record(from)?;
        Ok(Self { source, place, identifiers, kind, confidence, time, record })
    }
}

/// That an identifier stands on a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnRing {
    pub(super) id: u32,
    pub(super) source: u16,
    pub(super) hash: Hash128,
    /// The place of the observation that says so.
    pub(super) place: u32,
}

impl Item for OnRing {
    type Key = (u32, u16, Hash128);

    fn key(&self) -> Self::Key {
        (self.id, self.source, self.hash)
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.id.to_le_bytes())?;
        to.write_all(&self.source.to_le_bytes())?;
        to.write_all(&self.hash)?;
        to.write_all(&self.place.to_le_bytes())
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let id = u32::from_le_bytes(number(from)?);
        let source = u16::from_le_bytes(number(from)?);
        let hash = number(from)?;
        Ok(Self { id, source, hash, place: u32::from_le_bytes(number(from)?) })
    }
}

/// Everything that came in, by number.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) names: Catalogue,
    pub(super) names_changed: bool,
    pub(super) counters: Counters,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    pub(super) hashes: Vec<Hash128>,
    pub(super) sightings: Sightings,
    pub(super) values: Values,
    pub(super) log: Log,
    pub(super) pairs: Sorter<PairSeen>,
    pub(super) records: Sorter<RecordSeen>,
    pub(super) ring: Sorter<OnRing>,
    pub(super) pair_count: u32,
}

impl Intake {
    pub(super) fn new(
        names: Catalogue,
        counters: Counters,
        options: &BulkOptions,
        directory: Option<PathBuf>,
    ) -> Self {
        // The tables of identifiers, which stay in memory, take about half.
        let share = |of: usize| options.memory_bytes / of;
        let spill = |name| Spill { directory: directory.clone(), name };
        let path = |name: &str| directory.as_ref().map(|directory| directory.join(name));
        Self {
            names,
            names_changed: false,
            counters,
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            hashes: Vec::new(),
            sightings: Sightings::default(),
            values: Values::new(share(8), path("values")),
            log: Log::new(share(16), path("log")),
            pairs: Sorter::new(share(6), spill("pairs")),
            records: Sorter::new(share(24), spill("records")),
            ring: Sorter::new(share(48), spill("ring")),
            pair_count: 0,
        }
    }

    /// Takes one observation in; a rejection leaves everything as it was but for the catalogue.
    pub(super) fn take(&mut self, observation: &Prepared) -> Result<Result<(), Rejection>, BulkError> {
        let rejection = |message: String| Rejection {
            index: observation.index,
            field: String::new(),
            reason: RejectReason::Full,
            message,
        };
        let (numbered, new) = match Numbered::of(observation, &mut self.names) {
            Ok(numbered) => numbered,
            Err(full) => return Ok(Err(rejection(full.to_string()))),
        };
        self.names_changed |= new;
        let count = observation.identifiers.len() as u32;
        let pairs = count * count.saturating_sub(1) / 2;
        if self.log.len() == MOST || MOST - self.pair_count < pairs {
            let message =
                format!("a bulk load takes at most {MOST} observations and pairs; load the rest after it");
            return Ok(Err(rejection(message)));
        }
        if u32::MAX - self.counters.identifiers < count {
            let message =
                format!("the store holds {} identifiers, the most it can", self.counters.identifiers);
            return Ok(Err(Rejection { field: "identifiers".to_owned(), ..rejection(message) }));
        }
        self.counters.count_observation(numbered.source);
        for namespace in &numbered.denied {
            self.counters.count_denied(numbered.source, *namespace);
        }
        let mut identifiers = Vec::with_capacity(observation.identifiers.len());
        for (identifier, namespace) in observation.identifiers.iter().zip(&numbered.namespaces) {
            identifiers.push(self.identify(*namespace, &identifier.hash, &identifier.value)?);
        }
        let record = observation.record.as_ref().map(|(record_id, hash)| LoggedRecord {
            record_id: record_id.clone(),
            hash: *hash,
            attributes: numbered
                .attributes
                .iter()
                .zip(&observation.attributes)
                .map(|(attribute, (_, value))| (*attribute, value.clone()))
                .collect(),
        });
        let seen = Logged {
            identifiers,
            source: numbered.source,
            kind: numbered.kind,
            time: observation.time,
            confidence: observation.confidence,
            record,
        };
        self.keep(seen)?;
        Ok(Ok(()))
    }

    /// The number of an identifier, which is made if it is new.
    fn identify(&mut self, namespace: NamespaceId, hash: &Hash128, value: &str) -> io::Result<IdentifierId> {
        let (hashes, nodes, hasher) = (&self.hashes, &self.sightings.nodes, &self.hasher);
        let key = hasher.hash_one((namespace.get(), hash));
        let is_it =
            |id: &u32| hashes[*id as usize] == *hash && nodes[*id as usize].namespace == namespace.get();
        if let Some(id) = self.table.find(key, is_it) {
            return Ok(IdentifierId::new(*id));
        }
        let id = self.counters.count_identifier(namespace);
        let of = |id: &u32| hasher.hash_one((nodes[*id as usize].namespace, &hashes[*id as usize]));
        self.table.insert_unique(key, id.get(), of);
        self.hashes.push(*hash);
        let namespace = namespace.get();
        self.sightings.nodes.push(Node {
            namespace,
            source: 0,
            recorded: false,
            count: 0,
            first: 0,
            last: 0,
        });
        self.values.push(value)?;
        Ok(id)
    }

    /// Puts aside what an observation said.
    fn keep(&mut self, seen: Logged) -> io::Result<()> {
        self.sightings.note(&seen, |_| true);
        let (source, kind) = (seen.source.get(), seen.kind.map(KindId::get));
        for (a, b) in pairs(&seen.identifiers) {
            self.pairs.push(PairSeen {
                a,
                b,
                of_b: self.sightings.namespace(b).get(),
                source,
                kind,
                recorded: seen.record.is_some(),
                place: self.pair_count,
                confidence: seen.confidence,
                time: seen.time,
            })?;
            self.pair_count += 1;
        }
        self.log.push(&seen)?;
        let place = self.log.len() - 1;
        if let Some(record) = seen.record {
            let mut identifiers: Vec<u32> = seen.identifiers.iter().map(|id| id.get()).collect();
            identifiers.sort_unstable();
            for id in &identifiers {
                self.ring.push(OnRing { id: *id, source, hash: record.hash, place })?;
            }
            let (confidence, time) = (seen.confidence, seen.time);
            self.records.push(RecordSeen { source, place, identifiers, kind, confidence, time, record })?;
        }
        Ok(())
    }

    /// Lets go of what only taking in needs, and gives what was put aside, sorted.
    #[allow(clippy::type_complexity)]
    pub(super) fn close(&mut self) -> io::Result<(Sorted<PairSeen>, Sorted<RecordSeen>, Sorted<OnRing>)> {
        self.table = HashTable::new();
        let (pairs, records, ring) = (self.pairs.take(), self.records.take(), self.ring.take());
        Ok((pairs.finish()?, records.finish()?, ring.finish()?))
    }
}

/// The pairs of identifiers that an observation links, the lower first, in the order in which they are linked.
pub(super) fn pairs(identifiers: &[IdentifierId]) -> impl Iterator<Item = (u32, u32)> + '_ {
    identifiers.iter().enumerate().flat_map(move |(at, one)| {
        identifiers[at + 1..].iter().map(move |other| {
            let (one, other) = (one.get(), other.get());
            (one.min(other), one.max(other))
        })
    })
}
