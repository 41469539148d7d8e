//! The answers over other views than the store as it is.

use proptest::prelude::*;

use super::*;
use crate::model::Seq;
use crate::read::{AsOf, ViewOptions};

#[test]
fn a_diff_lists_everybody_concerned_in_both_views() {
    let case = Case::of(&[
        ("email:a", "phone:1", 0.9),
        ("email:b", "phone:2", 0.9),
        ("email:z", "phone:9", 0.9),
        ("email:a", "email:b", 0.9),
        ("email:b", "phone:3", 0.9),
    ]);
    let now = case.read();
    let at = |seq: u64| now.as_of(AsOf::Seq(Seq::new(seq))).expect("it lies behind");
    let a = id(&now, "email:a");

    let merged = diff(&now, &at(3), a).expect("it exists");
    assert_eq!((merged.kind(), merged.then.len(), merged.now.len()), (DiffKind::Merged, 2, 1));
    let shares: Vec<_> = merged.shares.iter().map(|it| (it.then, it.now, it.identifiers.len())).collect();
    assert_eq!(shares, [(None, Some(0), 1), (Some(0), Some(0), 2), (Some(1), Some(0), 2)]);
    assert_eq!(merged.then[0].person.id, merged.now[0].person.id);

    let kind = |now: &Snapshot, then: &Snapshot, name: &str| {
        diff(now, then, id(&case.read(), name)).expect("it exists").kind()
    };
    assert_eq!(kind(&at(3), &now, "email:b"), DiffKind::Split);
    assert_eq!(kind(&now, &at(4), "email:a"), DiffKind::Grew);
    assert_eq!(kind(&at(4), &now, "email:a"), DiffKind::Shrank);
    assert_eq!(kind(&now, &at(3), "email:z"), DiffKind::Same);
    assert_eq!(kind(&now, &at(2), "email:z"), DiffKind::Created);
    assert_eq!(kind(&at(2), &now, "email:z"), DiffKind::Gone);
    let nobody = diff(&at(1), &at(2), id(&now, "email:z")).expect_err("it came later");
    assert!(matches!(nobody, AnswerError::Unknown { .. }));

    let options = ViewOptions { threshold: Some(0.95), ..ViewOptions::default() };
    let strict = now.view(&options).expect("a weight");
    let split = diff(&strict, &now, a).expect("it exists");
    assert_eq!((split.kind(), split.then.len(), split.now.len()), (DiffKind::Split, 1, 5));
}

/// Whether what stops a link and whether it conducts say the same, for every link of a view.
fn stops_agree_with_conducts(read: &impl Read) -> (usize, usize, usize) {
    let mut ground = Ground::new(read);
    let (mut all, mut held, mut stopped) = (0, 0, 0);
    for from in read.identifiers(None) {
        let from = from.expect("readable");
        for tie in ground.ties(from).expect("readable") {
            let Some(link) = tie.link else { continue };
            let stops = ground.stops(from, &tie).expect("readable");
            let is_held = stops.iter().any(|stop| matches!(stop, Stop::HeldBack(_)));
            let conducts = read.conducts(from, &link).expect("readable");
            assert_eq!(conducts, stops.is_empty() || is_held, "{from:?} {tie:?} {stops:?}");
            all += 1;
            held += usize::from(is_held);
            stopped += usize::from(!conducts);
        }
    }
    (all, held, stopped)
}

