//! Seeded input for benchmarks, and what `benches/compare` asks of a store.
//!
//! [`population`] makes observations for the criterion benchmarks: the same seed
//! gives the same ones. [`drive`] does the work of a comparison on a store or a
//! server and gives figures; [`floor`] does the same in memory, with nothing
//! stored, to know how fast it could be. [`load`] asks one server from many
//! connections at once, and says whether it stands that.

pub mod drive;
pub mod figures;
pub mod floor;
pub mod load;
pub mod workload;

use std::collections::BTreeMap;

use kinfold_engine::model::{Identifier, Observation, Timestamp};
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// The links of `persons` persons, in random order: each person is an account
/// with emails, devices and cookies, about ten identifiers and ten links, and
/// every second one has an address that others share.
pub fn population(persons: u32, seed: u64) -> Vec<Observation> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut observations = Vec::new();
    for person in 0..persons {
        let mut own = vec![Identifier::new("account", format!("a{person:08}"))];
        for (namespace, most) in [("email", 3), ("device", 4), ("cookie", 8)] {
            for at in 0..random.random_range(1..=most) {
                let value = match namespace {
                    "email" => format!("user{person}.{at}@mail{}.example.org", person % 9),
                    _ => format!("{namespace}-{person:08x}-{at:02x}-{:08x}", random.random::<u32>()),
                };
                let to = own[random.random_range(0..own.len())].clone();
                let identifier = Identifier::new(namespace, value);
                observations.push(observation(
                    to,
                    identifier.clone(),
                    random.random_range(0.5..1.0),
                    &mut random,
                ));
                own.push(identifier);
            }
        }
        if person % 2 == 0 {
            let home = Identifier::new("address", format!("{} elm street", person / 6));
            let confidence = random.random_range(0.3..0.5);
            observations.push(observation(own[0].clone(), home, confidence, &mut random));
        }
    }
    for at in (1..observations.len()).rev() {
        observations.swap(at, random.random_range(0..=at));
    }
    observations
}

fn observation(a: Identifier, b: Identifier, confidence: f64, random: &mut ChaCha8Rng) -> Observation {
    let time = 1_700_000_000_000_000 + random.random_range(0..30_000_000_000_000_i64);
    Observation {
        source: "web".to_owned(),
        time: Timestamp::from_micros(time).unwrap_or_default(),
        identifiers: vec![a, b],
        confidence,
        kind: None,
        record_id: None,
        attributes: BTreeMap::new(),
    }
}
