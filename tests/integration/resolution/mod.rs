//! The engine's persons and households are the oracle's, whatever happens to a
//! store and in whatever way; and what a store says of its past, of its changes
//! and of what would be is true.
//!
//! A failure prints the least case that shows it, and the seed to run it again with.

mod cases;
mod runs;

use kinfold_engine::ViewError;
use kinfold_engine::read::{AsOf, Read, ViewOptions};
use kinfold_tests::observed;
use kinfold_tests::oracle::{Rules, Seen, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use cases::{Saw, Step, Suppose};
use runs::{Checked, Manner, Run, found, named, run};

/// Runs a share of all cases: of 10,000, or of as many as `KINFOLD_CASES` says.
/// `PROPTEST_RNG_SEED` runs those of an earlier run again.
fn hold<C: std::fmt::Debug>(percent: u32, cases: impl Strategy<Value = C>, test: impl Fn(C) -> Checked) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let all = number("KINFOLD_CASES").unwrap_or(10_000);
    let seed = number("PROPTEST_RNG_SEED").unwrap_or_else(|| {
        let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        moment.map_or(0, |since| since.as_nanos() as u64)
    });
    let mut runner = TestRunner::new(Config {
        cases: u32::try_from(all * u64::from(percent) / 100).unwrap_or(u32::MAX).max(1),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 3_000,
        ..Config::default()
    });
    if let Err(failure) = runner.run(&cases, test) {
        panic!("{failure}\nto run it again: PROPTEST_RNG_SEED={seed} KINFOLD_CASES={all}");
    }
}

fn world(rules: Rules) -> World {
    World { rules, ..World::default() }
}

const MANNER: Manner = Manner { single: false, inline_limit: None, every: 1, pictures: false };

#[test]
fn whatever_happens_persons_and_households_are_the_oracles() {
    hold(40, (cases::rules(), cases::steps(14), 1..4usize), |(rules, steps, every)| {
        let together = run(world(rules.clone()), &steps, Manner { every, ..MANNER })?;
        together.all_ids_lead_on()?;
        let answer = together.world.resolve();
        for id in &together.world.known {
            found(&together.store.snapshot(), id, &answer)?;
        }
        // One by one the same observations in the same order give the same ids too.
        let single = run(world(rules), &steps, Manner { single: true, every: usize::MAX, ..MANNER })?;
        prop_assert_eq!(single.ids(), together.ids());
        Ok(())
    });
}

#[test]
fn the_past_stands_and_what_would_be_is_as_if_it_were() {
    let cases = (cases::rules(), cases::steps(10), any::<bool>(), vec(cases::suppose(), 1..4));
    hold(30, cases, |(rules, steps, single, supposes)| {
        let manner = Manner { single, every: usize::MAX, pictures: true, ..MANNER };
        let run = run(world(rules), &steps, manner)?;
        run.events_tell_all()?;
        run.earlier_states_stand()?;
        for suppose in &supposes {
            would_be(&run, suppose)?;
        }
        Ok(())
    });
}

/// A supposed state is what the oracle makes of a world that is so.
fn would_be(run: &Run, suppose: &Suppose) -> Checked {
    let moment = suppose.then.map(|then| &run.moments[then % run.moments.len()]);
    let then = moment.map_or(&run.world, |moment| &moment.world);
    let pairs = Run::pairs(then, &suppose.without_links);
    let links = pairs.iter().map(|(a, b)| (named(a), named(b))).collect();
    let options = ViewOptions {
        as_of: moment.map(|moment| AsOf::Seq(moment.picture.seq)),
        threshold: suppose.threshold,
        without_sources: suppose.without_sources.iter().cloned().collect(),
        without_links: links,
        purpose: None,
    };
    let view = match run.store.snapshot().view(&options) {
        Ok(view) => view,
        Err(ViewError::UnknownSource { name, .. }) => {
            prop_assert!(!run.world.sources.contains(&name));
            return Ok(());
        }
        Err(ViewError::UnknownIdentifier { identifier }) => {
            let id = (identifier.namespace, identifier.value);
            prop_assert!(!then.known.contains(&id) || then.rules.denied.contains(&id));
            return Ok(());
        }
        Err(refused) => panic!("{refused}"),
    };
    let lesser_first: Vec<_> = pairs.iter().map(|(a, b)| kinfold_tests::oracle::pair(a, b)).collect();
    let world = suppose.world(then, &lesser_first);
    let expected = world.resolve();
    // Only what is asked for is resolved: the answers may not depend on what was asked before.
    match suppose.order {
        0 => {}
        1 => {
            let households = view.households().count();
            prop_assert_eq!(households, expected.households.len());
        }
        2 => {
            for id in &world.known {
                found(&view, id, &expected)?;
            }
        }
        _ => {
            for id in world.known.iter().rev() {
                found(&view, id, &expected)?;
            }
        }
    }
    prop_assert_eq!(&observed::answer(&view).expect("readable"), &expected, "{:?}", options);
    let counts = [view.person_count(), view.household_count(), view.link_count()];
    let counts = counts.map(|count| count.expect("readable"));
    let expected = [expected.persons.len(), expected.households.len(), world.links().len()];
    prop_assert_eq!(counts, expected.map(|count| count as u64));
    Ok(())
}

#[test]
fn what_is_cut_in_the_background_is_cut_alike() {
    let cases = (cases::rules(), cases::steps(10), 1..7usize, 1..6usize);
    hold(10, cases, |(rules, steps, inline_limit, every)| {
        let manner = Manner { single: false, inline_limit: Some(inline_limit), every, pictures: true };
        let run = run(world(rules), &steps, manner)?;
        run.all_ids_lead_on()?;
        run.events_tell_all()?;
        run.earlier_states_stand()
    });
}

#[test]
fn in_any_order_the_same_observations_give_the_same_persons() {
    let cases = (cases::rules(), vec((cases::plain(), any::<u32>()), 1..40), 1..12usize);
    hold(20, cases, |(rules, mut seen, batch)| {
        let steps = |seen: &[(Seen, u32)]| -> Vec<Step> {
            let batches = seen.chunks(batch);
            batches
                .map(|some| Step::Observe(some.iter().map(|(seen, _)| Saw::plain(seen)).collect()))
                .collect()
        };
        let manner = Manner { every: usize::MAX, ..MANNER };
        let one = run(world(rules.clone()), &steps(&seen), manner)?;
        seen.sort_by_key(|(_, place)| *place);
        let other = run(world(rules), &steps(&seen), manner)?;
        let answers = [one, other].map(|run| observed::answer(&run.store.snapshot()).expect("readable"));
        prop_assert_eq!(&answers[0], &answers[1]);
        Ok(())
    });
}
