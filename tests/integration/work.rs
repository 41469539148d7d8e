//! What hard shapes cost in reads and writes grows with what comes in, not with what is there.

use std::collections::BTreeMap;

use kinfold_engine::Store;
use kinfold_engine::model::{Identifier, Observation, Timestamp};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;
use kinfold_tests::work::SHAPES;

#[test]
fn no_shape_is_quadratic() {
    // A step may cost a little more at four times the size, as where trees grow deeper; were the
    // whole looked at each time, it would cost four times as much.
    for (shape, size) in SHAPES.iter().zip([2_000, 3_000, 2_000, 10, 4_000, 4_000, 1_000]) {
        let small = (shape.run)(size).unwrap_or_else(|error| panic!("{}: {error}", shape.name));
        let large = (shape.run)(4 * size).unwrap_or_else(|error| panic!("{}: {error}", shape.name));
        for (what, small, large) in [
            ("reads", small.reads_a_step(), large.reads_a_step()),
            ("writes", small.writes_a_step(), large.writes_a_step()),
        ] {
            assert!(
                large <= 2.0 * small + 2.0,
                "{}: {what} a step grow from {small:.1} to {large:.1} at four times the size",
                shape.name
            );
        }
    }
}

/// Households of two persons, each with an account, an email and a device.
fn population(households: u32) -> Store {
    let schema = "[namespace.account]\nmax_per_person = 1\n[namespace.email]\n[namespace.device]\n\
                  shared_above = { account = 5 }\n[namespace.address]\nscope = \"household\"\n";
    let store = Store::in_memory(Schema::parse(schema, "schema").expect("valid")).expect("made");
    let observations: Vec<Observation> = (0..2 * households)
        .flat_map(|person| {
            let value = |namespace: &str| Identifier::new(namespace, format!("{namespace}-{person}"));
            let home = Identifier::new("address", format!("address-{}", person / 2));
            let seen = |identifiers| Observation {
                source: "web".to_owned(),
                time: Timestamp::default(),
                identifiers,
                confidence: 0.9,
                kind: None,
                record_id: None,
                attributes: BTreeMap::new(),
            };
            [seen(vec![value("account"), value("email"), home]), seen(vec![value("email"), value("device")])]
        })
        .collect();
    for observations in observations.chunks(500) {
        let batch = Batch { request_id: None, observations: observations.to_vec() };
        store.observe(batch).expect("written");
    }
    store
}

/// A rebuild looked each component up through the rows of its links, which took
/// a minute for a million of them though nothing was to be changed.
#[test]
fn a_rebuild_of_what_is_whole_goes_over_tables_and_looks_nothing_up() {
    let rebuilt = |households: u32| {
        let store = population(households);
        let stats = store.stats().expect("readable");
        assert_eq!((stats.persons, stats.households), (2 * u64::from(households), u64::from(households)));
        let before = store.work_done();
        let plan = store.rebuild().expect("the store is whole");
        assert_eq!((plan.changed, plan.household_changes), (0, 0));
        store.work_done() - before
    };
    let (small, large) = (rebuilt(100), rebuilt(400));
    assert_eq!(
        (large.point_reads, large.seeks, large.rows_written),
        (small.point_reads, small.seeks, small.rows_written)
    );
    assert!(large.rows_scanned <= 4 * small.rows_scanned, "{large:?} beside {small:?}");
}
