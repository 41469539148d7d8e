//! What becomes of persons and households when links, or what is said of pairs, change.

use std::collections::BTreeSet;

use super::overlay::{Overlay, corrupt};
use super::persons::{Join, Tie};
use crate::codec::{HomeRow, OwnerRow};
use crate::model::{IdentifierId, NamespaceId, OverrideKind};
use crate::read::ReadResult;

/// A link as it was before a write and is after it: weight and last event time, `None` where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkChange {
    pub(crate) a: IdentifierId,
    pub(crate) b: IdentifierId,
    pub(crate) of_a: NamespaceId,
    pub(crate) of_b: NamespaceId,
    pub(crate) before: Option<(f64, i64)>,
    pub(crate) after: Option<(f64, i64)>,
}

impl LinkChange {
    /// Whether the link had, and has, at least this weight.
    fn reaches(&self, threshold: f64) -> (bool, bool) {
        let reaches = |link: Option<(f64, i64)>| link.is_some_and(|(weight, _)| weight >= threshold);
        (reaches(self.before), reaches(self.after))
    }
}

impl Overlay {
    /// Settles persons, then households, after links changed. `fresh` are
    /// person-scope identifiers that are in no person yet.
    pub(crate) fn settle_links(&mut self, fresh: &[IdentifierId], changes: &[LinkChange]) -> ReadResult<()> {
        let is_personal = |overlay: &Self, change: &LinkChange| {
            overlay.rules.is_person(change.of_a) && overlay.rules.is_person(change.of_b)
        };
        let threshold = self.rules.person_threshold;
        let mut seeds = BTreeSet::new();
        let mut tied = Vec::with_capacity(changes.len());
        for change in changes {
            if !is_personal(self, change) {
                continue;
            }
            // An override has the last word, whatever the weight.
            let said = self.said(change.a, change.b)?;
            let denied = self.is_denied(change.a)? || self.is_denied(change.b)?;
            let (was, is) = match said {
                Some(kind) => (kind == OverrideKind::Require, kind == OverrideKind::Require),
                None if denied => (false, false),
                None => change.reaches(threshold),
            };
            if was != is {
                self.retie((change.a, change.of_a), (change.b, change.of_b), is, &mut seeds)?;
            }
            tied.push((*change, said, was, is));
        }
        let (mut joins, mut changed) = (Vec::new(), Vec::new());
        for (change, said, was, is) in tied {
            let required = said == Some(OverrideKind::Require);
            let conducts = required || (self.may_conduct(change.a)? && self.may_conduct(change.b)?);
            match (was, is) {
                (false, true) if conducts => joins.push(Join { a: change.a, b: change.b }),
                (true, false) => seeds.extend([change.a, change.b]),
                (true, true) if conducts && change.before != change.after && self.in_cut(change.a)? => {
                    changed.push((change.a, change.b));
                }
                _ => {}
            }
        }
        let grown = self.settle_persons(fresh, &joins, &changed, seeds)?;
        let grown = self.settle_homes(changes)? && grown;
        if grown { self.settle_grown_households() } else { self.settle_households() }
    }

    /// Settles where persons live after links changed; says whether that can only have become more.
    pub(super) fn settle_homes(&mut self, changes: &[LinkChange]) -> ReadResult<bool> {
        let threshold = self.rules.household_threshold;
        let mut grown = true;
        for change in changes {
            let (was, is) = change.reaches(threshold);
            if !was && !is {
                continue;
            }
            match (self.rules.is_person(change.of_a), self.rules.is_person(change.of_b)) {
                (true, true) => {}
                (false, false) => {
                    self.touched.identifiers.extend([change.a, change.b]);
                    grown &= is;
                }
                (true, false) => grown &= self.settle_home(change.a, change.b, change)?,
                (false, true) => grown &= self.settle_home(change.b, change.a, change)?,
            }
        }
        Ok(grown)
    }

