//! Wire to domain: what comes in is checked here, once, and errors name the field.

use std::collections::{BTreeMap, HashMap};

use kinfold_engine::model::{
    AttributeValue, HouseholdId, Identifier, MAX_NAME_BYTES, MAX_VALUE_BYTES, Observation, PersonId, Seq,
    Timestamp,
};
use kinfold_engine::privacy::Forget;
use kinfold_engine::read::{AsOf, ViewOptions};
use kinfold_engine::write::{Act, ActError, Batch, MAX_BATCH, RejectReason, Rejection, WriteError};
use kinfold_proto::v1;
use kinfold_query::{Duration, Map, Params, Value};

use super::error::{CallError, FieldError, FieldFault};
use crate::audit::Subject;
use crate::auth::Caller;

/// The name of a request that can be repeated.
pub(crate) fn request_id(wire: String) -> Option<String> {
    Some(wire).filter(|id| !id.is_empty())
}

/// A request's name where there has to be one.
pub(crate) fn named_request(wire: String) -> Result<String, FieldError> {
    let bytes = wire.len();
    if bytes > MAX_NAME_BYTES {
        let message = format!("{bytes} bytes; at most {MAX_NAME_BYTES} are taken");
        return Err(FieldError::new("request_id", FieldFault::TooMuch, message));
    }
    request_id(wire).ok_or_else(|| FieldError::missing("request_id", "what the batch was sent under"))
}

/// How many lookups one batch may hold.
pub(crate) const MAX_LOOKUPS: usize = 1_000;

/// Names a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PersonSelector {
    /// By an identifier of person scope.
    Identifier(Identifier),
    /// By an id, today's or an earlier one.
    Id(PersonId),
}

/// Names a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HouseholdSelector {
    /// By an identifier of either scope.
    Identifier(Identifier),
    /// By an id, today's or an earlier one.
    Id(HouseholdId),
    /// By the id of a person in it.
    Person(PersonId),
}

impl From<&PersonSelector> for Subject {
    fn from(selector: &PersonSelector) -> Self {
        match selector {
            PersonSelector::Identifier(identifier) => Self::Identifier(identifier.clone()),
            PersonSelector::Id(id) => Self::Id(id.to_string()),
        }
    }
}

impl From<&HouseholdSelector> for Subject {
    fn from(selector: &HouseholdSelector) -> Self {
        match selector {
            HouseholdSelector::Identifier(identifier) => Self::Identifier(identifier.clone()),
            HouseholdSelector::Id(id) => Self::Id(id.to_string()),
            HouseholdSelector::Person(id) => Self::Id(id.to_string()),
        }
    }
}

/// How much a lookup answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Ids and counts.
    Ids,
    /// These, and identifiers by name.
    Identifiers,
    /// Everything.
    Full,
}

/// Which state of the store a read sees.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading {
    /// The sequence number that it has to see.
    pub(crate) at_least: Seq,
    /// The view of that state.
    pub(crate) view: ViewOptions,
}

impl Reading {
    /// Whether it sees the store as it is, and all of it.
    pub(crate) fn is_plain(&self) -> bool {
        self.view == ViewOptions::default()
    }
}

/// How many sources or links a view may leave out.
const MAX_WITHOUT: usize = 100;

