//! Keys and values as they stand in the store. No I/O; the one place that knows bincode.
//!
//! Keys are fixed-size and big-endian, so that the order of the bytes is the
//! order of the numbers and a prefix is a range. They hold no personal value:
//! what a person could recognise is hashed with the store's key first.
//!
//! A value is `version (1 byte) · bincode · checksum (4 bytes)`. The checksum
//! covers the table, the key and the value, so that a row that was damaged, or
//! that stands under another row's key, does not decode. Stored types are flat:
//! bincode's limits do not hold for recursive types and zero-sized items.

use std::hash::Hash;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

use crate::consent;
use crate::model::{
    AttributeValue, HeldBackBy, HouseholdId, HouseholdKey, HouseholdMember, IdentifierId, NamespaceId,
    Override, OverrideKind, PersonId, PersonKey, Seq, SourceId, Timestamp, combine,
};

/// The layout that this code reads and writes.
pub(crate) const LAYOUT_VERSION: u32 = 1;

const VALUE_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
const MAX_VALUE: usize = 64 << 20;
const CONFIG: Configuration<LittleEndian, Varint, Limit<MAX_VALUE>> =
    bincode::config::standard().with_limit::<MAX_VALUE>();

macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident = $name:literal,)*) => {
        /// The tables of the store; each is a column family.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub(crate) enum Table {
            $($(#[$doc])* $table,)*
        }

        impl Table {
            /// All tables, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$(Self::$table,)*];

            /// The name of its column family.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$table => $name,)*
                }
            }

            /// Whether rows as they were stay readable after a write changes them.
            pub(crate) const fn keeps_past(self) -> bool {
                !matches!(
                    self,
                    Self::Meta
                        | Self::Dictionary
                        | Self::Requests
                        | Self::Events
                        | Self::PersonEvents
                        | Self::Writes
                        | Self::Past
                        | Self::Due
                )
            }
        }
    };
}

tables! {
    /// text → layout, schema, names, counters.
    Meta = "meta",
    /// namespace · keyed hash of the value → identifier.
    Dictionary = "dictionary",
    /// identifier → what is known of it.
    Identifiers = "identifiers",
    /// identifier → the person or household it is in. Small and dense: read on every hop.
    Owners = "owners",
    /// identifier · namespace of the other · the other → link; both directions.
    Links = "links",
    /// person key · chunk → members; chunk 0 opens with the person's head.
    Persons = "persons",
    /// person id → person key, or the person it was merged into.
    PersonIds = "person_ids",
    /// person key · household-scope identifier → the person's strongest link to it.
    Homes = "homes",
    /// household-scope identifier · person key: the homes the other way round.
    Residents = "residents",
    /// household key → head.
    Households = "households",
    /// household key · member.
    HouseholdMembers = "household_members",
    /// household id → household key, or what became of it.
    HouseholdIds = "household_ids",
    /// source · keyed hash of the record id → record.
    Records = "records",
    /// identifier · source · keyed hash of the record id: the key ring.
    KeyRing = "key_ring",
    /// keyed hash of a request id → what became of the request.
    Requests = "requests",
    /// identifier · identifier → what somebody said of the pair; both directions.
    Overrides = "overrides",
    /// sequence number · place → a change to who is who.
    Events = "events",
    /// person id · sequence number · place: the events that concern a person.
    PersonEvents = "person_events",
    /// sequence number → when a write was made, and the counters after it.
    Writes = "writes",
    /// table · key · sequence number → the row as it was before that write.
    Past = "past",
    /// component → a raw component that a limit cuts.
    Components = "components",
    /// identifier: where links wait for a cut that is due.
    Due = "due",
}

/// A stored value that does not decode, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct BadValue(pub(crate) String);

/// A key: at most 32 bytes, on the stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct KeyBytes {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl KeyBytes {
    const MAX: usize = 32;

    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        let mut key = Self { bytes: [0; Self::MAX], len: 0 };
        for part in parts {
            key.bytes[key.len..key.len + part.len()].copy_from_slice(part);
            key.len += part.len();
        }
        key
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// A key that was read; `None` where it is longer than any.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= Self::MAX).then(|| Self::new(&[bytes]))
    }
}

/// Takes fixed-size numbers off the front of a key.
struct KeyReader<'a>(&'a [u8]);

impl KeyReader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}

/// What is read of the rows of a table: how keys are written, and values read.
pub(crate) trait ReadRow: Sized {
    /// The key as the engine knows it.
    type Key: Copy + Ord + Hash + std::fmt::Debug;
    /// The table it stands in.
    const TABLE: Table;

    fn key_bytes(key: Self::Key) -> KeyBytes;
    fn read_key(bytes: &[u8]) -> Option<Self::Key>;
    fn decode_row(key: &[u8], bytes: &[u8]) -> Result<Self, BadValue>;

    /// Whether the key itself shows that no such row was there at a moment, so
    /// that its absence then needs no note. `false` where the key does not say.
    fn is_after(_key: Self::Key, _horizon: &Horizon) -> bool {
        false
    }
}

/// A row of a table, whole: it can be written, too.
pub(crate) trait Row: ReadRow + Clone + PartialEq {
    fn encode_row(&self, key: Self::Key, out: &mut Vec<u8>);
}

