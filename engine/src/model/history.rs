//! History: what changed in who is who, when and because of what.

use super::{HouseholdId, IdentifierId, KindId, OverrideKind, PersonId, Seq, SourceId, Timestamp};

/// One change to who is who.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// The write that made the change.
    pub seq: Seq,
    /// Its place among the events of that write, from 0.
    pub index: u32,
    /// When, by the store's clock; never earlier than that of an earlier event.
    pub time: Timestamp,
    /// What brought the change about.
    pub cause: Cause,
    /// What changed.
    pub change: Change,
}

/// What brought a change about.
#[derive(Clone, PartialEq, Debug)]
pub enum Cause {
    /// A source saw these identifiers together.
    Observation {
        /// The source.
        source: SourceId,
        /// The kind of link that it named.
        kind: Option<KindId>,
        /// The identifiers, as the observation gave them.
        identifiers: Vec<IdentifierId>,
    },
    /// Somebody forbade or required a pair, or took that back.
    Override {
        /// What was set; `None` where the override was released.
        set: Option<OverrideKind>,
        /// The pair.
        pair: (IdentifierId, IdentifierId),
        /// Who did it.
        author: String,
        /// Why.
        reason: String,
    },
    /// Evidence of a source was withdrawn.
    Retraction {
        /// Whose evidence.
        source: SourceId,
        /// What of it.
        what: Retracted,
        /// Who withdrew it.
        author: String,
        /// Why.
        reason: String,
    },
    /// The schema was changed.
    Schema {
        /// Who changed it.
        author: String,
        /// Why.
        reason: String,
    },
    /// The store was resolved again as a whole.
    Rebuild,
    /// A raw component that was too large to be cut within a write was cut after it.
    BackgroundCut,
    /// The store was loaded in bulk.
    BulkLoad,
    /// Identifiers were forgotten.
    Erasure {
        /// Who had them forgotten.
        author: String,
        /// Why.
        reason: String,
    },
}

/// What of a source's evidence was withdrawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Retracted {
    /// What it said of the link between two identifiers.
    Link(IdentifierId, IdentifierId),
    /// What one of its records said; the record's id, where it had one.
    Record(Option<String>),
    /// All that it ever said.
    Source,
}

/// What changed.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// Who is who.
    Persons(PersonChange),
    /// Who lives with whom.
    Households(HouseholdChange),
    /// What is no more.
    Erased(ErasedChange),
}

/// A change to persons: those of `before` were there, those of `after` are.
#[derive(Clone, PartialEq, Debug)]
pub struct PersonChange {
    /// The persons concerned as they were, ascending; none where all identifiers are new.
    pub before: Vec<PersonId>,
    /// The persons concerned as they are, ascending.
    pub after: Vec<PersonId>,
    /// Who went where: one for each old person (or none) and each new one that
    /// share identifiers, ordered by both.
    pub shares: Vec<Share>,
}

/// Identifiers that were one person's, or nobody's, and are one person's now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// Whose they were; `None` for identifiers that are new.
    pub from: Option<PersonId>,
    /// Whose they are.
    pub to: PersonId,
    /// How many.
    pub count: u32,
    /// Which, ascending. Empty for those that stayed in place, as the largest
    /// share of a person does, so that an event costs what moved and no more.
    pub identifiers: Vec<IdentifierId>,
}

/// In what way persons changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PersonChangeKind {
    /// A person was made of identifiers that were new.
    Created,
    /// A person took in identifiers that were new.
    Grew,
    /// Persons became one.
    Merged,
    /// A person fell apart.
    Split,
    /// Identifiers went from some persons to others.
    Moved,
}

impl PersonChangeKind {
    /// A stable word for programs and for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Grew => "grew",
            Self::Merged => "merged",
            Self::Split => "split",
            Self::Moved => "moved",
        }
    }
}

impl PersonChange {
    /// In what way they changed.
    pub fn kind(&self) -> PersonChangeKind {
        match (self.before.len(), self.after.len()) {
            (0, _) => PersonChangeKind::Created,
            (1, 1) if self.before == self.after => PersonChangeKind::Grew,
            (1, _) => PersonChangeKind::Split,
            (_, 1) => PersonChangeKind::Merged,
            _ => PersonChangeKind::Moved,
        }
    }
}

/// A change to households.
#[derive(Clone, PartialEq, Debug)]
pub struct HouseholdChange {
    /// The households concerned as they were, ascending.
    pub before: Vec<HouseholdId>,
    /// The households concerned as they are, ascending.
    pub after: Vec<HouseholdId>,
    /// Persons whose household is another than it was, ordered by person.
    pub moved: Vec<HouseholdMove>,
}

/// A person whose household is another than it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HouseholdMove {
    /// The person.
    pub person: PersonId,
    /// Its household before.
    pub from: Option<HouseholdId>,
    /// Its household now.
    pub to: Option<HouseholdId>,
}

/// Identifiers that were forgotten, each alone in its person by then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErasedChange {
    /// The persons that are no more, ascending; none for identifiers of household scope.
    pub before: Vec<PersonId>,
    /// The persons that ids of those before lead to now, ascending: who was one
    /// person with them. An id of `before` that leads to none of these is gone.
    pub after: Vec<PersonId>,
    /// How many identifiers.
    pub identifiers: u32,
}

impl Event {
    /// A stable word for what happened: `created`, `grew`, `merged`, `split`, `moved`, `household` or `erased`.
    pub fn word(&self) -> &'static str {
        match &self.change {
            Change::Persons(change) => change.kind().word(),
            Change::Households(_) => "household",
            Change::Erased(_) => "erased",
        }
    }
}