/// Which state of the store a read by `caller` sees.
pub(crate) fn reading(wire: Option<v1::ReadOptions>, caller: &Caller) -> Result<Reading, FieldError> {
    use v1::read_options::AsOf as Wire;
    let v1::ReadOptions { at_least, as_of, threshold, without_sources, purpose } = wire.unwrap_or_default();
    let within = |name: &'static str| move |error: FieldError| error.within(name).within("options");
    let as_of = match as_of {
        None => None,
        Some(Wire::AsOfSequence(sequence)) => Some(AsOf::Seq(Seq::new(sequence))),
        Some(Wire::AsOfTime(time)) => Some(AsOf::Time(timestamp(time).map_err(within("as_of_time"))?)),
    };
    if without_sources.len() > MAX_WITHOUT {
        let message = format!("{} sources; at most {MAX_WITHOUT} are left out", without_sources.len());
        return Err(FieldError::new("options.without_sources", FieldFault::TooMuch, message));
    }
    if purpose.len() > MAX_NAME_BYTES {
        let message = format!("{} bytes; at most {MAX_NAME_BYTES} are taken", purpose.len());
        return Err(FieldError::new("options.purpose", FieldFault::TooMuch, message));
    }
    caller.note.purpose(&purpose);
    let view = ViewOptions {
        as_of,
        threshold,
        without_sources,
        without_links: Vec::new(),
        purpose: Some(purpose).filter(|purpose| !purpose.is_empty()),
        redact: caller.redact.to_vec(),
    };
    Ok(Reading { at_least: Seq::new(at_least), view })
}

/// The pairs of identifiers that a view leaves out.
pub(crate) fn without_links(
    wire: Vec<v1::IdentifierPair>,
) -> Result<Vec<(Identifier, Identifier)>, FieldError> {
    if wire.len() > MAX_WITHOUT {
        let message = format!("{} links; at most {MAX_WITHOUT} are left out", wire.len());
        return Err(FieldError::new("without_links", FieldFault::TooMuch, message));
    }
    let pairs = wire.into_iter().enumerate().map(|(at, v1::IdentifierPair { a, b })| {
        pair(a, b).map_err(|error| error.within(format_args!("without_links[{at}]")))
    });
    pairs.collect()
}

/// An identifier in the field `name`.
pub(crate) fn identifier_in(
    wire: Option<v1::Identifier>,
    name: &'static str,
) -> Result<Identifier, FieldError> {
    match wire {
        Some(wire) => identifier(wire).map_err(|error| error.within(name)),
        None => Err(FieldError::missing(name, "an identifier")),
    }
}

/// The view asked for, or `default`.
pub(crate) fn view(wire: i32, default: View) -> Result<View, FieldError> {
    match v1::View::try_from(wire) {
        Ok(v1::View::Unspecified) => Ok(default),
        Ok(v1::View::Ids) => Ok(View::Ids),
        Ok(v1::View::Full) => Ok(View::Full),
        Ok(v1::View::Identifiers) => Ok(View::Identifiers),
        Err(_) => Err(FieldError::new(
            "view",
            FieldFault::Malformed,
            format!("{wire} is no view; expected VIEW_IDS (1), VIEW_FULL (2) or VIEW_IDENTIFIERS (3)"),
        )),
    }
}

/// An identifier with both of its parts; what they hold is the schema's to judge.
pub(crate) fn identifier(wire: v1::Identifier) -> Result<Identifier, FieldError> {
    if wire.namespace.is_empty() {
        return Err(FieldError::missing("namespace", "a namespace of the schema, as `email`"));
    }
    if wire.value.is_empty() {
        return Err(FieldError::missing("value", "the identifier's value"));
    }
    for (name, text, most) in
        [("namespace", &wire.namespace, MAX_NAME_BYTES), ("value", &wire.value, MAX_VALUE_BYTES)]
    {
        if text.len() > most {
            let message = format!("{} bytes; at most {most} are taken", text.len());
            return Err(FieldError::new(name, FieldFault::TooMuch, message));
        }
    }
    Ok(Identifier::new(wire.namespace, wire.value))
}

/// A pair of identifiers, in the fields `a` and `b`.
pub(crate) fn pair(
    a: Option<v1::Identifier>,
    b: Option<v1::Identifier>,
) -> Result<(Identifier, Identifier), FieldError> {
    Ok((identifier_in(a, "a")?, identifier_in(b, "b")?))
}

