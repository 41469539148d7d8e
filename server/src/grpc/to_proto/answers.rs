//! Why who is who: domain to wire.

use kinfold_engine::answers::{
    DiffKind, Forbid, Held, Network, NetworkLink, NetworkNode, Obstacle, Parting, Step, Stop, StoppedStep,
    TooMany,
};
use kinfold_engine::model::{
    Evidence, HeldBackBy, HouseholdId, IdentifierId, Link, Override, OverrideKind, PersonId,
};
use kinfold_engine::read::{Read, ReadResult};
use kinfold_proto::v1;

use super::{lost, timestamp};

/// The name of an identifier.
pub(crate) fn name(read: &impl Read, id: IdentifierId) -> ReadResult<v1::Identifier> {
    let record = read.identifier(id)?.ok_or_else(|| lost("an identifier of an answer"))?;
    let namespace = read.names().namespace_name(record.namespace).to_owned();
    Ok(v1::Identifier { namespace, value: record.value })
}

/// One step of a path.
pub(crate) fn step(read: &impl Read, step: &Step) -> ReadResult<v1::Step> {
    Ok(v1::Step {
        from: Some(name(read, step.from)?),
        to: Some(name(read, step.to)?),
        link: step.link.as_ref().map(|it| link(read, it)),
        r#override: step.said.as_ref().map(said),
    })
}

fn link(read: &impl Read, link: &Link) -> v1::Link {
    v1::Link {
        weight: link.weight,
        first_seen: Some(timestamp(link.first_seen)),
        last_seen: Some(timestamp(link.last_seen)),
        held_back: link.held_back_by.map(|by| held_back(read, by)),
        evidence: link.evidence.iter().map(|it| evidence(read, it)).collect(),
    }
}

fn evidence(read: &impl Read, evidence: &Evidence) -> v1::Evidence {
    let names = read.names();
    v1::Evidence {
        source: names.source_name(evidence.source).to_owned(),
        kind: evidence.kind.map(|kind| names.kind_name(kind).to_owned()).unwrap_or_default(),
        confidence: evidence.confidence,
        count: evidence.count,
        first_seen: Some(timestamp(evidence.first_seen)),
        last_seen: Some(timestamp(evidence.last_seen)),
    }
}

const fn action(kind: OverrideKind) -> v1::OverrideAction {
    match kind {
        OverrideKind::Forbid => v1::OverrideAction::Forbid,
        OverrideKind::Require => v1::OverrideAction::Require,
    }
}

fn said(said: &Override) -> v1::Override {
    v1::Override {
        action: action(said.kind).into(),
        author: said.author.clone(),
        reason: said.reason.clone(),
        time: Some(timestamp(said.time)),
        sequence: said.seq.get(),
    }
}

fn held_back(read: &impl Read, by: HeldBackBy) -> v1::HeldBack {
    use v1::HeldBackLimit as Limit;
    let (limit, namespace) = match by {
        HeldBackBy::MaxIdentifiers => (Limit::MaxIdentifiers, String::new()),
        HeldBackBy::MaxPerPerson(namespace) => {
            (Limit::MaxPerPerson, read.names().namespace_name(namespace).to_owned())
        }
        HeldBackBy::MaxPersons => (Limit::MaxPersons, String::new()),
        HeldBackBy::Forbidden => (Limit::Forbidden, String::new()),
    };
    v1::HeldBack { limit: limit.into(), namespace }
}

/// What it takes to part two identifiers of a person.
pub(crate) fn parting(read: &impl Read, parting: &Parting) -> ReadResult<v1::Parting> {
    Ok(match parting {
        Parting::Required => v1::Parting { required: true, ..v1::Parting::default() },
        Parting::Links { links, weight, near, far } => v1::Parting {
            required: false,
            links: links.iter().map(|it| step(read, it)).collect::<ReadResult<_>>()?,
            weight: *weight,
            near_count: *near as u64,
            far_count: *far as u64,
        },
    })
}

/// A forbid that stands between two persons.
pub(crate) fn forbid(read: &impl Read, forbid: &Forbid) -> ReadResult<v1::ForbiddenPair> {
    Ok(v1::ForbiddenPair {
        a: Some(name(read, forbid.a)?),
        b: Some(name(read, forbid.b)?),
        r#override: Some(said(&forbid.said)),
    })
}

/// A step of a path, with what stops it.
pub(crate) fn stopped_step(read: &impl Read, stopped: &StoppedStep) -> ReadResult<v1::StoppedStep> {
    Ok(v1::StoppedStep {
        step: Some(step(read, &stopped.step)?),
        obstacles: stopped.obstacles.iter().map(|it| obstacle(read, it)).collect::<ReadResult<_>>()?,
    })
}

