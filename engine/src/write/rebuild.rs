//! Resolving a store anew as a whole: under a new schema, or to mend what is derived.

use std::sync::Arc;

use super::overlay::Overlay;
use super::{Authored, SchemaError, SchemaPlan};
use crate::codec::{EventRow, KeyBytes, StoredCause};
use crate::model::{Change, Event, PersonChangeKind};
use crate::read::ReadResult;
use crate::rules::Rules;
use crate::schema::Schema;

/// How many of the largest changes a plan shows.
const EXAMPLES: usize = 20;

impl Overlay {
    /// Puts another schema in force and resolves the store again under it.
    /// A schema that cannot be put in force changes nothing.
    pub(crate) fn apply_schema(
        &mut self,
        schema: Arc<Schema>,
        by: &Authored,
    ) -> ReadResult<Result<(), SchemaError>> {
        if let Err(refused) = self.check_schema(&schema) {
            return Ok(Err(refused));
        }
        let mut names = self.names.clone();
        for (name, _) in schema.declared() {
            if let Err(full) = names.add_namespace(name) {
                return Ok(Err(SchemaError::Full(full.to_string())));
            }
        }
        self.names_changed |= names.namespaces.len() != self.names.namespaces.len();
        self.names = names;
        self.counters.seq += 1;
        self.schemas_before.push((self.counters.seq, std::mem::replace(&mut self.schema, schema)));
        self.rules = Arc::new(Rules::new(&self.schema, &self.names));
        self.inline_limit = self.rules.inline_limit;
        self.cause = StoredCause::Schema { author: by.author.clone(), reason: by.reason.clone() };
        self.resolve_all()?;
        Ok(Ok(()))
    }

    /// Resolves the store again under the schema in force. Ids stay.
    pub(crate) fn rebuild(&mut self) -> ReadResult<()> {
        self.counters.seq += 1;
        self.cause = StoredCause::Rebuild;
        self.resolve_all()
    }

    /// What a schema may not change in a store with data: how values are spelt, and what level they are of.
    pub(crate) fn check_schema(&self, schema: &Schema) -> Result<(), SchemaError> {
        for (at, name) in self.names.namespaces.iter().enumerate() {
            if self.counters.by_namespace.get(at).copied().unwrap_or(0) == 0 {
                continue;
            }
            // One that neither declares by name follows the defaults of both.
            let (Some(before), Some(after)) = (self.schema.namespace(name), schema.namespace(name)) else {
                return Err(SchemaError::Dropped { namespace: name.to_owned() });
            };
            if before.rule != after.rule {
                return Err(SchemaError::Normalisation { namespace: name.to_owned() });
            }
            if before.scope != after.scope {
                return Err(SchemaError::Scope { namespace: name.to_owned() });
            }
        }
        Ok(())
    }

    /// What the write at hand would change, or has changed.
    pub(crate) fn plan(&mut self, before: &crate::codec::Counters) -> ReadResult<SchemaPlan> {
        let rows = self.events.range(&self.view, KeyBytes::new(&[]), (before.seq + 1, 0))?;
        let mut plan = SchemaPlan {
            persons_before: before.persons,
            persons_after: self.counters.persons,
            households_before: before.households,
            households_after: self.counters.households,
            held_back_before: before.held_back,
            held_back_after: self.counters.held_back,
            ..SchemaPlan::default()
        };
        let mut largest: Vec<(u64, Event)> = Vec::new();
        for (key, row) in rows.into_iter().filter(|((seq, _), _)| *seq > before.seq) {
            let event = EventRow::to_model(&row, key);
            let size = match &event.change {
                Change::Households(_) => {
                    plan.household_changes += 1;
                    continue;
                }
                Change::Erased(_) => continue,
                Change::Persons(change) => {
                    plan.changed += change.before.len() as u64;
                    match change.kind() {
                        PersonChangeKind::Merged => plan.merged += change.before.len() as u64,
                        PersonChangeKind::Split => plan.split += change.before.len() as u64,
                        _ => plan.moved += change.before.len() as u64,
                    }
                    change.shares.iter().map(|share| u64::from(share.count)).sum()
                }
            };
            largest.push((size, event));
            if largest.len() > 4 * EXAMPLES {
                keep_largest(&mut largest);
            }
        }
        keep_largest(&mut largest);
        plan.examples = largest.into_iter().map(|(_, event)| event).collect();
        plan.untouched = plan.persons_before.saturating_sub(plan.changed);
        Ok(plan)
    }
}

fn keep_largest(events: &mut Vec<(u64, Event)>) {
    events.sort_by_key(|(size, event)| (std::cmp::Reverse(*size), event.index));
    events.truncate(EXAMPLES);
}
