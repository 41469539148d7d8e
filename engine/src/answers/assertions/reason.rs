//! Why an assertion is broken, in a sentence.

use super::super::why::strongest_path;
use super::super::why_not::apart;
use super::super::{Forbid, Held, Obstacle, Step, StoppedStep, Way, name_of};
use crate::model::{HeldBackBy, IdentifierId, NamespaceId, Override, PersonRow};
use crate::read::{Read, ReadResult};

/// How many identifiers the search for a reason goes through at most.
const MAX_VISITS: usize = 10_000;

/// What joins two identifiers of a person: its strongest path, in short.
pub(super) fn why_together(
    read: &impl Read,
    (a, person): (IdentifierId, PersonRow),
    b: IdentifierId,
) -> ReadResult<String> {
    let id = person.id;
    if a == b {
        return Ok(format!("both are the same identifier, of {id}"));
    }
    let path = strongest_path(read, &person, a, b)?;
    let weakest = path
        .iter()
        .filter(|step| !step.is_required())
        .filter_map(|step| Some((step, step.weight()?)))
        .min_by(|(_, x), (_, y)| x.total_cmp(y));
    Ok(match (path.len(), weakest) {
        (0, _) => format!("both are {id}, whose resolution is pending"),
        (_, None) => format!("both are {id}: {} is required", link(read, &path[0])?),
        (1, Some((step, weight))) => format!("both are {id}: {} weighs {weight}", link(read, step)?),
        (steps, Some((step, weight))) => {
            let weakest = link(read, step)?;
            format!(
                "both are {id}: a path of {steps} links joins them, the weakest of which, {weakest}, weighs {weight}"
            )
        }
    })
}

/// What keeps two identifiers apart: the first thing that stops the best path, in short.
pub(super) fn why_apart(
    read: &impl Read,
    a: (IdentifierId, PersonRow),
    b: (IdentifierId, PersonRow),
) -> ReadResult<String> {
    let apart = apart(read, a, b, MAX_VISITS)?;
    let persons = format!("they are {} and {}", apart.a.id, apart.b.id);
    if let Some(first) = apart.forbids.first() {
        return Ok(format!("{persons}, and must be: {}", forbid(read, first)?));
    }
    let steps = match apart.way {
        Way::NoPath { .. } => return Ok(format!("{persons}: no path of links joins them")),
        Way::NotFound { visited } => {
            return Ok(format!("{persons}: no path was found within {visited} identifiers"));
        }
        Way::Path(steps) => steps,
    };
    let mut stopped = steps.iter().filter(|step| !step.obstacles.is_empty());
    let Some(first) = stopped.next() else { return Ok(persons) };
    let mut texts = Vec::with_capacity(first.obstacles.len());
    for obstacle in &first.obstacles {
        texts.push(obstacle_text(read, first, obstacle)?);
    }
    let more = match stopped.count() {
        0 => String::new(),
        1 => "; 1 more link is stopped".to_owned(),
        more => format!("; {more} more links are stopped"),
    };
    Ok(format!("{persons}: {} {}{more}", link(read, &first.step)?, texts.join(" and ")))
}

fn obstacle_text(read: &impl Read, step: &StoppedStep, obstacle: &Obstacle) -> ReadResult<String> {
    let namespace = |id: NamespaceId| read.names().namespace_name(id);
    Ok(match obstacle {
        Obstacle::Forbidden => match &step.step.said {
            Some(said) => format!("is forbidden {}", by_whom(said)),
            None => "is forbidden".to_owned(),
        },
        Obstacle::Denied(id) => format!("ends at {}, which is denied", name(read, *id)?),
        Obstacle::Shared { identifier, too_many } => {
            let name = name(read, *identifier)?;
            match too_many.first() {
                Some(many) => {
                    let (of, ties, allowed) = (namespace(many.namespace), many.ties, many.allowed);
                    format!("ends at {name}, which is shared: tied to {ties} of `{of}`, {allowed} allowed")
                }
                None => format!("ends at {name}, which is shared"),
            }
        }
        Obstacle::UnderThreshold { weight, threshold } => {
            format!("weighs {weight}, under the threshold of {threshold}")
        }
        Obstacle::HeldBack(held) => held_text(read, held)?,
        Obstacle::Unsettled => "waits for its resolution".to_owned(),
    })
}

fn held_text(read: &impl Read, held: &Held) -> ReadResult<String> {
    let limit = match held.by {
        HeldBackBy::MaxIdentifiers => "`max_identifiers`".to_owned(),
        HeldBackBy::MaxPerPerson(namespace) => {
            format!("`max_per_person` of `{}`", read.names().namespace_name(namespace))
        }
        HeldBackBy::MaxPersons => "`max_persons`".to_owned(),
        HeldBackBy::Forbidden => match held.forbids.first() {
            Some(first) => format!("a forbid: {}", forbid(read, first)?),
            None => "a forbid".to_owned(),
        },
    };
    Ok(match (held.together, held.allowed) {
        (Some(together), Some(allowed)) => {
            format!("is held back by {limit}: {together} together, {allowed} allowed")
        }
        _ => format!("is held back by {limit}"),
    })
}

fn forbid(read: &impl Read, forbid: &Forbid) -> ReadResult<String> {
    let (a, b) = (name(read, forbid.a)?, name(read, forbid.b)?);
    Ok(format!("{a} and {b} are forbidden {}", by_whom(&forbid.said)))
}

fn by_whom(said: &Override) -> String {
    format!("by {} since {} ({})", said.author, said.time, said.reason)
}

fn link(read: &impl Read, step: &Step) -> ReadResult<String> {
    Ok(format!("the link of {} and {}", name(read, step.from)?, name(read, step.to)?))
}

fn name(read: &impl Read, id: IdentifierId) -> ReadResult<String> {
    let name = name_of(read, id)?;
    Ok(name.map_or_else(|| format!("identifier {}", id.get()), |name| format!("`{name}`")))
}
