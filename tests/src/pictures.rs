//! The worked examples of `docs/resolution.md`: loaded into a store, and drawn
//! from what the store then says.

use std::fmt::Write as _;

use kinfold_engine::Store;
use kinfold_engine::model::{HeldBackBy, HouseholdMember, Identifier, IdentifierId, Observation, Timestamp};
use kinfold_engine::read::{Read, ReadResult};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::{Act, Authored, Batch};

use crate::TestResult;

/// An example: what it shows, under which schema, and from what.
pub struct Example {
    /// The name of its picture.
    pub name: &'static str,
    /// What is written above it.
    pub title: &'static str,
    schema: &'static str,
    /// Two identifiers, confidence, and the day of the event.
    links: &'static [(&'static str, &'static str, f64, i64)],
    forbid: &'static [(&'static str, &'static str)],
}

/// All examples, in the order of the page.
pub const EXAMPLES: [Example; 5] = [
    Example {
        name: "one-device-two-accounts",
        title: "max_per_person: two accounts never share a person",
        schema: "[namespace.account]\nmax_per_person = 1\n[namespace.device]\n[namespace.email]\n",
        links: &[
            ("account:1", "email:ann", 0.9, 1),
            ("account:1", "device:tablet", 0.9, 2),
            ("account:2", "email:bob", 0.9, 1),
            ("account:2", "device:tablet", 0.8, 5),
        ],
        forbid: &[],
    },
    Example {
        name: "kiosk",
        title: "shared_above: a kiosk conducts nobody",
        schema: "[namespace.account]\n[namespace.device]\nshared_above = { account = 2 }\n[namespace.email]\n",
        links: &[
            ("account:1", "device:kiosk", 0.9, 1),
            ("account:2", "device:kiosk", 0.9, 2),
            ("account:3", "device:kiosk", 0.9, 3),
            ("account:1", "email:ann", 0.9, 1),
            ("account:2", "email:bob", 0.9, 1),
        ],
        forbid: &[],
    },
    Example {
        name: "cut-by-size",
        title: "max_identifiers = 3: the strongest links join first",
        schema: "[person]\nmax_identifiers = 3\n[namespace.cookie]\n",
        links: &[
            ("cookie:a", "cookie:b", 0.6, 1),
            ("cookie:b", "cookie:c", 0.9, 1),
            ("cookie:c", "cookie:d", 0.7, 1),
            ("cookie:d", "cookie:e", 0.8, 1),
        ],
        forbid: &[],
    },
    Example {
        name: "forbidden",
        title: "forbid: the weaker way between the two is held back",
        schema: "[namespace.email]\n[namespace.phone]\nnormalise = \"none\"\n",
        links: &[
            ("email:ann", "phone:1", 0.9, 1),
            ("phone:1", "email:anna", 0.7, 1),
            ("email:anna", "phone:2", 0.9, 1),
        ],
        forbid: &[("email:ann", "email:anna")],
    },
    Example {
        name: "household",
        title: "persons at one address are a household, and stay persons",
        schema: "[namespace.email]\n[namespace.phone]\nnormalise = \"none\"\n[namespace.address]\nscope = \"household\"\n",
        links: &[
            ("email:ann", "phone:1", 0.9, 1),
            ("phone:1", "address:elm-st-4", 0.6, 1),
            ("email:bob", "address:elm-st-4", 0.8, 1),
            ("email:cem", "address:oak-st-9", 0.8, 1),
        ],
        forbid: &[],
    },
];

fn identifier(text: &str) -> TestResult<Identifier> {
    Ok(text.parse()?)
}