    /// Settles where the person of `member` lives; says whether that can only have become more.
    fn settle_home(
        &mut self,
        member: IdentifierId,
        home: IdentifierId,
        change: &LinkChange,
    ) -> ReadResult<bool> {
        let Some(person) = self.owner(member)?.and_then(|row| row.person()) else {
            return Err(corrupt::<OwnerRow>(format!("identifier {} is in no person", member.get())));
        };
        // A denied member says nothing of where its person lives.
        if self.is_denied(member)? {
            return Ok(true);
        }
        let lessened = |(before, _): (f64, i64), (after, _): (f64, i64)| after < before;
        match (change.before, change.after) {
            (before, Some((weight, last)))
                if weight >= self.rules.household_threshold
                    && before.is_none_or(|before| !lessened(before, (weight, last)) && before.1 <= last) =>
            {
                self.offer_home(person, home, HomeRow { weight, last, via: member.get(), held: None })?;
                Ok(true)
            }
            // Another member's link may be the strongest now.
            _ => self.rebuild_homes(person).map(|()| false),
        }
    }

    /// What an override says of a pair.
    pub(crate) fn said(&mut self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<OverrideKind>> {
        if self.counters.overrides == 0 {
            return Ok(None);
        }
        Ok(self.overrides.get(&self.view, (a, b))?.map(|said| said.kind()))
    }

    pub(crate) fn is_denied(&mut self, id: IdentifierId) -> ReadResult<bool> {
        Ok(self.owner(id)?.is_some_and(|row| row.denied))
    }

    /// Whether an identifier's person is a part of a component that was cut.
    fn in_cut(&mut self, id: IdentifierId) -> ReadResult<bool> {
        match self.owner(id)?.and_then(|row| row.person()) {
            Some(person) => Ok(self.read_head(person)?.component.is_some()),
            None => Ok(false),
        }
    }

    /// Counts that two identifiers are tied since, or no longer. Where that makes
    /// one of them shared, or no longer shared, it and all that it is tied to
    /// are added to `seeds`.
    pub(crate) fn retie(
        &mut self,
        (a, of_a): (IdentifierId, NamespaceId),
        (b, of_b): (IdentifierId, NamespaceId),
        tied: bool,
        seeds: &mut BTreeSet<IdentifierId>,
    ) -> ReadResult<()> {
        for (end, own, other) in [(a, of_a, of_b), (b, of_b, of_a)] {
            if self.count_tie(end, own, other, tied)? {
                let mut ties: Vec<Tie> = Vec::new();
                self.ties_of(end, &mut ties)?;
                seeds.insert(end);
                seeds.extend(ties.iter().map(|tie| tie.other));
            }
        }
        Ok(())
    }

    /// Counts one tie more or less to a namespace, and says whether the identifier is shared by that, or no longer.
    fn count_tie(
        &mut self,
        id: IdentifierId,
        own: NamespaceId,
        namespace: NamespaceId,
        tied: bool,
    ) -> ReadResult<bool> {
        let rules = std::sync::Arc::clone(&self.rules);
        let rule = rules.of(own);
        if !rule.shared_above.iter().any(|(counted, _)| *counted == namespace) {
            return Ok(false);
        }
        let ties = &mut self.identifier(id)?.ties;
        match (ties.binary_search_by_key(&namespace.get(), |(known, _)| *known), tied) {
            (Ok(at), true) => ties[at].1 += 1,
            (Ok(at), false) if ties[at].1 > 1 => ties[at].1 -= 1,
            (Ok(at), false) => {
                ties.remove(at);
            }
            (Err(at), true) => ties.insert(at, (namespace.get(), 1)),
            (Err(_), false) => {}
        }
        let shared = rule.is_shared(ties);
        // A fresh identifier has no owner row yet; it gets one, so that the mark has a place.
        let owner = self.owner(id)?.unwrap_or(OwnerRow::NEW);
        if owner.shared == shared {
            return Ok(false);
        }
        self.owners.put(id, OwnerRow { shared, ..owner });
        Ok(true)
    }
}