fn obstacle(read: &impl Read, obstacle: &Obstacle) -> ReadResult<v1::Obstacle> {
    use v1::ObstacleKind as Kind;
    let of = |kind: Kind| v1::Obstacle { kind: kind.into(), ..v1::Obstacle::default() };
    Ok(match obstacle {
        Obstacle::Forbidden => of(Kind::Forbidden),
        Obstacle::Denied(id) => v1::Obstacle { identifier: Some(name(read, *id)?), ..of(Kind::Denied) },
        Obstacle::Shared { identifier, too_many } => v1::Obstacle {
            identifier: Some(name(read, *identifier)?),
            too_many: too_many
                .iter()
                .map(|TooMany { namespace, ties, allowed }| v1::TooManyTies {
                    namespace: read.names().namespace_name(*namespace).to_owned(),
                    ties: *ties,
                    allowed: *allowed,
                })
                .collect(),
            ..of(Kind::Shared)
        },
        Obstacle::UnderThreshold { weight, threshold } => {
            v1::Obstacle { weight: *weight, threshold: *threshold, ..of(Kind::UnderThreshold) }
        }
        Obstacle::HeldBack(Held { by, allowed, together, forbids }) => v1::Obstacle {
            held_back: Some(held_back(read, *by)),
            allowed: allowed.unwrap_or_default(),
            together: together.unwrap_or_default(),
            forbids: forbids.iter().map(|it| forbid(read, it)).collect::<ReadResult<_>>()?,
            ..of(Kind::HeldBack)
        },
        Obstacle::Unsettled => of(Kind::Unsettled),
    })
}

/// In what way the persons of two views differ.
pub(crate) const fn difference(kind: DiffKind) -> v1::Difference {
    match kind {
        DiffKind::Same => v1::Difference::Same,
        DiffKind::Created => v1::Difference::Created,
        DiffKind::Gone => v1::Difference::Gone,
        DiffKind::Grew => v1::Difference::Grew,
        DiffKind::Shrank => v1::Difference::Shrank,
        DiffKind::Changed => v1::Difference::Changed,
        DiffKind::Merged => v1::Difference::Merged,
        DiffKind::Split => v1::Difference::Split,
        DiffKind::Moved => v1::Difference::Moved,
    }
}

/// What is near an identifier.
pub(crate) fn network(read: &impl Read, network: &Network) -> ReadResult<v1::NetworkResponse> {
    let places: std::collections::HashMap<IdentifierId, u32> =
        network.nodes.iter().map(|node| node.id).zip(0..).collect();
    let place =
        |id: IdentifierId| places.get(&id).copied().ok_or_else(|| lost("the end of a link of a network"));
    let links = network.links.iter().map(|link| {
        let NetworkLink { a, b, weight, last_seen, said, stops } = link;
        Ok(v1::NetworkLink {
            a: place(*a)?,
            b: place(*b)?,
            weight: *weight,
            last_seen: last_seen.map(timestamp),
            r#override: said.map_or(v1::OverrideAction::Unspecified, action).into(),
            obstacles: stops.iter().map(|it| stop(read, it)).collect::<ReadResult<_>>()?,
        })
    });
    Ok(v1::NetworkResponse {
        links: links.collect::<ReadResult<_>>()?,
        nodes: network.nodes.iter().map(|node| network_node(read, node)).collect(),
        incomplete: network.incomplete,
        sequence: read.seq().get(),
    })
}

fn network_node(read: &impl Read, node: &NetworkNode) -> v1::NetworkNode {
    let NetworkNode { id: _, namespace, value, depth, person, household, degree, shared, denied } = node;
    let namespace = read.names().namespace_name(*namespace).to_owned();
    v1::NetworkNode {
        identifier: Some(v1::Identifier { namespace, value: value.clone() }),
        depth: *depth,
        person_id: person.as_ref().map(PersonId::to_string).unwrap_or_default(),
        household_id: household.as_ref().map(HouseholdId::to_string).unwrap_or_default(),
        degree: *degree,
        shared: *shared,
        denied: *denied,
    }
}

fn stop(read: &impl Read, stop: &Stop) -> ReadResult<v1::Obstacle> {
    use v1::ObstacleKind as Kind;
    let of = |kind: Kind| v1::Obstacle { kind: kind.into(), ..v1::Obstacle::default() };
    Ok(match stop {
        Stop::Forbidden => of(Kind::Forbidden),
        Stop::Denied(id) => v1::Obstacle { identifier: Some(name(read, *id)?), ..of(Kind::Denied) },
        Stop::Shared(id) => v1::Obstacle { identifier: Some(name(read, *id)?), ..of(Kind::Shared) },
        Stop::UnderThreshold { weight, threshold } => {
            v1::Obstacle { weight: *weight, threshold: *threshold, ..of(Kind::UnderThreshold) }
        }
        Stop::HeldBack(by) => v1::Obstacle { held_back: Some(held_back(read, *by)), ..of(Kind::HeldBack) },
        Stop::Unsettled => of(Kind::Unsettled),
    })
}
