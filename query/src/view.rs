//! The options of a statement: of which view of a store it is asked.

use kinfold_engine::consent;
use kinfold_engine::model::{Identifier, Seq, Timestamp};
use kinfold_engine::read::{AsOf, Read, ViewOptions};

use crate::ast::{Literal, LiteralKind, OptionKind, ViewOption, Who};
use crate::error::{Fault, Outcome, nearest};
use crate::exec::procedure_fault;
use crate::prepare::{Params, param};
use crate::value::Value;
use crate::verbs;

/// The view that options ask for. Whether a store has what they name is asked
/// of the store, by [`check`].
pub(crate) fn view(options: &[ViewOption], params: &Params) -> Outcome<ViewOptions> {
    let mut view = ViewOptions::default();
    for option in options {
        match &option.kind {
            OptionKind::AsOf(time) => view.as_of = Some(moment(time, params)?),
            OptionKind::Threshold(number) => view.threshold = Some(threshold(number, params)?),
            OptionKind::WithoutSource(source) => {
                view.without_sources.push(text(source, params, "a source is named by a string")?);
            }
            OptionKind::WithoutLink(a, b) => {
                view.without_links.push((identifier(a, params)?, identifier(b, params)?));
            }
            OptionKind::ForPurpose(given) => view.purpose = Some(purpose(given, params)?),
        }
    }
    Ok(view)
}

/// Fails if the options name what a store does not have: a slip there would
/// answer as if nothing had been left out.
pub(crate) fn check(options: &[ViewOption], params: &Params, now: &impl Read) -> Outcome<()> {
    let past = options.iter().any(|option| matches!(option.kind, OptionKind::AsOf(_)));
    for option in options {
        match &option.kind {
            OptionKind::WithoutSource(source) => {
                let name = text(source, params, "a source is named by a string")?;
                if now.names().source(&name).is_none() {
                    let message = format!("no source `{name}` in this store");
                    let fault = Fault::binding("unknown-source", source.span, message);
                    return Err(fault.did_you_mean(&name, now.names().sources.iter()));
                }
            }
            OptionKind::WithoutLink(a, b) => {
                let find = |who: &Who| {
                    let name = identifier(who, params)?;
                    let id = verbs::find(now, &name).map_err(|error| procedure_fault(error, who.span()))?;
                    Outcome::Ok((id, name))
                };
                let ((from, a), (to, b)) = (find(a)?, find(b)?);
                // A link that was withdrawn since may have been there then.
                if !past && now.link(from, to)?.is_none() {
                    let message = format!("there is no link between `{a}` and `{b}`");
                    return Err(Fault::runtime("not-found", option.span, message));
                }
            }
            OptionKind::AsOf(time) => {
                if let AsOf::Seq(asked) = moment(time, params)?
                    && asked > now.seq()
                {
                    let message =
                        format!("the store is at sequence number {}, and {asked} lies ahead", now.seq());
                    return Err(Fault::binding("out-of-range", time.span, message));
                }
            }
            OptionKind::ForPurpose(given) => {
                let purpose = purpose(given, params)?;
                let names = now.names();
                // Nobody needs to have said anything. But one that is nearly another
                // is a slip, and would let everybody through.
                if names.attribute(&consent::attribute(&purpose)).is_none() {
                    let known = names.attributes.iter().filter_map(consent::purpose);
                    if let Some(near) = nearest(&purpose, known) {
                        let message = format!("nobody has said anything about the purpose `{purpose}`");
                        let fault = Fault::binding("unknown-purpose", given.span, message);
                        return Err(fault.hint(format!("did you mean `{near}`?")));
                    }
                }
            }
            OptionKind::Threshold(_) => {}
        }
    }
    Ok(())
}

/// The value of a literal; that of a parameter if it is one.
pub(crate) fn value(literal: &Literal, params: &Params) -> Outcome<Value> {
    match &literal.kind {
        LiteralKind::Str(text) => Ok(text.as_str().into()),
        LiteralKind::Int(value) => Ok(Value::Int(*value)),
        LiteralKind::Float(value) => Ok(Value::Float(*value)),
        LiteralKind::Param(name) => param(name, literal.span, params).cloned(),
    }
}

/// The error for a value of the wrong type, which names the parameter if it came by one.
pub(crate) fn wrong_type(literal: &Literal, given: &Value, wanted: &str) -> Fault {
    let message = match &literal.kind {
        LiteralKind::Param(name) => format!("{wanted}, and `${name}` is {}", given.type_name()),
        _ => format!("{wanted}, not {}", given.type_name()),
    };
    Fault::typed("wrong-type", literal.span, message)
}

fn text(literal: &Literal, params: &Params, wanted: &str) -> Outcome<String> {
    match value(literal, params)? {
        Value::String(text) => Ok(text.to_string()),
        other => Err(wrong_type(literal, &other, wanted)),
    }
}

fn purpose(literal: &Literal, params: &Params) -> Outcome<String> {
    let purpose = text(literal, params, "a purpose is named by a string")?;
    if purpose.is_empty() {
        let message = "a purpose has a name, and this is none";
        return Err(
            Fault::binding("unknown-purpose", literal.span, message).hint("as in FOR PURPOSE 'marketing'")
        );
    }
    Ok(purpose)
}

fn moment(literal: &Literal, params: &Params) -> Outcome<AsOf> {
    match value(literal, params)? {
        Value::DateTime(time) => Ok(AsOf::Time(time)),
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(time) => Ok(AsOf::Time(time)),
            Err(error) => Err(Fault::binding("invalid-time", literal.span, error.to_string())),
        },
        Value::Int(number) => match u64::try_from(number) {
            Ok(number) => Ok(AsOf::Seq(Seq::new(number))),
            Err(_) => {
                let message = format!("`{number}` is no sequence number: they count from 0");
                Err(Fault::binding("out-of-range", literal.span, message))
            }
        },
        other => {
            let wanted = "AS OF takes a time in a string, or a sequence number";
            Err(wrong_type(literal, &other, wanted).hint("as in AS OF '2026-01-05T00:00:00Z'"))
        }
    }
}

fn threshold(literal: &Literal, params: &Params) -> Outcome<f64> {
    let given = value(literal, params)?;
    let number = match &given {
        Value::Float(number) => *number,
        // Whatever is not 1 is out of range, however it is rounded.
        Value::Int(number) => *number as f64,
        other => return Err(wrong_type(literal, other, "THRESHOLD takes a number")),
    };
    if number > 0.0 && number <= 1.0 {
        return Ok(number);
    }
    let message = format!("a threshold is above 0 and at most 1, not {given}");
    Err(Fault::binding("out-of-range", literal.span, message))
}

/// The identifier that `who` names.
fn identifier(who: &Who, params: &Params) -> Outcome<Identifier> {
    match verbs::target(who, params)? {
        verbs::Target::Name(name) => Ok(name),
        verbs::Target::Person(_) | verbs::Target::Household(_) => {
            let message = "links are between identifiers, and this is none";
            Err(Fault::binding("not-an-identifier", who.span(), message)
                .hint("as in WITHOUT LINK email:'ann@example.com' - device:'d1'"))
        }
    }
}
