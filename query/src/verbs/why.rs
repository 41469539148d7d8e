//! WHY and WHY NOT: what joins two identifiers, and what keeps them apart.

use kinfold_engine::answers::{self, Forbid, Obstacle, Parting, Step, StoppedStep, Way, Why, WhyNot};
use kinfold_engine::model::{IdentifierId, Link, Override, OverrideKind, PersonRow};
use kinfold_engine::read::{Read, ReadResult};

use super::counted::{Counted, told};
use super::{name, number_of};
use crate::graph::ProcedureError;
use crate::identity::{count, evidence, held_back, sources};
use crate::value::Value;

/// The columns of both: a row is one fact.
pub(super) const COLUMNS: [&str; 9] =
    ["section", "step", "from", "to", "fact", "detail", "weight", "sources", "evidence"];

/// How many identifiers a search for a way goes through at most.
const MOST_VISITS: usize = 100_000;

/// One row.
#[derive(Default)]
struct Fact<'a> {
    section: &'static str,
    step: Option<usize>,
    ends: Option<(IdentifierId, IdentifierId)>,
    fact: &'static str,
    detail: Option<String>,
    link: Option<&'a Link>,
}

impl<'a> Fact<'a> {
    /// What is said of the `at`th step of a section, from 0.
    fn of_step(section: &'static str, at: usize, step: &'a Step, fact: &'static str) -> Self {
        let ends = Some((step.from, step.to));
        Self { section, step: Some(at + 1), ends, fact, detail: None, link: step.link.as_ref() }
    }

    fn row(self, read: &impl Read) -> ReadResult<Vec<Value>> {
        let (from, to) = match self.ends {
            Some((from, to)) => (name(read, from)?.2.into(), name(read, to)?.2.into()),
            None => (Value::Null, Value::Null),
        };
        let names = read.names();
        let (sources, evidence) = match self.link {
            Some(link) => (
                sources(names, &link.evidence),
                link.evidence.iter().map(|said| evidence(names, said)).collect(),
            ),
            None => (Value::Null, Value::Null),
        };
        Ok(vec![
            self.section.into(),
            self.step.map_or(Value::Null, |step| count(step as u64)),
            from,
            to,
            self.fact.into(),
            self.detail.into(),
            self.link.map(|link| link.weight).into(),
            sources,
            evidence,
        ])
    }
}

/// The rows of WHY: the verdict, the strongest path, the links of which each
/// alone would part the two, and the cheapest links to take away to part them.
pub(super) fn why<R: Read>(
    read: &Counted<'_, R>,
    a: IdentifierId,
    b: IdentifierId,
) -> Result<Vec<Vec<Value>>, ProcedureError> {
    let verdict = |fact, detail| Fact {
        section: "verdict",
        ends: Some((a, b)),
        fact,
        detail: Some(detail),
        ..Fact::default()
    };
    let answer = told(read, answers::why(read, a, b))?;
    let mut facts = Vec::new();
    match &answer {
        Why::SameIdentifier(person) => facts.push(verdict("same identifier", shown(person))),
        Why::TwoPersons { a, b } => {
            facts.push(verdict("two persons", format!("{}, and {}; ask WHY NOT", shown(a), shown(b))));
        }
        Why::OnePerson(together) => {
            facts.push(verdict("one person", shown(&together.person)));
            for (at, step) in together.path.iter().enumerate() {
                let required = step.said.as_ref().filter(|said| said.kind == OverrideKind::Require);
                let fact = if required.is_some() { "required" } else { "joins" };
                let detail = required.map(said);
                facts.push(Fact { detail, ..Fact::of_step("path", at, step, fact) });
            }
            for (at, step) in together.bridges.iter().enumerate() {
                let detail = Some("on every path between the two".to_owned());
                facts.push(Fact { detail, ..Fact::of_step("bridge", at, step, "parts them") });
            }
            facts.extend(parting(&together.parting));
        }
    }
    rows(read, facts)
}

/// What it takes to part two identifiers of a person.
fn parting(parting: &Parting) -> Vec<Fact<'_>> {
    match parting {
        Parting::Required => vec![Fact {
            section: "cut",
            fact: "required",
            detail: Some("required pairs join them: no removal of links parts them".to_owned()),
            ..Fact::default()
        }],
        Parting::Links { links, weight, near, far } => {
            let part = |(at, step)| {
                let all = if links.len() == 1 {
                    "this link".to_owned()
                } else {
                    format!("these {} links, of weight {weight:.3} together,", links.len())
                };
                let (near, far) = (number_of(*near, "identifier"), number_of(*far, "identifier"));
                let detail = Some(format!("without {all} {near} and {far} would be apart"));
                Fact { detail, ..Fact::of_step("cut", at, step, "parts them") }
            };
            links.iter().enumerate().map(part).collect()
        }
    }
}