/// The numbers that were given out up to a moment; a row under a later one was not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Horizon {
    pub(crate) identifiers: u32,
    pub(crate) persons: u64,
    pub(crate) households: u64,
}

impl Horizon {
    fn before_identifier(&self, id: IdentifierId) -> bool {
        id.get() >= self.identifiers
    }

    fn before_person(&self, key: PersonKey) -> bool {
        key.get() >= self.persons
    }

    fn before_household(&self, key: HouseholdKey) -> bool {
        key.get() >= self.households
    }
}

impl Counters {
    /// Counts an observation of a source.
    pub(crate) fn count_observation(&mut self, source: SourceId) {
        self.observations += 1;
        bump(&mut self.by_source, usize::from(source.get()));
    }

    /// Counts an identifier that is new, and gives its number.
    pub(crate) fn count_identifier(&mut self, namespace: NamespaceId) -> IdentifierId {
        let id = IdentifierId::new(self.identifiers);
        self.identifiers += 1;
        bump(&mut self.by_namespace, usize::from(namespace.get()));
        id
    }

    /// Counts a value that was denied.
    pub(crate) fn count_denied(&mut self, source: SourceId, namespace: NamespaceId) {
        count_by(&mut self.denied, source, namespace);
    }

    /// Counts a value that was refused because it was forgotten.
    pub(crate) fn count_forgotten(&mut self, source: SourceId, namespace: NamespaceId) {
        count_by(&mut self.forgotten.0, source, namespace);
    }

    /// What was there when these were the counters.
    pub(crate) fn horizon(&self) -> Horizon {
        Horizon { identifiers: self.identifiers, persons: self.next_person, households: self.next_household }
    }
}

/// Counts one more of a source and a namespace, in a list ordered by both.
fn count_by(counts: &mut Vec<(u16, u16, u64)>, source: SourceId, namespace: NamespaceId) {
    let key = (source.get(), namespace.get());
    match counts.binary_search_by_key(&key, |(source, namespace, _)| (*source, *namespace)) {
        Ok(at) => counts[at].2 += 1,
        Err(at) => counts.insert(at, (key.0, key.1, 1)),
    }
}

fn bump(counts: &mut Vec<u64>, at: usize) {
    if counts.len() <= at {
        counts.resize(at + 1, 0);
    }
    counts[at] += 1;
}

fn checksum(table: Table, key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    // Most rows are small, and small inputs are hashed several times faster in one piece.
    let mut piece = [0; 256];
    let (end_of_key, end) = (1 + key.len(), 1 + key.len() + value.len());
    let hash = match piece.get_mut(..end) {
        Some(piece) => {
            piece[0] = key.len() as u8;
            piece[1..end_of_key].copy_from_slice(key);
            piece[end_of_key..].copy_from_slice(value);
            xxhash_rust::xxh3::xxh3_64_with_seed(piece, table as u64)
        }
        None => {
            let mut hash = xxhash_rust::xxh3::Xxh3::with_seed(table as u64);
            hash.update(&[key.len() as u8]);
            hash.update(key);
            hash.update(value);
            hash.digest()
        }
    };
    (hash as u32).to_le_bytes()
}

pub(crate) fn encode_value<T: Encode>(table: Table, key: &[u8], value: &T, out: &mut Vec<u8>) {
    out.clear();
    out.push(VALUE_VERSION);
    // Encoding into a Vec fails only for types that refuse to be encoded; none of ours does.
    if let Err(error) = bincode::encode_into_std_write(value, out, CONFIG) {
        unreachable!("a stored type refused to be encoded: {error}");
    }
    let sum = checksum(table, key, out);
    out.extend_from_slice(&sum);
}

pub(crate) fn decode_value<T: Decode<()>>(table: Table, key: &[u8], bytes: &[u8]) -> Result<T, BadValue> {
    let payload = payload(table, key, bytes)?;
    let (decoded, used) = decode_front(key, payload)?;
    if used != payload.len() {
        return Err(BadValue(format!("the value under key {} has bytes to spare", hex(key))));
    }
    Ok(decoded)
}

/// What a payload begins with, and how many bytes that takes.
fn decode_front<T: Decode<()>>(key: &[u8], payload: &[u8]) -> Result<(T, usize), BadValue> {
    bincode::decode_from_slice(payload, CONFIG)
        .map_err(|error| BadValue(format!("the value under key {} does not decode: {error}", hex(key))))
}

/// What a value holds beside its version and its checksum, which are right.
fn payload<'v>(table: Table, key: &[u8], bytes: &'v [u8]) -> Result<&'v [u8], BadValue> {
    let (value, sum) = bytes
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or_else(|| BadValue(format!("a value of {} bytes is too short", bytes.len())))?;
    if *sum != checksum(table, key, value) {
        return Err(BadValue(format!("the checksum of the value under key {} does not match", hex(key))));
    }
    let (version, payload) = value.split_first().ok_or_else(|| BadValue("an empty value".to_owned()))?;
    if *version != VALUE_VERSION {
        return Err(BadValue(format!("value version {version} is not known to this program")));
    }
    Ok(payload)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

