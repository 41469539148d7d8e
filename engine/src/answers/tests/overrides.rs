//! The answers where people have had their say.

use super::*;
use crate::model::OverrideKind;

#[test]
fn a_required_pair_is_a_step_that_no_withdrawal_takes_away() {
    let case =
        Case::of(&[("email:a", "phone:1", 0.6), ("email:z", "phone:9", 0.9), ("email:a", "email:z", 0.1)]);
    case.act(Act::Require, "email:a", "phone:9");
    let read = case.read();
    let of = together(&read, "phone:1", "email:z");
    let path = [("phone:1", "email:a"), ("email:a", "phone:9"), ("phone:9", "email:z")];
    assert_eq!(ends(&read, &of.path), pairs(&path));
    assert_eq!(ends(&read, &of.bridges), pairs(&path));
    assert!(of.path[1].is_required() && of.path[1].link.is_none());
    assert_eq!(of.path[1].said.as_ref().map(|said| said.author.as_str()), Some("kim"));
    // The cheapest cut goes around it.
    let Parting::Links { links, weight, near, far } = of.parting else { panic!("the ends are not required") };
    assert_eq!(ends(&read, &links), pairs(&[("phone:1", "email:a")]));
    assert_eq!((weight, near, far), (0.6, 1, 3));

    let of = together(&read, "email:a", "phone:9");
    assert_eq!(of.parting, Parting::Required);
    assert_eq!(ends(&read, &of.path), pairs(&[("email:a", "phone:9")]));

    let broken = Assertions::parse("different email:a phone:9", "who.txt").expect("well formed");
    let verdict = broken.check(&read).expect("readable").remove(0);
    let p = person(&read, "email:a");
    let reason = format!("both are {p}: the link of `email:a` and `phone:9` is required");
    assert_eq!(verdict.outcome, Outcome::Broken { reason });
}

#[test]
fn a_forbidden_link_says_who_forbade_it() {
    let case = Case::of(&[("email:a", "phone:1", 0.9), ("phone:1", "email:b", 0.3)]);
    case.act(Act::Forbid, "phone:1", "email:a");
    let read = case.read();
    let apart = two_persons(&read, "email:a", "email:b");
    assert_eq!(apart.forbids, []);
    let steps = path(apart);
    assert_eq!(steps[0].obstacles, [Obstacle::Forbidden]);
    let said = steps[0].step.said.as_ref().expect("it is forbidden");
    assert_eq!(
        (said.kind, said.author.as_str(), said.reason.as_str()),
        (OverrideKind::Forbid, "kim", "a call")
    );
    assert_eq!(steps[1].obstacles, [Obstacle::UnderThreshold { weight: 0.3, threshold: 0.5 }]);

    let apart = two_persons(&read, "phone:1", "email:a");
    let forbids: Vec<_> = apart.forbids.iter().map(|it| (name(&read, it.a), name(&read, it.b))).collect();
    assert_eq!(forbids, pairs(&[("phone:1", "email:a")]));

    let broken = Assertions::parse("same email:a email:b", "who.txt").expect("well formed");
    let verdict = broken.check(&read).expect("readable").remove(0);
    let (a, b, since) = (person(&read, "email:a"), person(&read, "email:b"), said.time);
    let reason = format!(
        "they are {a} and {b}: the link of `email:a` and `phone:1` is forbidden by kim since {since} (a call); \
         1 more link is stopped"
    );
    assert_eq!(verdict.outcome, Outcome::Broken { reason });
}

#[test]
fn a_link_held_back_for_a_forbid_names_it() {
    let case = Case::of(&[("email:a", "phone:1", 0.9), ("phone:1", "email:b", 0.8)]);
    case.act(Act::Forbid, "email:b", "email:a");
    let read = case.read();
    let apart = two_persons(&read, "email:a", "email:b");
    let forbids: Vec<_> = apart.forbids.iter().map(|it| (name(&read, it.a), name(&read, it.b))).collect();
    assert_eq!(forbids, pairs(&[("email:a", "email:b")]));
    let steps = path(apart.clone());
    assert_eq!(steps[0].obstacles, []);
    let held = Held { by: HeldBackBy::Forbidden, allowed: None, together: None, forbids: apart.forbids };
    assert_eq!(steps[1].obstacles, [Obstacle::HeldBack(held)]);
    assert_eq!(near_merges(&read, 9).expect("readable"), []);
}

#[test]
fn what_was_decided_is_no_near_merge() {
    let case = Case::of(&[
        ("email:a", "phone:1", 0.9),
        ("email:b", "phone:2", 0.9),
        ("email:c", "phone:3", 0.9),
        ("email:a", "email:b", 0.4),
        ("phone:1", "phone:2", 0.45),
        ("email:c", "email:b", 0.3),
    ]);
    let told = |case: &Case| -> Vec<(String, String)> {
        let read = case.read();
        let near = near_merges(&read, 9).expect("readable");
        near.iter().map(|it| (name(&read, it.a), name(&read, it.b))).collect()
    };
    assert_eq!(told(&case), pairs(&[("phone:1", "phone:2"), ("email:b", "email:c")]));
    // Rejected for the two persons, by whichever of their links.
    case.act(Act::Forbid, "email:a", "email:b");
    assert_eq!(told(&case), pairs(&[("email:b", "email:c")]));
    // Approved.
    case.act(Act::Require, "email:b", "email:c");
    assert_eq!(told(&case), []);
    case.act(Act::Release, "email:a", "email:b");
    assert_eq!(told(&case), pairs(&[("phone:1", "phone:2")]));
}

#[test]
fn a_network_shows_overrides_without_links() {
    let case =
        Case::of(&[("email:a", "phone:1", 0.9), ("phone:1", "email:b", 0.2), ("email:b", "email:c", 0.9)]);
    case.act(Act::Require, "phone:1", "email:b");
    case.act(Act::Forbid, "email:a", "email:c");
    let read = case.read();
    let all = network(&read, id(&read, "email:a"), 3, 9).expect("it exists");
    let links: Vec<_> = all
        .links
        .iter()
        .map(|it| (name(&read, it.a), name(&read, it.b), it.weight, it.said, it.stops.clone()))
        .collect();
    let expected = [
        ("email:a", "phone:1", Some(0.9), None, vec![Stop::HeldBack(HeldBackBy::Forbidden)]),
        ("email:a", "email:c", None, Some(OverrideKind::Forbid), vec![Stop::Forbidden]),
        ("phone:1", "email:b", Some(0.2), Some(OverrideKind::Require), vec![]),
        ("email:b", "email:c", Some(0.9), None, vec![]),
    ];
    let expected =
        expected.map(|(a, b, weight, said, stops)| (a.to_owned(), b.to_owned(), weight, said, stops));
    assert_eq!(links, expected);
}