/// What is to be withdrawn.
pub(crate) fn retraction(wire: Option<v1::Retraction>) -> Result<Act, FieldError> {
    use v1::retraction::What;
    let source = |source: String| match source.as_str() {
        "" => Err(FieldError::missing("source", "the name of a source")),
        _ => Ok(source),
    };
    let act = match wire.and_then(|wire| wire.what) {
        None => Err(FieldError::missing("", "a `link`, a `record` or a `source`")),
        Some(What::Source(name)) => source(name).map(|source| Act::RetractSource { source }),
        Some(What::Record(v1::RetractedRecord { source: name, record_id })) => source(name)
            .map(|source| Act::RetractRecord { source, record_id })
            .map_err(|error| error.within("record")),
        Some(What::Link(v1::RetractedLink { source: name, a, b })) => source(name)
            .and_then(|source| {
                let (a, b) = pair(a, b)?;
                Ok(Act::RetractLink { source, a, b })
            })
            .map_err(|error| error.within("link")),
    };
    act.map_err(|error| error.within("what"))
}

/// Why an act was refused; where an identifier cannot be named so, with the field
/// that it stands in. A caller that may not see all values is not told which
/// other identifiers stand in the way: the reason alone.
pub(crate) fn refused(act: &Act, error: ActError, caller: &Caller) -> CallError {
    let names_others = matches!(
        error,
        ActError::RequiredTogether { .. } | ActError::ForbiddenInside { .. } | ActError::Limit { .. }
    );
    if names_others && !caller.redact.is_empty() {
        return CallError::ActRedacted(Box::new(error));
    }
    let ActError::Identifier { identifier, .. } = &error else { return error.into() };
    let (outer, first) = match act {
        Act::Forbid(a, _) | Act::Require(a, _) | Act::Release(a, _) => ("", Some(a)),
        Act::Readmit(_) => ("identifier", None),
        Act::RetractLink { a, .. } => ("what.link.", Some(a)),
        Act::RetractRecord { .. } | Act::RetractSource { .. } => ("what", None),
    };
    let end = match first {
        Some(first) if first == identifier => "a",
        Some(_) => "b",
        None => "",
    };
    FieldError::new(format!("{outer}{end}"), FieldFault::InvalidValue, error.to_string()).into()
}

/// Whom a store is to forget.
pub(crate) fn forget(wire: Option<v1::forget_request::Whom>) -> Result<Forget, FieldError> {
    use v1::forget_request::Whom;
    match wire {
        None => Err(FieldError::missing("", "`identifiers`, a `person_of` or a `person_id`")),
        Some(Whom::Identifiers(v1::ForgottenIdentifiers { identifiers })) => {
            let named = identifiers.into_iter().enumerate().map(|(at, wire)| {
                identifier(wire).map_err(|error| error.within(format_args!("{}", listed(at))))
            });
            named.collect::<Result<_, _>>().map(Forget::Identifiers)
        }
        Some(Whom::PersonOf(wire)) => {
            identifier(wire).map(Forget::PersonOf).map_err(|error| error.within("person_of"))
        }
        Some(Whom::PersonId(id)) => person_id(&id).map(Forget::Person),
    }
}

/// The field of one of the identifiers that are to be forgotten.
fn listed(at: usize) -> String {
    format!("identifiers.identifiers[{at}]")
}

/// Why an erasure was refused; where an identifier cannot be named so, with the field that it stands in.
pub(crate) fn not_forgotten(forget: &Forget, error: ActError) -> CallError {
    let ActError::Identifier { identifier, .. } = &error else { return error.into() };
    let field = match forget {
        Forget::Identifiers(all) => all.iter().position(|it| it == identifier).map(listed),
        Forget::PersonOf(_) => Some("person_of".to_owned()),
        Forget::Person(_) => None,
    };
    FieldError::new(field.unwrap_or_default(), FieldFault::InvalidValue, error.to_string()).into()
}

/// Whom the field `name` asks for.
pub(crate) fn person_in(
    wire: Option<v1::PersonSelector>,
    name: &'static str,
) -> Result<PersonSelector, FieldError> {
    person_selector(wire).map_err(|error| error.within(name))
}