macro_rules! row {
    (
        $row:ty, $table:ident, |$key:ident: $key_type:ty| $write:expr, |$reader:ident| $read:expr
        $(, |$late:ident, $horizon:ident| $after:expr)?
    ) => {
        impl ReadRow for $row {
            type Key = $key_type;
            const TABLE: Table = Table::$table;

            fn key_bytes($key: Self::Key) -> KeyBytes {
                $write
            }

            fn read_key(bytes: &[u8]) -> Option<Self::Key> {
                let mut reader = KeyReader(bytes);
                let $reader = &mut reader;
                let key = $read;
                reader.0.is_empty().then_some(key)
            }

            fn decode_row(key: &[u8], bytes: &[u8]) -> Result<Self, BadValue> {
                decode_value(Self::TABLE, key, bytes)
            }

            $(fn is_after($late: Self::Key, $horizon: &Horizon) -> bool {
                $after
            })?
        }

        impl Row for $row {
            fn encode_row(&self, key: Self::Key, out: &mut Vec<u8>) {
                encode_value(Self::TABLE, Self::key_bytes(key).as_slice(), self, out);
            }
        }
    };
}

/// A row of which no more is read than what it begins with.
macro_rules! front {
    ($front:ty = $row:ty, |$key:ident, $payload:ident| $read:expr) => {
        impl ReadRow for $front {
            type Key = <$row as ReadRow>::Key;
            const TABLE: Table = <$row as ReadRow>::TABLE;

            fn key_bytes(key: Self::Key) -> KeyBytes {
                <$row>::key_bytes(key)
            }

            fn read_key(bytes: &[u8]) -> Option<Self::Key> {
                <$row>::read_key(bytes)
            }

            fn decode_row($key: &[u8], bytes: &[u8]) -> Result<Self, BadValue> {
                let $payload = payload(Self::TABLE, $key, bytes)?;
                $read
            }

            fn is_after(key: Self::Key, horizon: &Horizon) -> bool {
                <$row>::is_after(key, horizon)
            }
        }
    };
}

mod history;

pub(crate) use history::{
    EventRow, PersonEventKey, PersonEventRow, StoredCause, StoredChange, StoredRetracted, StoredShare,
    WriteRow,
};

/// 128 bits of a keyed hash.
pub(crate) type Hash128 = [u8; 16];

/// The key of a [`DictionaryRow`].
pub(crate) type DictionaryKey = (NamespaceId, Hash128);
/// The key of a [`LinkRow`]: this end, the other end's namespace, the other end.
pub(crate) type LinkKey = (IdentifierId, NamespaceId, IdentifierId);
/// The key of a [`PersonChunk`]: the person and the chunk's number.
pub(crate) type ChunkKey = (PersonKey, u32);
/// The key of a [`HomeRow`].
pub(crate) type HomeKey = (PersonKey, IdentifierId);
/// The key of a [`ResidentRow`].
pub(crate) type ResidentKey = (IdentifierId, PersonKey);
/// The key of a [`HouseholdMemberRow`].
pub(crate) type HouseholdMemberKey = (HouseholdKey, HouseholdMember);
/// The key of a [`RecordRow`].
pub(crate) type RecordKey = (SourceId, Hash128);
/// The key of a [`StoredOverride`].
pub(crate) type PairKey = (IdentifierId, IdentifierId);
/// The key of a [`KeyRingRow`].
pub(crate) type KeyRingKey = (IdentifierId, SourceId, Hash128);

#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct DictionaryRow {
    pub(crate) id: u32,
}

impl DictionaryRow {
    /// Refuses the value of an identifier that was forgotten. The number is never
    /// given: a store is full some numbers before it.
    pub(crate) const FORGOTTEN: Self = Self { id: u32::MAX };

    /// The identifier; `None` where it was forgotten.
    pub(crate) fn identifier(self) -> Option<IdentifierId> {
        (self != Self::FORGOTTEN).then(|| IdentifierId::new(self.id))
    }
}
row!(
    DictionaryRow,
    Dictionary,
    |key: DictionaryKey| KeyBytes::new(&[&key.0.get().to_be_bytes(), &key.1]),
    |r| (NamespaceId::new(r.u16()?), r.take()?)
);

