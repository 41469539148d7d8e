//! The engine's persons and households are the oracle's, whatever happens to a
//! store and in whatever way; and what a store says of its past, of its changes
//! and of what would be is true.
//!
//! A failure prints the least case that shows it, and the seed to run it again with.

mod bulk;
mod cases;
mod import;
mod runs;

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use kinfold_engine::model::Seq;
use kinfold_engine::read::{AsOf, Read, ViewOptions};
use kinfold_engine::write::Batch;
use kinfold_engine::{Store, ViewError, check};
use kinfold_tests::observed;
use kinfold_tests::oracle::{Rules, Seen, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use cases::{Saw, Step, Suppose};
use runs::{Checked, Manner, Run, by, found, named, run};

/// Runs so many of 10,000 cases, or that share of as many as `KINFOLD_CASES` says.
/// `PROPTEST_RNG_SEED` runs those of an earlier run again.
fn hold<C: std::fmt::Debug>(of_10_000: u32, cases: impl Strategy<Value = C>, test: impl Fn(C) -> Checked) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let all = number("KINFOLD_CASES").unwrap_or(10_000);
    let seed = number("PROPTEST_RNG_SEED").unwrap_or_else(|| {
        let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        moment.map_or(0, |since| since.as_nanos() as u64)
    });
    let mut runner = TestRunner::new(Config {
        cases: u32::try_from(all * u64::from(of_10_000) / 10_000).unwrap_or(u32::MAX).max(1),
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
    hold(4_000, (cases::rules(), cases::steps(14), 1..4usize), |(rules, steps, every)| {
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
    hold(3_000, cases, |(rules, steps, single, supposes)| {
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
    let forgotten_since =
        moment.is_some_and(|moment| run.forgot.is_some_and(|forgot| moment.picture.seq < forgot));
    let pairs = Run::pairs(then, &suppose.without_links);
    let links = pairs.iter().map(|(a, b)| (named(a), named(b))).collect();
    let options = ViewOptions {
        as_of: moment.map(|moment| AsOf::Seq(moment.picture.seq)),
        threshold: suppose.threshold,
        without_sources: suppose.without_sources.iter().cloned().collect(),
        without_links: links,
        purpose: None,
        redact: Vec::new(),
    };
    let view = match run.store.snapshot().view(&options) {
        Ok(view) => view,
        Err(ViewError::UnknownSource { name, .. }) => {
            prop_assert!(!run.world.sources.contains(&name));
            return Ok(());
        }
        Err(ViewError::UnknownIdentifier { identifier }) => {
            let id = (identifier.namespace, identifier.value);
            prop_assert!(forgotten_since || !then.known.contains(&id) || then.rules.denied.contains(&id));
            return Ok(());
        }
        Err(refused) => panic!("{refused}"),
    };
    let lesser_first: Vec<_> = pairs.iter().map(|(a, b)| kinfold_tests::oracle::pair(a, b)).collect();
    if forgotten_since {
        // It is resolved without what was forgotten since, from what was known of the others then.
        observed::answer(&view).expect("readable");
        return Ok(());
    }
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
    hold(1_000, cases, |(rules, steps, inline_limit, every)| {
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
    hold(1_500, cases, |(rules, mut seen, batch)| {
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

/// Keeps the writing thread of a store busy until the answer is dropped.
fn busy(store: &Store) -> mpsc::Sender<()> {
    let (release, wait) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel::<()>();
    let wait_here = move |_| {
        let _ = begin.send(());
        // It ends when the other side is dropped.
        let _ = wait.recv();
    };
    store.submit(Batch::default(), Box::new(wait_here));
    begun.recv().expect("the writer has begun");
    release
}

#[test]
fn what_is_committed_together_was_written_one_after_another() {
    hold(500, (cases::rules(), vec(cases::batch(), 2..9)), |(rules, batches)| {
        let steps: Vec<Step> = batches.iter().cloned().map(Step::Observe).collect();
        let apart =
            run(world(rules.clone()), &steps, Manner { every: usize::MAX, pictures: true, ..MANNER })?;

        let store = Store::in_memory(cases::schema(&rules, None)).expect("there is memory");
        let release = busy(&store);
        let (sender, receipts) = mpsc::channel();
        for batch in &batches {
            let observations = batch.iter().map(Saw::observation).collect();
            let sender = sender.clone();
            let done = move |receipt| drop(sender.send(receipt));
            store.submit(Batch { request_id: None, observations }, Box::new(done));
        }
        drop((release, sender));
        let snapshot = || store.snapshot();
        for (moment, receipt) in apart.moments[1..].iter().zip(receipts) {
            let seq = receipt.expect("the store writes").seq;
            prop_assert_eq!(seq, moment.picture.seq);
            let then = snapshot().as_of(AsOf::Seq(seq)).expect("it is past");
            let then = observed::picture(&then).expect("readable");
            prop_assert_eq!(runs::ids(then), runs::ids(moment.picture.clone()), "as of {}", seq);
        }
        let report = check(&snapshot()).expect("readable");
        prop_assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

#[test]
fn a_schema_is_in_force_from_its_write_on_whatever_is_committed_with_it() {
    let [one, other] = [0.5, 0.9].map(|person_threshold| {
        let rules = Rules { person_threshold, household_threshold: 0.3, ..Rules::default() };
        cases::schema(&rules, None)
    });
    let store = Store::in_memory(one.clone()).expect("there is memory");
    let id = |namespace: &str| (namespace.to_owned(), "v0".to_owned());
    let seen = Seen {
        source: "s0".to_owned(),
        time: 0,
        confidence: 0.6,
        ids: vec![id("account"), id("cookie")],
        record: None,
        withdrawn: BTreeSet::new(),
    };
    let batch = || Batch { request_id: None, observations: vec![observed::observation(&seen)] };
    let (sender, receipts) = mpsc::channel();
    let submit = || {
        let sender = sender.clone();
        store.submit(batch(), Box::new(move |receipt| drop(sender.send(receipt))));
    };
    let release = busy(&store);
    submit();
    std::thread::scope(|scope| {
        let changed = scope.spawn(|| store.apply_schema(&other, by()));
        // It has to be in the queue before the next; nothing tells that it is.
        std::thread::sleep(Duration::from_millis(200));
        submit();
        drop(release);
        changed.join().expect("it does not panic").expect("the schema fits");
    });
    let seqs: Vec<Seq> =
        receipts.iter().take(2).map(|receipt| receipt.expect("the store writes").seq).collect();
    assert_eq!(seqs, [Seq::new(1), Seq::new(3)]);
    for (seq, schema, persons) in [(0, &one, 0), (1, &one, 1), (2, &other, 2), (3, &other, 2)] {
        let then = store.snapshot().as_of(AsOf::Seq(Seq::new(seq))).expect("it is past");
        assert_eq!(then.schema().text(), schema.text(), "as of {seq}");
        assert_eq!(then.person_count().expect("readable"), persons, "as of {seq}");
    }
}