/// Whom a lookup asks for.
fn person_selector(wire: Option<v1::PersonSelector>) -> Result<PersonSelector, FieldError> {
    use v1::person_selector::By;
    match wire.and_then(|selector| selector.by) {
        None => Err(FieldError::missing("", "an `identifier` or a `person_id`")),
        Some(By::Identifier(wire)) => match identifier(wire) {
            Ok(identifier) => Ok(PersonSelector::Identifier(identifier)),
            Err(error) => Err(error.within("identifier")),
        },
        Some(By::PersonId(id)) => Ok(PersonSelector::Id(person_id(&id)?)),
    }
}

/// Which household a lookup asks for.
pub(crate) fn household_selector(
    wire: Option<v1::HouseholdSelector>,
) -> Result<HouseholdSelector, FieldError> {
    use v1::household_selector::By;
    match wire.and_then(|selector| selector.by) {
        None => Err(FieldError::missing("", "an `identifier`, a `household_id` or a `person_id`")),
        Some(By::Identifier(wire)) => match identifier(wire) {
            Ok(identifier) => Ok(HouseholdSelector::Identifier(identifier)),
            Err(error) => Err(error.within("identifier")),
        },
        Some(By::HouseholdId(id)) => match id.parse::<HouseholdId>() {
            Ok(id) => Ok(HouseholdSelector::Id(id)),
            Err(error) => Err(FieldError::new("household_id", FieldFault::Malformed, error.to_string())),
        },
        Some(By::PersonId(id)) => Ok(HouseholdSelector::Person(person_id(&id)?)),
    }
}

fn person_id(id: &str) -> Result<PersonId, FieldError> {
    id.parse().map_err(|error: kinfold_engine::model::ParseIdError| {
        FieldError::new("person_id", FieldFault::Malformed, error.to_string())
    })
}

/// The persons that a batch of lookups asks for, each by itself: what is wrong
/// with one is that one's answer.
pub(crate) fn person_selectors(
    wire: Vec<v1::PersonSelector>,
) -> Result<Vec<Result<PersonSelector, FieldError>>, FieldError> {
    if wire.len() > MAX_LOOKUPS {
        let message = format!("{} lookups; at most {MAX_LOOKUPS} go into one call", wire.len());
        return Err(FieldError::new("persons", FieldFault::TooMuch, message));
    }
    let selectors = wire.into_iter().enumerate().map(|(index, selector)| {
        person_selector(Some(selector)).map_err(|error| error.within(format_args!("persons[{index}]")))
    });
    Ok(selectors.collect())
}

/// A time; a `Timestamp` of protobuf outside the years 1 to 9999 or with
/// nanoseconds that are none is no time.
pub(crate) fn timestamp(wire: prost_types::Timestamp) -> Result<Timestamp, FieldError> {
    let nanos = Some(wire.nanos).filter(|nanos| (0..1_000_000_000).contains(nanos));
    nanos.and_then(|nanos| Timestamp::from_parts(wire.seconds, nanos)).ok_or_else(|| {
        FieldError::new(
            "",
            FieldFault::OutOfRange,
            format!(
                "{} seconds and {} nanoseconds are no time; expected seconds in the years 1 to 9999 and \
                 nanoseconds from 0 to 999,999,999",
                wire.seconds, wire.nanos
            ),
        )
    })
}

/// The value of an attribute.
fn attribute_value(wire: v1::AttributeValue) -> Result<AttributeValue, FieldError> {
    use v1::attribute_value::Kind;
    match wire.kind {
        None => Err(FieldError::missing("", "a string, a number, a bool or a timestamp")),
        Some(Kind::StringValue(text)) => Ok(AttributeValue::String(text)),
        Some(Kind::NumberValue(number)) => Ok(AttributeValue::Number(number)),
        Some(Kind::BoolValue(value)) => Ok(AttributeValue::Bool(value)),
        Some(Kind::TimestampValue(time)) => Ok(AttributeValue::Timestamp(timestamp(time)?)),
    }
}