#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct StoredSeen {
    pub(crate) source: u16,
    /// Whether records with a key said so, as with [`StoredEvidence::recorded`].
    pub(crate) recorded: bool,
    pub(crate) count: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl StoredSeen {
    /// Notes in a list ordered by source, recorded, that a source has seen an identifier.
    pub(crate) fn note(seen: &mut Vec<Self>, source: u16, recorded: bool, time: i64) {
        match seen.binary_search_by_key(&(source, recorded), |seen| (seen.source, seen.recorded)) {
            Ok(at) => seen[at].again(time),
            Err(at) => seen.insert(at, Self { source, recorded, count: 1, first: time, last: time }),
        }
    }

    /// It was seen again at a time.
    pub(crate) fn again(&mut self, time: i64) {
        self.count += 1;
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct IdentifierRow {
    pub(crate) namespace: u16,
    pub(crate) value: String,
    /// Ordered by source, recorded.
    pub(crate) seen: Vec<StoredSeen>,
    /// How many links it has.
    pub(crate) degree: u32,
    /// How many of them lead to household-scope identifiers.
    pub(crate) home_links: u32,
    /// For each namespace that its `shared_above` names: how many identifiers of it are tied to this one.
    pub(crate) ties: Vec<(u16, u32)>,
    /// For one of household scope: how many persons are tied to it.
    pub(crate) residents: u32,
    /// How many persons, or households, were ever made of it.
    pub(crate) generations: u32,
    /// How many overrides stand on it.
    pub(crate) overrides: u32,
}
impl IdentifierRow {
    /// Of an identifier that was just made.
    pub(crate) fn new(namespace: NamespaceId, value: String) -> Self {
        Self {
            namespace: namespace.get(),
            value,
            seen: Vec::new(),
            degree: 0,
            home_links: 0,
            ties: Vec::new(),
            residents: 0,
            generations: 0,
            overrides: 0,
        }
    }
}
row!(
    IdentifierRow,
    Identifiers,
    |key: IdentifierId| KeyBytes::new(&[&key.get().to_be_bytes()]),
    |r| { IdentifierId::new(r.u32()?) },
    |key, horizon| horizon.before_identifier(key)
);

/// What an identifier belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum Owner {
    /// A person, in this chunk of its members.
    Person { key: u64, chunk: u32 },
    /// A household.
    Household { key: u64 },
    /// Of household scope and in no household.
    Nobody,
}

#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct OwnerRow {
    pub(crate) owner: Owner,
    pub(crate) shared: bool,
    /// Whether the schema denies the value since it came in.
    pub(crate) denied: bool,
}
row!(
    OwnerRow,
    Owners,
    |key: IdentifierId| KeyBytes::new(&[&key.get().to_be_bytes()]),
    |r| { IdentifierId::new(r.u32()?) },
    |key, horizon| horizon.before_identifier(key)
);

impl OwnerRow {
    /// Of an identifier that was just made.
    pub(crate) const NEW: Self = Self { owner: Owner::Nobody, shared: false, denied: false };

    /// Whether links of the identifier may conduct.
    pub(crate) fn may_conduct(&self) -> bool {
        !self.shared && !self.denied
    }

    pub(crate) fn person(&self) -> Option<PersonKey> {
        match self.owner {
            Owner::Person { key, .. } => Some(PersonKey::new(key)),
            Owner::Household { .. } | Owner::Nobody => None,
        }
    }