#[test]
fn what_conducts_is_what_nothing_stops() {
    let case = kite();
    for (at, (a, b)) in [
        ("device:d", "account:1"),
        ("device:d", "account:2"),
        ("device:d", "account:3"),
        ("email:a", "account:1"),
        ("email:b", "account:2"),
        ("email:z", "phone:3"),
        ("email:y", "phone:3"),
        ("email:y", "address:elm 1"),
    ]
    .into_iter()
    .enumerate()
    {
        case.see(if at < 3 { "pos" } else { "app" }, 10 + at as i64, &[a, b], if at < 5 { 0.9 } else { 0.3 });
    }
    case.act(Act::Require, "email:z", "phone:3");
    case.act(Act::Forbid, "email:a", "phone:2");
    let read = case.read();
    let (all, held, stopped) = stops_agree_with_conducts(&read);
    assert_eq!(
        (all, stopped),
        (26, 10),
        "three links of a shared device, a forbidden one, a weak one, both ways"
    );
    assert!(held > 0);

    for options in [
        ViewOptions { threshold: Some(0.85), ..ViewOptions::default() },
        ViewOptions { without_sources: vec!["pos".to_owned()], ..ViewOptions::default() },
        ViewOptions { as_of: Some(AsOf::Seq(Seq::new(7))), ..ViewOptions::default() },
    ] {
        let (other, ..) = stops_agree_with_conducts(&read.view(&options).expect("it can be had"));
        assert!(other > 0 && other <= all);
    }
}

#[test]
fn a_supposed_threshold_is_the_one_that_is_told() {
    let read = kite().read();
    let options = ViewOptions { threshold: Some(0.85), ..ViewOptions::default() };
    let strict = read.view(&options).expect("a weight");
    let steps = path(two_persons(&strict, "email:a", "email:b"));
    let obstacles: Vec<_> = steps.into_iter().map(|it| it.obstacles).collect();
    assert_eq!(obstacles, [vec![], vec![Obstacle::UnderThreshold { weight: 0.8, threshold: 0.85 }]]);
    let near = near_merges(&strict, 1).expect("readable");
    assert_eq!(near[0].apart_by, HeldApart::UnderThreshold { threshold: 0.85, missing: 0.85 - 0.8 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What is said to part two identifiers does so when the store is resolved without it, and no less does.
    #[test]
    fn a_view_without_the_cut_is_parted(
        links in proptest::collection::vec((0_usize..8, 0_usize..8, 5_u32..10), 4..14),
    ) {
        let case = Case::new("[person]\nthreshold = 0.5\n\n[namespace.x]\n");
        for (at, (a, b, tenths)) in links.iter().enumerate().filter(|(_, (a, b, _))| a != b) {
            let (a, b) = (format!("x:{a}"), format!("x:{b}"));
            case.see("web", at as i64, &[&a, &b], f64::from(*tenths) / 10.0);
        }
        let read = case.read();
        let ids: Vec<IdentifierId> = read.identifiers(None).collect::<ReadResult<_>>().expect("readable");
        let named = |id: IdentifierId| name_of(&read, id).expect("readable").expect("it exists");
        let parted = |links: &[&Step], a: IdentifierId, b: IdentifierId| {
            let without_links = links.iter().map(|step| (named(step.from), named(step.to))).collect();
            let options = ViewOptions { without_links, ..ViewOptions::default() };
            let view = read.view(&options).expect("it can be had");
            view.person_of(a).expect("readable") != view.person_of(b).expect("readable")
        };
        for (at, a) in ids.iter().enumerate() {
            for b in &ids[at + 1..] {
                let of = match why(&read, *a, *b).expect("readable") {
                    Why::OnePerson(of) => *of,
                    Why::TwoPersons { .. } => {
                        let WhyNot::TwoPersons(apart) = why_not(&read, *a, *b, 99).expect("readable") else {
                            panic!("they are two persons");
                        };
                        prop_assert!(matches!(apart.way, Way::NoPath { .. }), "every link conducts");
                        continue;
                    }
                    Why::SameIdentifier(_) => panic!("they are two"),
                };
                let (first, last) = (&of.path[0], &of.path[of.path.len() - 1]);
                prop_assert_eq!((first.from, last.to), (*a, *b));
                for step in &of.path {
                    prop_assert_eq!(of.bridges.contains(step), parted(&[step], *a, *b));
                }
                let Parting::Links { links, near, far, .. } = of.parting else { panic!("nothing is required") };
                prop_assert_eq!(near + far, of.person.size as usize);
                let cut: Vec<&Step> = links.iter().collect();
                prop_assert!(parted(&cut, *a, *b));
                for spared in 0..cut.len() {
                    let mut less = cut.clone();
                    less.remove(spared);
                    prop_assert!(!parted(&less, *a, *b));
                }
            }
        }
    }
}
