//! Checks and normalises an observation before it reaches the writer, on the caller's thread.

use crate::codec::{Hash128, StoredAttribute};
use crate::consent;
use crate::model::{
    AttributeValue, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, MAX_IDENTIFIERS, MAX_NAME_BYTES, Observation,
};
use crate::schema::{Normalised, Schema};
use crate::secret::{Hashed, Secret, record_hash};

use super::{RejectReason, Rejection};

/// An identifier of a well-formed observation.
#[derive(Debug)]
pub(crate) struct PreparedIdentifier {
    pub(crate) namespace: String,
    /// Normalised.
    pub(crate) value: String,
    pub(crate) hash: Hash128,
}

/// A well-formed observation.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its place in its batch.
    pub(crate) index: u32,
    pub(crate) source: String,
    pub(crate) kind: Option<String>,
    pub(crate) time: i64,
    pub(crate) confidence: f64,
    /// Distinct; may be empty when all its values were denied.
    pub(crate) identifiers: Vec<PreparedIdentifier>,
    /// The namespaces of values that were denied.
    pub(crate) denied: Vec<String>,
    /// The record it stands for: the source's key, or `None` for attributes that came without one.
    pub(crate) record: Option<(Option<String>, Hash128)>,
    /// Ordered by name.
    pub(crate) attributes: Vec<(String, StoredAttribute)>,
}

impl Prepared {
    /// Leaves out the identifiers that a schema denies; says how many.
    pub(crate) fn deny(&mut self, schema: &Schema) -> u32 {
        let before = self.identifiers.len();
        let denied = &mut self.denied;
        self.identifiers.retain(|known| {
            let is_denied =
                matches!(schema.normalise(&known.namespace, &known.value), Normalised::Denied { .. });
            if is_denied {
                denied.push(known.namespace.clone());
            }
            !is_denied
        });
        (before - self.identifiers.len()) as u32
    }
}

struct Refusal {
    field: String,
    reason: RejectReason,
    message: String,
}

fn refuse<T>(
    field: impl Into<String>,
    reason: RejectReason,
    message: impl Into<String>,
) -> Result<T, Refusal> {
    Err(Refusal { field: field.into(), reason, message: message.into() })
}

/// Checks one observation, the `index`-th of its batch.
pub(crate) fn prepare(
    index: u32,
    observation: Observation,
    schema: &Schema,
    secret: &Secret,
) -> Result<Prepared, Rejection> {
    check(index, observation, schema, secret).map_err(|refusal| Rejection {
        index,
        field: refusal.field,
        reason: refusal.reason,
        message: refusal.message,
    })
}

fn name(field: &str, text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return refuse(field, RejectReason::Missing, format!("`{field}` is empty"));
    }
    if text.len() > MAX_NAME_BYTES {
        let message = format!("`{field}` has {} bytes; at most {MAX_NAME_BYTES} are allowed", text.len());
        return refuse(field, RejectReason::TooMuch, message);
    }
    if text.chars().any(char::is_control) {
        return refuse(field, RejectReason::InvalidValue, format!("`{field}` holds a control character"));
    }
    Ok(())
}

fn check(
    index: u32,
    observation: Observation,
    schema: &Schema,
    secret: &Secret,
) -> Result<Prepared, Refusal> {
    let Observation { source, time, identifiers, confidence, kind, record_id, attributes } = observation;
    name("source", &source)?;
    if let Some(kind) = &kind {
        name("kind", kind)?;
    }
    if let Some(record_id) = &record_id {
        name("record_id", record_id)?;
    }
    if !(confidence > 0.0 && confidence <= 1.0) {
        let message = format!("the confidence is {confidence}; expected a number above 0 and at most 1");
        return refuse("confidence", RejectReason::OutOfRange, message);
    }
    if identifiers.is_empty() {
        let message = "the observation names no identifier; expected at least one";
        return refuse("identifiers", RejectReason::Missing, message);
    }
    if identifiers.len() > MAX_IDENTIFIERS {
        let message = format!(
            "the observation names {} identifiers; at most {MAX_IDENTIFIERS} go into one: every pair of them is linked",
            identifiers.len()
        );
        return refuse("identifiers", RejectReason::TooMuch, message);
    }

    let mut kept: Vec<PreparedIdentifier> = Vec::with_capacity(identifiers.len());
    let mut denied = Vec::new();
    for (at, identifier) in identifiers.into_iter().enumerate() {
        match schema.normalise(&identifier.namespace, &identifier.value) {
            Normalised::Accepted(value) => {
                if !kept.iter().any(|known| known.namespace == identifier.namespace && known.value == value) {
                    let hash = secret.hash(Hashed::Value, value.as_bytes());
                    kept.push(PreparedIdentifier { namespace: identifier.namespace, value, hash });
                }
            }
            Normalised::Denied { .. } => denied.push(identifier.namespace),
            Normalised::Invalid { reason } => {
                return refuse(format!("identifiers[{at}].value"), RejectReason::InvalidValue, reason);
            }
            Normalised::Undeclared { suggestion } => {
                let near = suggestion.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                let message = format!("the schema declares no namespace `{}`{near}", identifier.namespace);
                let field = format!("identifiers[{at}].namespace");
                return refuse(field, RejectReason::UndeclaredNamespace, message);
            }
        }
    }

    if attributes.len() > MAX_ATTRIBUTES {
        let message =
            format!("the observation carries {} attributes; at most {MAX_ATTRIBUTES}", attributes.len());
        return refuse("attributes", RejectReason::TooMuch, message);
    }
    let mut stored = Vec::with_capacity(attributes.len());
    for (attribute, value) in attributes {
        name("attributes", &attribute)?;
        let field = || format!("attributes[{attribute}]");
        match &value {
            AttributeValue::String(text) if text.len() > MAX_ATTRIBUTE_BYTES => {
                let message = format!("the text has {} bytes; at most {MAX_ATTRIBUTE_BYTES}", text.len());
                return refuse(field(), RejectReason::TooMuch, message);
            }
            AttributeValue::Number(number) if !number.is_finite() => {
                let message = format!("the number is {number}; expected a finite one");
                return refuse(field(), RejectReason::OutOfRange, message);
            }
            _ => {}
        }
        if let Some(message) = consent::fault(&attribute, &value) {
            return refuse(field(), RejectReason::InvalidValue, message);
        }
        let value = StoredAttribute::from(&value);
        stored.push((attribute, value));
    }

    let record = match record_id {
        Some(id) => {
            let hash = record_hash(secret, &id);
            Some((Some(id), hash))
        }
        // Attributes without a record id belong to whom the observation names.
        None if !stored.is_empty() && !kept.is_empty() => {
            let mut names: Vec<String> =
                kept.iter().map(|known| format!("{}\0{}\0", known.namespace, known.value)).collect();
            names.sort_unstable();
            Some((None, secret.hash(Hashed::RecordId, format!("of\0{}", names.concat()).as_bytes())))
        }
        None => None,
    };
    Ok(Prepared {
        index,
        source,
        kind,
        time: time.micros(),
        confidence,
        identifiers: kept,
        denied,
        record,
        attributes: stored,
    })
}