    pub(crate) fn household(&self) -> Option<HouseholdKey> {
        match self.owner {
            Owner::Household { key } => Some(HouseholdKey::new(key)),
            Owner::Person { .. } | Owner::Nobody => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct StoredEvidence {
    pub(crate) source: u16,
    pub(crate) kind: Option<u16>,
    /// Whether it was said by records with a key: what a record said can be told apart again, the rest cannot.
    pub(crate) recorded: bool,
    pub(crate) confidence: f64,
    pub(crate) count: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl StoredEvidence {
    /// Adds to evidence, ordered by source, kind, recorded, what was said once more.
    pub(crate) fn note(
        evidence: &mut Vec<Self>,
        (source, kind, recorded): (u16, Option<u16>, bool),
        confidence: f64,
        time: i64,
    ) {
        let said = (source, kind, recorded);
        match evidence.binary_search_by_key(&said, |known| (known.source, known.kind, known.recorded)) {
            Ok(at) => {
                let known = &mut evidence[at];
                known.confidence = known.confidence.max(confidence);
                known.count += 1;
                known.first = known.first.min(time);
                known.last = known.last.max(time);
            }
            Err(at) => evidence
                .insert(at, Self { source, kind, recorded, confidence, count: 1, first: time, last: time }),
        }
    }

    /// The weight of a link with this evidence.
    pub(crate) fn weigh(evidence: &[Self]) -> f64 {
        combine(evidence.iter().map(|said| (SourceId::new(said.source), said.confidence)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum StoredHold {
    MaxIdentifiers,
    MaxPerPerson(u16),
    MaxPersons,
    Forbidden,
}

impl From<HeldBackBy> for StoredHold {
    fn from(held: HeldBackBy) -> Self {
        match held {
            HeldBackBy::MaxIdentifiers => Self::MaxIdentifiers,
            HeldBackBy::MaxPerPerson(namespace) => Self::MaxPerPerson(namespace.get()),
            HeldBackBy::MaxPersons => Self::MaxPersons,
            HeldBackBy::Forbidden => Self::Forbidden,
        }
    }
}

impl From<StoredHold> for HeldBackBy {
    fn from(held: StoredHold) -> Self {
        match held {
            StoredHold::MaxIdentifiers => Self::MaxIdentifiers,
            StoredHold::MaxPerPerson(namespace) => Self::MaxPerPerson(NamespaceId::new(namespace)),
            StoredHold::MaxPersons => Self::MaxPersons,
            StoredHold::Forbidden => Self::Forbidden,
        }
    }
}

/// One direction of a link. What resolution needs stands in both directions;
/// the evidence stands once, from the lower id to the higher.
#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct LinkRow {
    pub(crate) weight: f64,
    pub(crate) last: i64,
    pub(crate) held: Option<StoredHold>,
    /// Ordered by source, kind, recorded; empty from the higher id to the lower.
    pub(crate) evidence: Vec<StoredEvidence>,
}
row!(
    LinkRow,
    Links,
    |key: LinkKey| KeyBytes::new(&[
        &key.0.get().to_be_bytes(),
        &key.1.get().to_be_bytes(),
        &key.2.get().to_be_bytes()
    ]),
    |r| (IdentifierId::new(r.u32()?), NamespaceId::new(r.u16()?), IdentifierId::new(r.u32()?)),
    |key, horizon| horizon.before_identifier(key.0.max(key.2))
);

impl LinkRow {
    /// The prefix of an identifier's links, or of those to one namespace, and the least key in it.
    pub(crate) fn range(id: IdentifierId, namespace: Option<NamespaceId>) -> (KeyBytes, LinkKey) {
        let from = (id, namespace.unwrap_or(NamespaceId::new(0)), IdentifierId::new(0));
        let own = id.get().to_be_bytes();
        let prefix = match namespace {
            None => KeyBytes::new(&[&own]),
            Some(namespace) => KeyBytes::new(&[&own, &namespace.get().to_be_bytes()]),
        };
        (prefix, from)
    }
}

/// What a [`LinkRow`] begins with: its evidence is not looked at.
#[derive(Clone, Copy, Debug, Encode, Decode)]
pub(crate) struct LinkFront {
    pub(crate) weight: f64,
    pub(crate) last: i64,
    pub(crate) held: Option<StoredHold>,
}

impl From<&LinkRow> for LinkFront {
    fn from(link: &LinkRow) -> Self {
        Self { weight: link.weight, last: link.last, held: link.held }
    }
}

front!(LinkFront = LinkRow, |key, payload| Ok(decode_front(key, payload)?.0));

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct StoredMember {
    pub(crate) id: u32,
    pub(crate) namespace: u16,
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct PersonHead {
    pub(crate) id: u64,
    pub(crate) born: u64,
    pub(crate) created_at: i64,
    pub(crate) size: u32,
    /// The number that the next chunk gets; one for a person whose members are all in chunk 0.
    pub(crate) chunks: u32,
    /// How many identifiers of each namespace it holds, ordered by namespace.
    pub(crate) counts: Vec<(u16, u32)>,
    pub(crate) household: Option<u64>,
    /// The raw component that it is a part of, if a limit cuts that.
    pub(crate) component: Option<u64>,
    /// How many overrides stand on its identifiers.
    pub(crate) overrides: u32,
}

impl PersonHead {
    pub(crate) fn person_id(&self) -> PersonId {
        PersonId::from_raw(self.id)
    }
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct PersonChunk {
    /// In chunk 0 and nowhere else.
    pub(crate) head: Option<PersonHead>,
    pub(crate) members: Vec<StoredMember>,
}
row!(
    PersonChunk,
    Persons,
    |key: ChunkKey| KeyBytes::new(&[&key.0.get().to_be_bytes(), &key.1.to_be_bytes()]),
    |r| (PersonKey::new(r.u64()?), r.u32()?),
    |key, horizon| horizon.before_person(key.0)
);

/// What a [`PersonChunk`] begins with: its members are not looked at.
#[derive(Debug)]
pub(crate) struct PersonFront {
    pub(crate) head: Option<PersonHead>,
}

front!(PersonFront = PersonChunk, |key, payload| Ok(Self { head: decode_front(key, payload)?.0 }));

/// What an id of a person stands for today.
#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) enum PersonIdRow {
    /// The person with this key.
    Living(u64),
    /// It was merged into the person with this id.
    Merged(u64),
    /// All of it was forgotten.
    Erased,
}
row!(
    PersonIdRow,
    PersonIds,
    |key: PersonId| KeyBytes::new(&[&key.get().to_be_bytes()]),
    |r| { PersonId::from_raw(r.u64()?) },
    |key, horizon| horizon.before_identifier(key.anchor())
);

/// The strongest link that any member of a person has to a household-scope identifier.
#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct HomeRow {
    pub(crate) weight: f64,
    pub(crate) last: i64,
    /// The member whose link it is.
    pub(crate) via: u32,
    pub(crate) held: Option<StoredHold>,
}
row!(
    HomeRow,
    Homes,
    |key: HomeKey| KeyBytes::new(&[&key.0.get().to_be_bytes(), &key.1.get().to_be_bytes()]),
    |r| (PersonKey::new(r.u64()?), IdentifierId::new(r.u32()?)),
    |key, horizon| horizon.before_person(key.0) || horizon.before_identifier(key.1)
);

#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct ResidentRow;
row!(
    ResidentRow,
    Residents,
    |key: ResidentKey| KeyBytes::new(&[&key.0.get().to_be_bytes(), &key.1.get().to_be_bytes()]),
    |r| (IdentifierId::new(r.u32()?), PersonKey::new(r.u64()?)),
    |key, horizon| horizon.before_person(key.1) || horizon.before_identifier(key.0)
);

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct HouseholdHead {
    pub(crate) id: u64,
    pub(crate) born: u64,
    pub(crate) created_at: i64,
    pub(crate) persons: u32,
    pub(crate) identifiers: u32,
}
row!(
    HouseholdHead,
    Households,
    |key: HouseholdKey| KeyBytes::new(&[&key.get().to_be_bytes()]),
    |r| { HouseholdKey::new(r.u64()?) },
    |key, horizon| horizon.before_household(key)
);

#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct HouseholdMemberRow;
row!(
    HouseholdMemberRow,
    HouseholdMembers,
    |key: HouseholdMemberKey| {
        let household = key.0.get().to_be_bytes();
        match key.1 {
            HouseholdMember::Person(person) => {
                KeyBytes::new(&[&household, &[0], &person.get().to_be_bytes()])
            }
            HouseholdMember::Identifier(id) => {
                KeyBytes::new(&[&household, &[1], &u64::from(id.get()).to_be_bytes()])
            }
        }
    },
    |r| {
        let household = HouseholdKey::new(r.u64()?);
        let [tag] = r.take()?;
        let number = r.u64()?;
        let member = match tag {
            0 => HouseholdMember::Person(PersonKey::new(number)),
            1 => HouseholdMember::Identifier(IdentifierId::new(u32::try_from(number).ok()?)),
            _ => return None,
        };
        (household, member)
    },
    |key, horizon| horizon.before_household(key.0)
);

/// What an id of a household stands for today.
#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) enum HouseholdIdRow {
    /// The household with this key.
    Living(u64),
    /// It was merged into the household with this id.
    Merged(u64),
    /// Nothing joins its persons any longer.
    Dissolved,
}
row!(
    HouseholdIdRow,
    HouseholdIds,
    |key: HouseholdId| KeyBytes::new(&[&key.get().to_be_bytes()]),
    |r| { HouseholdId::from_raw(r.u64()?) },
    |key, horizon| horizon.before_identifier(key.anchor())
);

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) enum StoredAttribute {
    String(String),
    Number(f64),
    Bool(bool),
    Timestamp(i64),
}

impl From<&AttributeValue> for StoredAttribute {
    fn from(value: &AttributeValue) -> Self {
        match value {
            AttributeValue::String(text) => Self::String(text.clone()),
            AttributeValue::Number(number) => Self::Number(*number),
            AttributeValue::Bool(value) => Self::Bool(*value),
            AttributeValue::Timestamp(time) => Self::Timestamp(time.micros()),
        }
    }
}

impl StoredAttribute {
    pub(crate) fn to_model(&self) -> AttributeValue {
        match self {
            Self::String(text) => AttributeValue::String(text.clone()),
            Self::Number(number) => AttributeValue::Number(*number),
            Self::Bool(value) => AttributeValue::Bool(*value),
            Self::Timestamp(micros) => AttributeValue::Timestamp(time(*micros)),
        }
    }
}

/// What a record said at once: these identifiers belong together.
#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct StoredClaim {
    /// Ascending.
    pub(crate) identifiers: Vec<u32>,
    pub(crate) kind: Option<u16>,
    pub(crate) confidence: f64,
    pub(crate) count: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Pairs of them that the source took back, the lower first, ascending.
    pub(crate) withdrawn: Vec<(u32, u32)>,
}

impl StoredClaim {
    /// The pairs that it ties, the lower first.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let ids = &self.identifiers;
        ids.iter()
            .enumerate()
            .flat_map(move |(at, a)| ids[at + 1..].iter().map(move |b| (*a, *b)))
            .filter(|pair| !self.withdrawn.contains(pair))
    }
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct RecordRow {
    /// `None` for attributes that came without a record id.
    pub(crate) record_id: Option<String>,
    pub(crate) claims: Vec<StoredClaim>,
    /// The latest value of each attribute with its event time, ordered by attribute.
    pub(crate) attributes: Vec<(u16, StoredAttribute, i64)>,
}
impl RecordRow {
    /// Adds that the record said at once that these belong together; `identifiers` are ascending.
    pub(crate) fn claim(&mut self, identifiers: Vec<u32>, kind: Option<u16>, confidence: f64, time: i64) {
        let same = |claim: &&mut StoredClaim| {
            claim.identifiers == identifiers
                && claim.kind == kind
                && claim.confidence == confidence
                && claim.withdrawn.is_empty()
        };
        match self.claims.iter_mut().find(same) {
            Some(claim) => {
                claim.count += 1;
                claim.first = claim.first.min(time);
                claim.last = claim.last.max(time);
            }
            None => {
                self.claims.push(StoredClaim {
                    identifiers,
                    kind,
                    confidence,
                    count: 1,
                    first: time,
                    last: time,
                    withdrawn: Vec::new(),
                });
                self.order_claims();
            }
        }
    }

    fn order_claims(&mut self) {
        self.claims.sort_by(|x, y| {
            (&x.identifiers, x.kind)
                .cmp(&(&y.identifiers, y.kind))
                .then(x.confidence.total_cmp(&y.confidence))
        });
    }

    /// Makes one of claims that have come to say the same.
    pub(crate) fn join_claims(&mut self) {
        self.order_claims();
        self.claims.dedup_by(|claim, before| {
            let same = claim.identifiers == before.identifiers
                && claim.kind == before.kind
                && claim.confidence == before.confidence
                && claim.withdrawn == before.withdrawn;
            if same {
                before.count += claim.count;
                before.first = before.first.min(claim.first);
                before.last = before.last.max(claim.last);
            }
            same
        });
    }

    /// Notes the value of an attribute of this name and number at a time; of two
    /// at once the greater stands, of two words about a purpose the more restrictive.
    pub(crate) fn learn(&mut self, name: &str, attribute: u16, value: &StoredAttribute, time: i64) {
        let order = |known: &StoredAttribute| {
            let (value, known) = (value.to_model(), known.to_model());
            consent::said(name, &value).cmp(&consent::said(name, &known)).then(value.order(&known))
        };
        let known = &mut self.attributes;
        match known.binary_search_by_key(&attribute, |(known, ..)| *known) {
            Ok(at) => {
                let (_, old, since) = &known[at];
                if time > *since || (time == *since && order(old).is_gt()) {
                    known[at] = (attribute, value.clone(), time);
                }
            }
            Err(at) => known.insert(at, (attribute, value.clone(), time)),
        }
    }
}
row!(RecordRow, Records, |key: RecordKey| KeyBytes::new(&[&key.0.get().to_be_bytes(), &key.1]), |r| (
    SourceId::new(r.u16()?),
    r.take()?
));

#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct KeyRingRow;
row!(
    KeyRingRow,
    KeyRing,
    |key: KeyRingKey| KeyBytes::new(&[&key.0.get().to_be_bytes(), &key.1.get().to_be_bytes(), &key.2]),
    |r| (IdentifierId::new(r.u32()?), SourceId::new(r.u16()?), r.take()?),
    |key, horizon| horizon.before_identifier(key.0)
);

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct StoredRejection {
    pub(crate) index: u32,
    pub(crate) field: String,
    pub(crate) reason: u8,
    pub(crate) message: String,
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct RequestRow {
    /// A hash of the observations, so that an id used twice for different ones is noticed.
    pub(crate) content: Hash128,
    pub(crate) seq: u64,
    pub(crate) accepted: u32,
    pub(crate) denied: u32,
    pub(crate) held_back: u32,
    pub(crate) rejected: Vec<StoredRejection>,
    /// How many values were refused because they were forgotten.
    pub(crate) forgotten: Later<u32>,
}
row!(RequestRow, Requests, |key: Hash128| KeyBytes::new(&[&key]), |r| r.take()?);

/// What somebody said of a pair of identifiers.
#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct StoredOverride {
    pub(crate) require: bool,
    pub(crate) author: String,
    pub(crate) reason: String,
    pub(crate) time: i64,
    pub(crate) seq: u64,
}
row!(
    StoredOverride,
    Overrides,
    |key: PairKey| KeyBytes::new(&[&key.0.get().to_be_bytes(), &key.1.get().to_be_bytes()]),
    |r| (IdentifierId::new(r.u32()?), IdentifierId::new(r.u32()?))
);

impl StoredOverride {
    pub(crate) fn kind(&self) -> OverrideKind {
        if self.require { OverrideKind::Require } else { OverrideKind::Forbid }
    }

    pub(crate) fn to_model(&self) -> Override {
        Override {
            kind: self.kind(),
            author: self.author.clone(),
            reason: self.reason.clone(),
            time: time(self.time),
            seq: Seq::new(self.seq),
        }
    }
}

/// A raw component that a limit cuts.
#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct ComponentRow {
    /// How many links it has; while a cut is due, how many it had at least.
    pub(crate) links: u64,
    /// Whether links wait for a cut.
    pub(crate) due: bool,
}
row!(ComponentRow, Components, |key: u64| KeyBytes::new(&[&key.to_be_bytes()]), |r| r.u64()?);

/// An identifier whose links wait for a cut of its component.
#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct DueRow;
row!(DueRow, Due, |key: IdentifierId| KeyBytes::new(&[&key.get().to_be_bytes()]), |r| {
    IdentifierId::new(r.u32()?)
});

/// The numbers that every batch moves on.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct Counters {
    pub(crate) seq: u64,
    /// When the last write was made.
    pub(crate) time: i64,
    pub(crate) identifiers: u32,
    pub(crate) next_person: u64,
    pub(crate) next_household: u64,
    pub(crate) next_component: u64,
    /// How many identifiers wait for a cut of their component.
    pub(crate) due: u64,
    pub(crate) links: u64,
    pub(crate) persons: u64,
    pub(crate) households: u64,
    pub(crate) records: u64,
    pub(crate) observations: u64,
    /// How many links are held back by a limit.
    pub(crate) held_back: u64,
    /// How many overrides stand.
    pub(crate) overrides: u64,
    /// How many identifiers each namespace has, by its number.
    pub(crate) by_namespace: Vec<u64>,
    /// How many observations each source sent, by its number.
    pub(crate) by_source: Vec<u64>,
    /// How many values were denied: source, namespace, count.
    pub(crate) denied: Vec<(u16, u16, u64)>,
    /// How many values were refused because they were forgotten: source, namespace, count.
    pub(crate) forgotten: Later<Vec<(u16, u16, u64)>>,
}

/// The last field of a row that had none of it at first: a row that was stored
/// before then ends where it would begin, and has the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Encode)]
pub(crate) struct Later<T>(pub(crate) T);

impl<T: Default> Later<T> {
    fn read(field: Result<T, DecodeError>) -> Result<Self, DecodeError> {
        match field {
            // The checksum was right: nothing is missing that was ever there.
            Err(DecodeError::UnexpectedEnd { .. }) => Ok(Self::default()),
            field => field.map(Self),
        }
    }
}

impl<C, T: Decode<C> + Default> Decode<C> for Later<T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::read(T::decode(decoder))
    }
}