/// An observation. What can be judged only with the schema, the store judges.
fn observation(wire: v1::Observation) -> Result<Observation, FieldError> {
    let time = wire.time.ok_or_else(|| FieldError::missing("time", "when the source saw it"))?;
    let time = timestamp(time).map_err(|error| error.within("time"))?;
    // In the order of their names, so that the same request gets the same error.
    let mut named: Vec<_> = wire.attributes.into_iter().collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut attributes = BTreeMap::new();
    for (name, value) in named {
        match attribute_value(value) {
            Ok(value) => {
                attributes.insert(name, value);
            }
            Err(error) => return Err(error.within(key(&name)).within("attributes")),
        }
    }
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Observation {
        source: wire.source,
        time,
        identifiers: wire
            .identifiers
            .into_iter()
            .map(|identifier| Identifier::new(identifier.namespace, identifier.value))
            .collect(),
        confidence: wire.confidence.unwrap_or(1.0),
        kind: text(wire.kind),
        record_id: text(wire.record_id),
        attributes,
    })
}

/// The parameters of a query.
pub(crate) fn parameters(wire: HashMap<String, v1::Value>) -> Result<Params, FieldError> {
    // In the order of their names, so that the same request gets the same error.
    let mut wire: Vec<_> = wire.into_iter().collect();
    wire.sort_by(|(a, _), (b, _)| a.cmp(b));
    wire.into_iter()
        .map(|(name, value)| match parameter(value) {
            Ok(value) => Ok((name, value)),
            Err(error) => Err(error.within(key(&name)).within("parameters")),
        })
        .collect()
}

/// A value that a query may be given. Its depth is bounded where messages are decoded.
pub(crate) fn parameter(wire: v1::Value) -> Result<Value, FieldError> {
    use v1::value::Kind;
    Ok(match wire.kind {
        None => return Err(FieldError::missing("", "a kind of value; null has one of its own")),
        Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::IntValue(value)) => Value::Int(value),
        Some(Kind::DoubleValue(value)) => Value::Float(value),
        Some(Kind::StringValue(text)) => Value::from(text),
        Some(Kind::ListValue(list)) => list
            .values
            .into_iter()
            .enumerate()
            .map(|(index, value)| parameter(value).map_err(|error| error.within(format_args!("[{index}]"))))
            .collect::<Result<Value, _>>()?,
        Some(Kind::MapValue(map)) => Value::Map(
            map.entries
                .into_iter()
                .map(|(name, value)| match parameter(value) {
                    Ok(value) => Ok((name, value)),
                    Err(error) => Err(error.within(key(&name))),
                })
                .collect::<Result<Map, _>>()?,
        ),
        Some(Kind::TimestampValue(time)) => Value::DateTime(timestamp(time)?),
        Some(Kind::DurationValue(v1::CalendarDuration { months, days, micros })) => {
            Value::Duration(Duration { months, days, micros })
        }
        Some(Kind::NodeValue(_) | Kind::RelationshipValue(_) | Kind::PathValue(_)) => {
            let message = "nodes, relationships and paths are answers, no parameters; give the id instead";
            return Err(FieldError::new("", FieldFault::Malformed, message));
        }
    })
}

/// A key of a map in a path; a long one in part.
fn key(name: &str) -> String {
    match name.char_indices().nth(64) {
        Some((end, _)) => format!("[{:?}…]", &name[..end]),
        None => format!("[{name:?}]"),
    }
}

/// A batch as the store takes it, and what stayed behind at the door.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Admitted {
    /// The observations that are well formed.
    pub(crate) batch: Batch,
    /// Each one's place in the request.
    pub(crate) places: Vec<u32>,
    /// The others.
    pub(crate) refused: Vec<Rejection>,
}

