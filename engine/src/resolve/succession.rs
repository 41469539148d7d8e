//! Ids that survive: which part of a changed graph carries which old id on.

use std::hash::Hash;

use hashbrown::HashMap;

use crate::model::Seq;

/// A person or household as it was before a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ancestor<I> {
    /// Its id.
    pub(crate) id: I,
    /// The write that made it.
    pub(crate) born: Seq,
    /// The part that carries its id on: the one with its anchor. `None` when
    /// there is no such part, as for a household that fell apart.
    pub(crate) heir: Option<usize>,
}

/// What becomes of the old ids, and which parts need a new one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Succession<I> {
    /// For each part, the place among the ancestors of the one whose id it keeps.
    pub(crate) keeps: Vec<Option<usize>>,
    /// Old ids that are now another's: the place among the ancestors, and the id that survives.
    pub(crate) merged: Vec<(usize, I)>,
    /// Old ids that nothing carries on.
    pub(crate) ended: Vec<usize>,
}

/// Settles who keeps which id. Of the ancestors whose heir is the same part the
/// oldest survives (of two made by the same write, the lesser id); the others
/// become its aliases. A part that is nobody's heir needs a new id.
pub(crate) fn succeed<I: Copy + Ord + Hash>(ancestors: &[Ancestor<I>], parts: usize) -> Succession<I> {
    let mut keeps: Vec<Option<usize>> = vec![None; parts];
    let mut ended = Vec::new();
    for (at, ancestor) in ancestors.iter().enumerate() {
        let Some(part) = ancestor.heir else {
            ended.push(at);
            continue;
        };
        let age = |at: usize| (ancestors[at].born, ancestors[at].id);
        if keeps[part].is_none_or(|known| age(at) < age(known)) {
            keeps[part] = Some(at);
        }
    }
    let survivor: HashMap<usize, I> =
        keeps.iter().enumerate().filter_map(|(part, at)| at.map(|at| (part, ancestors[at].id))).collect();
    let merged = ancestors
        .iter()
        .enumerate()
        .filter_map(|(at, ancestor)| {
            let survivor = *survivor.get(&ancestor.heir?)?;
            (survivor != ancestor.id).then_some((at, survivor))
        })
        .collect();
    Succession { keeps, merged, ended }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_survives_and_parts_without_an_anchor_are_new() {
        let ancestor = |id: u32, born: u64, heir| Ancestor { id, born: Seq::new(born), heir };
        let ancestors =
            [ancestor(7, 9, Some(0)), ancestor(8, 3, Some(0)), ancestor(5, 3, Some(2)), ancestor(6, 1, None)];
        let settled = succeed(&ancestors, 3);
        assert_eq!(settled.keeps, [Some(1), None, Some(2)]);
        assert_eq!(settled.merged, [(0, 8)]);
        assert_eq!(settled.ended, [3]);
    }
}