impl<'de, C, T: BorrowDecode<'de, C> + Default> BorrowDecode<'de, C> for Later<T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::read(T::borrow_decode(decoder))
    }
}

/// The names that a store has numbered, as stored.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct StoredNames {
    pub(crate) namespaces: Vec<String>,
    pub(crate) sources: Vec<String>,
    pub(crate) kinds: Vec<String>,
    pub(crate) attributes: Vec<String>,
}

/// A stored time, held within the years that print.
pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros.clamp(Timestamp::MIN.micros(), Timestamp::MAX.micros())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn links() -> impl Strategy<Value = (LinkKey, LinkRow)> {
        let held = prop_oneof![
            Just(None),
            Just(Some(StoredHold::MaxIdentifiers)),
            any::<u16>().prop_map(|n| Some(StoredHold::MaxPerPerson(n))),
        ];
        let evidence =
            (any::<u16>(), any::<Option<u16>>(), any::<bool>(), 0.0..1.0, any::<u64>(), any::<i64>())
                .prop_map(|(source, kind, recorded, confidence, count, first)| StoredEvidence {
                    source,
                    kind,
                    recorded,
                    confidence,
                    count,
                    first,
                    last: first,
                });
        (
            (any::<u32>(), any::<u16>(), any::<u32>()),
            (0.0..1.0, any::<i64>(), held, proptest::collection::vec(evidence, 0..4)),
        )
            .prop_map(|((a, n, b), (weight, last, held, evidence))| {
                let key = (IdentifierId::new(a), NamespaceId::new(n), IdentifierId::new(b));
                (key, LinkRow { weight, last, held, evidence })
            })
    }

    proptest! {
        #[test]
        fn rows_come_back((key, row) in links()) {
            let bytes = LinkRow::key_bytes(key);
            prop_assert_eq!(LinkRow::read_key(bytes.as_slice()), Some(key));
            let mut value = Vec::new();
            row.encode_row(key, &mut value);
            prop_assert_eq!(LinkRow::decode_row(bytes.as_slice(), &value).map_err(|e| e.0), Ok(row));
        }

        #[test]
        fn keys_sort_as_their_numbers((a, row) in links(), (b, _) in links()) {
            let _ = row;
            prop_assert_eq!(a.cmp(&b), LinkRow::key_bytes(a).as_slice().cmp(LinkRow::key_bytes(b).as_slice()));
        }

        #[test]
        fn a_flipped_bit_is_noticed((key, row) in links(), at in any::<proptest::sample::Index>(), bit in 0..8u32) {
            let bytes = LinkRow::key_bytes(key);
            let mut value = Vec::new();
            row.encode_row(key, &mut value);
            let at = at.index(value.len());
            value[at] ^= 1 << bit;
            prop_assert!(LinkRow::decode_row(bytes.as_slice(), &value).is_err());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let key = bytes.get(..10).unwrap_or(&bytes);
            prop_assert!(LinkRow::decode_row(key, &bytes).is_err());
            let _ = (LinkRow::read_key(&bytes), HouseholdMemberRow::read_key(&bytes), RecordRow::read_key(&bytes));
        }
    }

    #[test]
    fn a_checksum_is_the_same_in_one_piece_and_in_many() {
        for length in [0, 1, 100, 237, 238, 239, 1_000] {
            let value: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let key = [7; 18];
            let mut hash = xxhash_rust::xxh3::Xxh3::with_seed(Table::Links as u64);
            hash.update(&[18]);
            hash.update(&key);
            hash.update(&value);
            assert_eq!(
                checksum(Table::Links, &key, &value),
                (hash.digest() as u32).to_le_bytes(),
                "{length}"
            );
        }
    }

    #[test]
    fn a_row_from_before_a_field_has_its_default() {
        #[derive(Encode)]
        struct Before {
            content: Hash128,
            seq: u64,
            accepted: u32,
            denied: u32,
            held_back: u32,
            rejected: Vec<StoredRejection>,
        }
        let rejected =
            vec![StoredRejection { index: 3, field: "source".into(), reason: 1, message: "".into() }];
        let before = Before { content: [7; 16], seq: 9, accepted: 5, denied: 1, held_back: 0, rejected };
        let mut value = Vec::new();
        encode_value(Table::Requests, b"key", &before, &mut value);
        let row: RequestRow = decode_value(Table::Requests, b"key", &value).expect("an older row");
        assert_eq!((row.seq, row.rejected.len(), row.forgotten), (9, 1, Later(0)));
        encode_value(Table::Requests, b"key", &RequestRow { forgotten: Later(2), ..row.clone() }, &mut value);
        let again: RequestRow = decode_value(Table::Requests, b"key", &value).expect("a newer row");
        assert_eq!(again, RequestRow { forgotten: Later(2), ..row });
    }

    #[test]
    fn a_row_under_another_key_is_noticed() {
        let row = DictionaryRow { id: 7 };
        let key = (NamespaceId::new(1), [9; 16]);
        let mut value = Vec::new();
        row.encode_row(key, &mut value);
        let other = DictionaryRow::key_bytes((NamespaceId::new(2), [9; 16]));
        assert!(DictionaryRow::decode_row(other.as_slice(), &value).is_err());
    }
}