/// Makes a batch of a request's observations. One that is malformed stays behind
/// by itself; too many are an error of the whole batch.
pub(crate) fn batch(request_id: String, wire: Vec<v1::Observation>) -> Result<Admitted, WriteError> {
    if wire.len() > MAX_BATCH {
        return Err(WriteError::TooLarge { given: wire.len() });
    }
    let mut admitted = Admitted::default();
    admitted.batch.request_id = self::request_id(request_id);
    for (index, wire) in (0..).zip(wire) {
        match observation(wire) {
            Ok(observation) => {
                admitted.batch.observations.push(observation);
                admitted.places.push(index);
            }
            Err(FieldError { field, fault, message }) => {
                admitted.refused.push(Rejection { index, field, reason: reject_reason(fault), message });
            }
        }
    }
    Ok(admitted)
}

const fn reject_reason(fault: FieldFault) -> RejectReason {
    match fault {
        FieldFault::Missing => RejectReason::Missing,
        FieldFault::TooMuch => RejectReason::TooMuch,
        FieldFault::OutOfRange => RejectReason::OutOfRange,
        FieldFault::UndeclaredNamespace => RejectReason::UndeclaredNamespace,
        FieldFault::Malformed
        | FieldFault::InvalidValue
        | FieldFault::DeniedValue
        | FieldFault::HouseholdScope => RejectReason::InvalidValue,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn seen() -> v1::Observation {
        v1::Observation {
            source: "crm".into(),
            time: Some(prost_types::Timestamp { seconds: 1, nanos: 2_500 }),
            identifiers: vec![
                v1::Identifier { namespace: "email".into(), value: "ann@example.com".into() },
                v1::Identifier { namespace: "device".into(), value: "d1".into() },
            ],
            ..v1::Observation::default()
        }
    }

    fn valued(kind: Option<v1::attribute_value::Kind>) -> v1::AttributeValue {
        v1::AttributeValue { kind }
    }

    #[test]
    fn an_observation_keeps_all_it_says() {
        let mut wire = seen();
        wire.confidence = Some(0.25);
        wire.kind = "login".into();
        wire.attributes
            .insert("city".into(), valued(Some(v1::attribute_value::Kind::StringValue("Oslo".into()))));
        let observation = observation(wire).unwrap();
        assert_eq!(observation.time.micros(), 1_000_002);
        assert_eq!(observation.confidence, 0.25);
        assert_eq!(observation.kind.as_deref(), Some("login"));
        assert_eq!(observation.record_id, None);
        assert_eq!(observation.identifiers[1], Identifier::new("device", "d1"));
        assert_eq!(observation.attributes["city"], AttributeValue::String("Oslo".into()));
    }

    #[test]
    fn no_confidence_is_certainty_but_zero_is_not() {
        assert_eq!(observation(seen()).unwrap().confidence, 1.0);
        assert_eq!(observation(v1::Observation { confidence: Some(0.0), ..seen() }).unwrap().confidence, 0.0);
    }

    #[test]
    fn malformed_observations_stay_behind_one_by_one() {
        let timeless = v1::Observation { time: None, ..seen() };
        let mut blank = seen();
        blank.attributes.insert("city".into(), valued(None));
        let late = prost_types::Timestamp { seconds: 1 << 50, nanos: 0 };
        let late = v1::Observation { time: Some(late), ..seen() };
        let Admitted { batch, places, refused } =
            batch("r1".into(), vec![timeless, seen(), blank, late, seen()]).unwrap();
        assert_eq!(batch.request_id.as_deref(), Some("r1"));
        assert_eq!((batch.observations.len(), places), (2, vec![1, 4]));
        let refused: Vec<_> = refused.iter().map(|r| (r.index, r.field.as_str(), r.reason)).collect();
        assert_eq!(
            refused,
            [
                (0, "time", RejectReason::Missing),
                (2, "attributes[\"city\"]", RejectReason::Missing),
                (3, "time", RejectReason::OutOfRange)
            ]
        );
    }

    #[test]
    fn a_batch_has_a_bound_even_if_most_of_it_is_malformed() {
        let error = batch(String::new(), vec![v1::Observation::default(); MAX_BATCH + 1]).unwrap_err();
        assert!(matches!(error, WriteError::TooLarge { given } if given == MAX_BATCH + 1));
        assert_eq!(batch(String::new(), vec![]).unwrap(), Admitted::default());
    }

    #[test]
    fn times_have_bounds() {
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            assert!(timestamp(prost_types::Timestamp { seconds, nanos }).is_err(), "{seconds} {nanos}");
        }
        let before = timestamp(prost_types::Timestamp { seconds: -1, nanos: 999_999_999 }).unwrap();
        assert_eq!(before.micros(), -1);
    }

    #[test]
    fn selectors_name_the_field_at_fault() {
        use v1::person_selector::By;
        let by = |by| v1::PersonSelector { by: Some(by) };
        let found = person_selectors(vec![
            by(By::PersonId("p4-1".into())),
            by(By::PersonId("4".into())),
            v1::PersonSelector { by: None },
            by(By::Identifier(v1::Identifier { namespace: "email".into(), value: String::new() })),
        ])
        .unwrap();
        assert!(found[0].is_ok());
        let fields: Vec<_> = found[1..].iter().map(|r| r.clone().unwrap_err().field).collect();
        assert_eq!(fields, ["persons[1].person_id", "persons[2]", "persons[3].identifier.value"]);
        assert_eq!(person_selector(None).unwrap_err().fault, FieldFault::Missing);
        let many = vec![v1::PersonSelector::default(); MAX_LOOKUPS + 1];
        assert_eq!(person_selectors(many).unwrap_err().fault, FieldFault::TooMuch);
        assert_eq!(household_selector(None).unwrap_err().fault, FieldFault::Missing);
        let person = v1::HouseholdSelector { by: Some(v1::household_selector::By::HouseholdId("p1".into())) };
        assert_eq!(household_selector(Some(person)).unwrap_err().field, "household_id");
    }

    #[test]
    fn a_parameter_names_the_place_at_fault() {
        use v1::value::Kind;
        let value = |kind| v1::Value { kind: Some(kind) };
        let list = |values| value(Kind::ListValue(v1::ListValue { values }));
        let fault = |wire| {
            let error = parameters(HashMap::from([("ids".to_owned(), wire)])).unwrap_err();
            (error.field, error.fault)
        };
        let unset = list(vec![value(Kind::BoolValue(true)), list(vec![v1::Value { kind: None }])]);
        assert_eq!(fault(unset), ("parameters[\"ids\"][1][0]".to_owned(), FieldFault::Missing));
        let node = value(Kind::NodeValue(Box::default()));
        assert_eq!(fault(node), ("parameters[\"ids\"]".to_owned(), FieldFault::Malformed));
        let entries = HashMap::from([("k".repeat(100), v1::Value { kind: None })]);
        let (field, _) = fault(value(Kind::MapValue(Box::new(v1::MapValue { entries }))));
        assert_eq!(field, format!("parameters[\"ids\"][\"{}\"…]", "k".repeat(64)));
    }

    #[test]
    fn long_names_stay_at_the_door() {
        let long = |namespace: usize, value: usize| {
            identifier(v1::Identifier { namespace: "n".repeat(namespace), value: "v".repeat(value) })
        };
        assert!(long(MAX_NAME_BYTES, MAX_VALUE_BYTES).is_ok());
        assert_eq!(long(MAX_NAME_BYTES + 1, 1).unwrap_err().field, "namespace");
        assert_eq!(long(1, MAX_VALUE_BYTES + 1).unwrap_err().fault, FieldFault::TooMuch);
    }

    #[test]
    fn an_unknown_view_is_refused() {
        assert_eq!(view(0, View::Full), Ok(View::Full));
        assert_eq!(view(1, View::Full), Ok(View::Ids));
        assert_eq!(view(7, View::Full).unwrap_err().field, "view");
    }
}