impl Example {
    /// The store after all that the example says.
    pub fn store(&self) -> TestResult<Store> {
        let store = Store::in_memory(Schema::parse(self.schema, "schema.toml")?)?;
        for (a, b, confidence, day) in self.links {
            let observation = Observation {
                source: "example".to_owned(),
                time: Timestamp::from_micros(day * 86_400_000_000).unwrap_or_default(),
                identifiers: vec![identifier(a)?, identifier(b)?],
                confidence: *confidence,
                kind: None,
                record_id: None,
                attributes: Default::default(),
            };
            let receipt = store.observe(Batch { request_id: None, observations: vec![observation] })?;
            if !receipt.rejected.is_empty() {
                return Err(format!("refused: {:?}", receipt.rejected).into());
            }
        }
        for (a, b) in self.forbid {
            let by = Authored { author: "ann".to_owned(), reason: "two sisters".to_owned() };
            store.act(&Act::Forbid(identifier(a)?, identifier(b)?), by)?;
        }
        Ok(store)
    }

    /// The picture of it, in the DOT language.
    pub fn dot(&self) -> TestResult<String> {
        let store = self.store()?;
        let read = store.snapshot();
        let mut text = format!(
            "graph \"{}\" {{\n  label=\"{}\"; labelloc=t; rankdir=LR; fontname=\"Helvetica\";\n  \
             node [shape=box, style=rounded, fontname=\"Helvetica\", fontsize=11];\n  \
             edge [fontname=\"Helvetica\", fontsize=10];\n",
            self.name, self.title
        );
        for person in read.persons() {
            let person = person?;
            writeln!(
                text,
                "  subgraph \"cluster_{}\" {{ label=\"{}\"; style=filled; color=\"#e8eef7\";",
                person.id, person.id
            )?;
            for member in read.members(person.key) {
                let member = member?;
                let shared = read.identifier(member.id)?.is_some_and(|row| row.shared);
                let style = if shared { " [style=\"rounded,dashed\", xlabel=\"shared\"]" } else { "" };
                writeln!(text, "    \"{}\"{style};", name(&read, member.id)?)?;
            }
            text.push_str("  }\n");
        }
        for household in read.households() {
            let household = household?;
            for member in read.household_members(household.key) {
                if let HouseholdMember::Identifier(id) = member? {
                    writeln!(text, "  \"{}\" [shape=house, xlabel=\"{}\"];", name(&read, id)?, household.id)?;
                }
            }
        }
        for id in read.identifiers(None) {
            let id = id?;
            for link in read.links(id, None) {
                let link = link?;
                if id > link.other {
                    continue;
                }
                let (style, why) = match (link.held_back_by, read.conducts(id, &link)?) {
                    (Some(held), _) => ("color=\"#c0392b\", style=dashed", reason(&read, held)),
                    (None, true) => ("color=\"#2c3e50\", penwidth=2", String::new()),
                    (None, false) => ("color=\"#95a5a6\", style=dotted", String::new()),
                };
                writeln!(
                    text,
                    "  \"{}\" -- \"{}\" [label=\"{:.2}{why}\", {style}];",
                    name(&read, id)?,
                    name(&read, link.other)?,
                    link.weight
                )?;
            }
            for said in read.overrides(id) {
                let said = said?;
                if id < said.other {
                    writeln!(
                        text,
                        "  \"{}\" -- \"{}\" [label=\"{}\", color=\"#c0392b\", penwidth=2, constraint=false];",
                        name(&read, id)?,
                        name(&read, said.other)?,
                        said.said.kind.word()
                    )?;
                }
            }
        }
        text.push_str("}\n");
        Ok(text)
    }
}

fn name(read: &impl Read, id: IdentifierId) -> ReadResult<String> {
    let (namespace, value) = crate::observed::name(read, id)?;
    Ok(format!("{namespace}:{value}"))
}

fn reason(read: &impl Read, held: HeldBackBy) -> String {
    match held {
        HeldBackBy::MaxIdentifiers => "\\nheld back: max_identifiers".to_owned(),
        HeldBackBy::MaxPersons => "\\nheld back: max_persons".to_owned(),
        HeldBackBy::Forbidden => "\\nheld back: forbidden".to_owned(),
        HeldBackBy::MaxPerPerson(namespace) => {
            format!("\\nheld back: max_per_person\\nof {}", read.names().namespace_name(namespace))
        }
    }
}