/// The rows of WHY NOT: the verdict, the best path with whatever stops each of
/// its steps, and the pairs that are forbidden.
pub(super) fn why_not<R: Read>(
    read: &Counted<'_, R>,
    a: IdentifierId,
    b: IdentifierId,
) -> Result<Vec<Vec<Value>>, ProcedureError> {
    let answer = told(read, answers::why_not(read, a, b, MOST_VISITS))?;
    let (fact, detail) = match &answer {
        WhyNot::OnePerson(person) => ("one person", format!("{}; ask WHY", shown(person))),
        WhyNot::TwoPersons(apart) => ("two persons", format!("{}, and {}", shown(&apart.a), shown(&apart.b))),
    };
    let ends = Some((a, b));
    let mut facts = vec![Fact { section: "verdict", ends, fact, detail: Some(detail), ..Fact::default() }];
    if let WhyNot::TwoPersons(apart) = &answer {
        let nothing = |fact, detail| Fact { section: "path", fact, detail: Some(detail), ..Fact::default() };
        match &apart.way {
            Way::Path(steps) => {
                for (at, step) in steps.iter().enumerate() {
                    stopped(read, at, step, &mut facts)?;
                }
            }
            Way::NoPath { visited } => {
                let detail = format!("none over the {} within reach", number_of(*visited, "identifier"));
                facts.push(nothing("no path", detail));
            }
            Way::NotFound { visited } => {
                let detail = format!("none within the first {}", number_of(*visited, "identifier"));
                facts.push(nothing("not found", detail));
            }
        }
        for Forbid { a, b, said: word } in &apart.forbids {
            let (ends, detail) = (Some((*a, *b)), Some(said(word)));
            facts.push(Fact { section: "forbid", ends, fact: "forbidden", detail, ..Fact::default() });
        }
    }
    rows(read, facts)
}

/// A row for each thing that stops a step, or one that says that it joins.
fn stopped<'a>(
    read: &impl Read,
    at: usize,
    step: &'a StoppedStep,
    facts: &mut Vec<Fact<'a>>,
) -> ReadResult<()> {
    let StoppedStep { step, obstacles } = step;
    if obstacles.is_empty() {
        let required = step.said.as_ref().filter(|said| said.kind == OverrideKind::Require);
        let fact = if required.is_some() { "required" } else { "joins" };
        facts.push(Fact { detail: required.map(said), ..Fact::of_step("path", at, step, fact) });
    }
    for obstacle in obstacles {
        let (fact, detail) = match obstacle {
            Obstacle::Forbidden => ("forbidden", step.said.as_ref().map(said)),
            Obstacle::Denied(id) => {
                ("denied", Some(format!("`{}` identifies nobody: it is denied", name(read, *id)?.2)))
            }
            Obstacle::Shared { identifier, too_many } => {
                let ties = too_many.iter().map(|ties| {
                    let namespace = read.names().namespace_name(ties.namespace);
                    format!("{} of {namespace}, where {} may be", ties.ties, ties.allowed)
                });
                let ties: Vec<String> = ties.collect();
                (
                    "shared",
                    Some(format!("`{}` is tied to {}", name(read, *identifier)?.2, ties.join(" and "))),
                )
            }
            Obstacle::UnderThreshold { weight, threshold } => {
                ("under threshold", Some(format!("{weight:.3} does not reach {threshold}")))
            }
            Obstacle::HeldBack(held) => {
                let by = held_back(read.names(), Some(held.by));
                let by = by.as_str().unwrap_or_default();
                let detail = match (held.allowed, held.together) {
                    (Some(allowed), Some(together)) => {
                        format!("{by} allows {allowed}, and together they would have {together}")
                    }
                    _ => by.to_owned(),
                };
                ("held back", Some(detail))
            }
            Obstacle::Unsettled => {
                ("unsettled", Some("nothing stops it: it waits to be resolved".to_owned()))
            }
        };
        facts.push(Fact { detail, ..Fact::of_step("path", at, step, fact) });
    }
    Ok(())
}

fn rows<R: Read>(read: &Counted<'_, R>, facts: Vec<Fact<'_>>) -> Result<Vec<Vec<Value>>, ProcedureError> {
    told(read, facts.into_iter().map(|fact| fact.row(read)).collect::<ReadResult<_>>())
}

/// A person with its size.
fn shown(person: &PersonRow) -> String {
    format!("{}, of {}", person.id, number_of(person.size as usize, "identifier"))
}

/// What an override says, who said it, when and why.
fn said(said: &Override) -> String {
    let what = match said.kind {
        OverrideKind::Forbid => "forbidden",
        OverrideKind::Require => "required",
    };
    format!("{what} by {} at {}: {}", said.author, said.time, said.reason)
}
