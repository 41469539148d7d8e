//! Links out of what was said of pairs.

use std::io::{self, Read, Write};

use super::intake::{PairSeen, Sightings};
use super::sorter::{Item, Merged, Sorted, number};
use crate::codec::StoredEvidence;
use crate::dense::Bits;
use crate::model::NamespaceId;
use crate::rules::Rules;

/// A link with all that was said of it.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The lower identifier of the two.
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) of_b: u16,
    pub(super) weight: f64,
    pub(super) last: i64,
    pub(super) evidence: Vec<StoredEvidence>,
    /// Where, among all pairs, it reached the weight that was asked for.
    pub(super) reached: Option<u32>,
}

/// Gathers what was said of each pair, leaving out what `without` holds by its place.
pub(super) struct Links<'p> {
    pairs: std::iter::Peekable<Merged<'p, PairSeen>>,
    without: &'p Bits,
}

impl<'p> Links<'p> {
    pub(super) fn new(pairs: &'p Sorted<PairSeen>, without: &'p Bits) -> io::Result<Self> {
        Ok(Self { pairs: pairs.iter()?.peekable(), without })
    }

    /// The next link, in place of the one in `link`; says whether there is one.
    /// `threshold` gives the weight whose reaching is noted, by the two identifiers.
    pub(super) fn next_into(
        &mut self,
        link: &mut Gathered,
        threshold: impl Fn(u32, u32) -> f64,
    ) -> io::Result<bool> {
        loop {
            let Some(first) = self.pairs.next().transpose()? else { return Ok(false) };
            link.evidence.clear();
            (link.a, link.b, link.of_b) = (first.a, first.b, first.of_b);
            (link.weight, link.last, link.reached) = (0.0, i64::MIN, None);
            let wanted = threshold(first.a, first.b);
            let mut seen = first;
            loop {
                if !self.without.has(seen.place) {
                    let by = (seen.source, seen.kind, seen.recorded);
                    StoredEvidence::note(&mut link.evidence, by, seen.confidence, seen.time);
                    link.weight = match link.evidence.as_slice() {
                        // What a single source says once is the weight.
                        [only] => only.confidence,
                        several => StoredEvidence::weigh(several),
                    };
                    link.last = link.last.max(seen.time);
                    if link.reached.is_none() && link.weight >= wanted {
                        link.reached = Some(seen.place);
                    }
                }
                let same = |next: &io::Result<PairSeen>| {
                    next.as_ref().is_ok_and(|next| (next.a, next.b) == (link.a, link.b))
                };
                match self.pairs.next_if(same).transpose()? {
                    Some(next) => seen = next,
                    None => break,
                }
            }
            if !link.evidence.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// The weight from which a link conducts at its level.
pub(super) fn threshold(rules: &Rules, sightings: &Sightings, a: u32, b: u32) -> f64 {
    rules.threshold(sightings.namespace(a), sightings.namespace(b))
}

/// A link from the higher identifier to the lower.
#[derive(Clone, Copy, Debug)]
pub(super) struct Back {
    pub(super) own: u32,
    pub(super) of_other: u16,
    pub(super) other: u32,
    pub(super) weight: f64,
    pub(super) last: i64,
}

impl Item for Back {
    type Key = (u32, u16, u32);

    fn key(&self) -> Self::Key {
        (self.own, self.of_other, self.other)
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.own.to_le_bytes())?;
        to.write_all(&self.of_other.to_le_bytes())?;
        to.write_all(&self.other.to_le_bytes())?;
        to.write_all(&self.weight.to_le_bytes())?;
        to.write_all(&self.last.to_le_bytes())
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let own = u32::from_le_bytes(number(from)?);
        let of_other = u16::from_le_bytes(number(from)?);
        let other = u32::from_le_bytes(number(from)?);
        let weight = f64::from_le_bytes(number(from)?);
        Ok(Self { own, of_other, other, weight, last: i64::from_le_bytes(number(from)?) })
    }
}

/// Where links crossed the weight from which they conduct, and who is tied to whom by that.
#[derive(Debug)]
pub(super) struct Crossings {
    /// By place among all pairs.
    pub(super) at: Bits,
    /// For each identifier as many counts as a namespace names others at most
    /// in `shared_above`: how many of each it is tied to.
    ties: Vec<u32>,
    width: usize,
    /// Identifiers that are shared by their ties.
    pub(super) shared: Vec<u32>,
}

impl Crossings {
    pub(super) fn find(
        pairs: &Sorted<PairSeen>,
        sightings: &Sightings,
        rules: &Rules,
        namespaces: usize,
    ) -> io::Result<Self> {
        let nothing = Bits::default();
        let rule = |namespace: usize| rules.of(NamespaceId::new(namespace as u16));
        let width = (0..namespaces).map(|namespace| rule(namespace).shared_above.len()).max().unwrap_or(0);
        let mut crossings = Self {
            at: Bits::default(),
            ties: vec![0; width * sightings.nodes.len()],
            width,
            shared: Vec::new(),
        };
        let mut links = Links::new(pairs, &nothing)?;
        let mut link = Gathered::default();
        while links.next_into(&mut link, |a, b| threshold(rules, sightings, a, b))? {
            let Some(place) = link.reached else { continue };
            crossings.at.add(place);
            let (of_a, of_b) = (sightings.namespace(link.a), sightings.namespace(link.b));
            if width > 0 && rules.is_person(of_a) && rules.is_person(of_b) {
                crossings.tie(link.a, of_a, of_b, rules);
                crossings.tie(link.b, of_b, of_a, rules);
            }
        }
        Ok(crossings)
    }

    fn tie(&mut self, id: u32, own: NamespaceId, other: NamespaceId, rules: &Rules) {
        let counted = &rules.of(own).shared_above;
        for (at, (namespace, most)) in counted.iter().enumerate() {
            if *namespace == other {
                let count = &mut self.ties[id as usize * self.width + at];
                *count += 1;
                if *count == most + 1 {
                    self.shared.push(id);
                }
            }
        }
    }

    /// How many of each namespace that counts an identifier is tied to, ordered by namespace.
    pub(super) fn ties(&self, id: u32, own: NamespaceId, rules: &Rules) -> Vec<(u16, u32)> {
        let counts = self.ties.get(id as usize * self.width..).unwrap_or_default();
        rules
            .of(own)
            .shared_above
            .iter()
            .zip(counts)
            .filter(|(_, count)| **count > 0)
            .map(|((namespace, _), count)| (namespace.get(), *count))
            .collect()
    }
}
