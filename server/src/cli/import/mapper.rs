//! From the values of a row to an observation.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kinfold_engine::model::{AttributeValue, Identifier, MAX_IDENTIFIERS, Observation};

use super::cells::{Cells, Decoder};
use super::mapping::{
    AttributeKind, AttributeRule, ColumnRef, Confidence, Filter, IdentifierRule, Input, OnInvalid, Piece,
    Text, TextFrom, TimeRule,
};
use super::raw::{MAX_ROW_BYTES, RawFault, RawRow};
use super::rows::{Content, Fault, FaultKind, Row};

/// Makes observations of the rows of one file. What it makes of a row depends
/// on nothing but the row.
pub(super) struct Mapper<'m> {
    input: &'m Input,
    source: &'m Text,
    decoder: Decoder,
    cells: Cells,
    seen: Vec<bool>,
    /// For each identifier of the latest row, which rule gave it.
    rules_used: Vec<usize>,
}

impl<'m> Mapper<'m> {
    /// A mapper for rows that `decoder` reads; `source` is the text that names their source.
    pub(super) fn new(input: &'m Input, source: &'m Text, decoder: Decoder) -> Self {
        let seen = vec![false; input.columns.len()];
        Self { input, source, decoder, cells: Cells::default(), seen, rules_used: Vec::new() }
    }

    /// Makes of a row what it says.
    pub(super) fn read(&mut self, raw: RawRow) -> Row {
        let RawRow { line, bytes, fault } = raw;
        let mut left_out = Vec::new();
        let content = match fault {
            Some(RawFault::TooLong) => Content::Rejected(Fault::new(
                FaultKind::TooLong,
                None,
                format!("the row has more than {MAX_ROW_BYTES} bytes, the most it may have"),
            )),
            Some(RawFault::UnclosedQuote) => Content::Rejected(Fault::new(
                FaultKind::UnclosedQuote,
                None,
                "a quote at the start of a cell is never closed; write a quote within a quoted cell twice",
            )),
            None => match self.content(&bytes, &mut left_out) {
                Ok(content) => content,
                Err(fault) => Content::Rejected(fault),
            },
        };
        if !matches!(content, Content::Observation(_)) {
            left_out.clear();
        }
        Row { line, raw: bytes, content, left_out }
    }

    /// The mapped columns that no row had a value in so far.
    pub(super) fn unseen(&self) -> impl Iterator<Item = &'m super::mapping::Column> + '_ {
        self.input.columns.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|(column, _)| column)
    }

    /// For each identifier of the latest row, its rule's place in the mapping.
    pub(super) fn rules_used(&self) -> &[usize] {
        &self.rules_used
    }

    /// The column that a rule reads an identifier's value, or its namespace, from.
    pub(super) fn identifier_column(&self, rule: usize, namespace: bool) -> Option<String> {
        let rule = self.input.identifiers.get(rule)?;
        self.column_of(if namespace { &rule.namespace } else { &rule.value })
    }

    /// The column that another field of an observation is read from.
    pub(super) fn field_column(&self, field: &str) -> Option<String> {
        match field {
            "source" => self.column_of(self.source),
            "record_id" => self.column_of(self.input.record_id.as_ref()?),
            "kind" => self.column_of(self.input.kind.as_ref()?),
            "time" => match &self.input.time {
                TimeRule::Read { text, .. } => self.column_of(text),
                TimeRule::Constant(_) => None,
            },
            "confidence" => match &self.input.confidence {
                Confidence::Read { text, .. } => self.column_of(text),
                Confidence::Constant(_) => None,
            },
            _ => None,
        }
    }

    fn content(&mut self, raw: &[u8], left_out: &mut Vec<Fault>) -> Result<Content, Fault> {
        self.decoder.read(raw, &mut self.cells)?;
        for (column, seen) in self.seen.iter_mut().enumerate() {
            *seen = *seen || self.cells.of(column).map_or(true, |mut values| values.next().is_some());
        }
        if !self.passes()? {
            return Ok(Content::Filtered);
        }
        let source = self.text(self.source)?;
        let source = source.ok_or_else(|| self.missing(self.source, "the source"))?.into_owned();
        let time = match &self.input.time {
            TimeRule::Constant(time) => *time,
            TimeRule::Read { text, formats } => {
                let given = self.text(text)?.ok_or_else(|| self.missing(text, "the time"))?;
                formats.read(&given).ok_or_else(|| {
                    let reason =
                        format!("`{}` is no time; expected {}", shortened(&given), formats.example());
                    Fault::new(FaultKind::InvalidTime, self.column_of(text), reason)
                })?
            }
        };
        let confidence = self.confidence()?;
        let kind = self.optional(self.input.kind.as_ref())?;
        let record_id = self.optional(self.input.record_id.as_ref())?;
        let (identifiers, rules_used) = self.identifiers(left_out)?.into_iter().unzip();
        let mut attributes = BTreeMap::new();
        for rule in &self.input.attributes {
            match self.attribute(rule) {
                Ok(Some(value)) => {
                    attributes.insert(rule.name.clone(), value);
                }
                Ok(None) => {}
                Err(fault) => self.tolerate(fault, left_out)?,
            }
        }
        self.rules_used = rules_used;
        let observation = Observation { source, time, identifiers, confidence, kind, record_id, attributes };
        Ok(Content::Observation(Box::new(observation)))
    }

    /// Takes note of a fault if the mapping says to go on without the value.
    fn tolerate(&self, fault: Fault, left_out: &mut Vec<Fault>) -> Result<(), Fault> {
        match self.input.on_invalid {
            OnInvalid::Reject => Err(fault),
            OnInvalid::Skip => {
                left_out.push(fault);
                Ok(())
            }
        }
    }

    fn passes(&self) -> Result<bool, Fault> {
        for filter in &self.input.only {
            if !self.matches(filter)? {
                return Ok(false);
            }
        }
        for filter in &self.input.except {
            if self.matches(filter)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether any value of the filter's column matches; an empty cell is the empty text.
    fn matches(&self, filter: &Filter) -> Result<bool, Fault> {
        let mut values = self.cells.of(filter.column).map_err(Fault::clone)?.peekable();
        let matches = |value: &str| filter.values.iter().any(|glob| glob.is_match(value));
        Ok(if values.peek().is_none() { matches("") } else { values.any(matches) })
    }

    fn column_name(&self, column: ColumnRef) -> Option<String> {
        self.input.columns.get(column).map(|c| c.key.to_string())
    }

    /// The column or columns that a text comes from.
    fn column_of(&self, text: &Text) -> Option<String> {
        match &text.from {
            TextFrom::Constant(_) => None,
            TextFrom::Column(column) => self.column_name(*column),
            TextFrom::Template(pieces) => {
                let names = pieces.iter().filter_map(|piece| match piece {
                    Piece::Literal(_) => None,
                    Piece::Column(column) => self.column_name(*column),
                });
                Some(names.collect::<Vec<_>>().join(" and "))
            }
        }
    }

    fn missing(&self, text: &Text, what: &str) -> Fault {
        Fault::new(FaultKind::Missing, self.column_of(text), format!("{what} is missing: the cell is empty"))
    }

    /// The one value of a column, if it has any.
    fn single(&self, column: ColumnRef) -> Result<Option<&str>, Fault> {
        let mut values = self.cells.of(column).map_err(Fault::clone)?;
        let Some(first) = values.next() else { return Ok(None) };
        match values.find(|other| *other != first) {
            None => Ok(Some(first)),
            Some(_) => Err(Fault::new(
                FaultKind::SeveralValues,
                self.column_name(column),
                "several values where one is needed; name one by its place, as `list.0`",
            )),
        }
    }

    /// A text; `None` if a column that it needs is empty and there is no default.
    fn text<'s>(&'s self, text: &'s Text) -> Result<Option<Cow<'s, str>>, Fault> {
        let given = match &text.from {
            TextFrom::Constant(constant) => Some(Cow::Borrowed(constant.as_str())),
            TextFrom::Column(column) => self.single(*column)?.map(Cow::Borrowed),
            TextFrom::Template(pieces) => {
                let mut filled = String::new();
                let mut complete = true;
                for piece in pieces {
                    match piece {
                        Piece::Literal(literal) => filled.push_str(literal),
                        Piece::Column(column) => match self.single(*column)? {
                            Some(value) => filled.push_str(value),
                            None => complete = false,
                        },
                    }
                }
                complete.then_some(Cow::Owned(filled))
            }
        };
        Ok(given.or(text.default.as_deref().map(Cow::Borrowed)))
    }

    fn optional(&self, text: Option<&Text>) -> Result<Option<String>, Fault> {
        match text {
            None => Ok(None),
            Some(text) => Ok(self.text(text)?.map(Cow::into_owned)),
        }
    }

    fn confidence(&self) -> Result<f64, Fault> {
        match &self.input.confidence {
            Confidence::Constant(confidence) => Ok(*confidence),
            Confidence::Read { text, divide_by } => {
                let given = self.text(text)?.ok_or_else(|| self.missing(text, "the confidence"))?;
                let number = given.parse::<f64>().ok().map(|n| n / divide_by);
                number.filter(|n| *n > 0.0 && *n <= 1.0).ok_or_else(|| {
                    let range = match *divide_by {
                        1.0 => "a number above 0 and at most 1".to_owned(),
                        most => format!("a number above 0 and at most {most}"),
                    };
                    let reason = format!("`{}` is no confidence; expected {range}", shortened(&given));
                    Fault::new(FaultKind::InvalidConfidence, self.column_of(text), reason)
                })
            }
        }
    }

    /// The identifiers of the row, each with its rule's place in the mapping.
    fn identifiers(&self, left_out: &mut Vec<Fault>) -> Result<Vec<(Identifier, usize)>, Fault> {
        let mut identifiers = Vec::new();
        for (place, rule) in self.input.identifiers.iter().enumerate() {
            if let Err(fault) = self.identifier(place, rule, &mut identifiers) {
                self.tolerate(fault, left_out)?;
            }
        }
        if identifiers.is_empty() {
            let columns: Vec<String> =
                self.input.identifiers.iter().filter_map(|rule| self.column_of(&rule.value)).collect();
            let reason = "no identifier: all of the row's identifier cells are empty";
            return Err(Fault::new(FaultKind::Missing, Some(columns.join(" and ")), reason));
        }
        if identifiers.len() > MAX_IDENTIFIERS {
            let reason =
                format!("{} identifiers; an observation may have {MAX_IDENTIFIERS}", identifiers.len());
            return Err(Fault::new(FaultKind::TooManyIdentifiers, None, reason));
        }
        Ok(identifiers)
    }

    /// Adds what one rule gives.
    fn identifier(
        &self,
        place: usize,
        rule: &IdentifierRule,
        into: &mut Vec<(Identifier, usize)>,
    ) -> Result<(), Fault> {
        let mut add = |value: &str| -> Result<(), Fault> {
            let Some(namespace) = self.text(&rule.namespace)? else {
                return Err(self.missing(&rule.namespace, "the namespace"));
            };
            let renamed = rule.rename.iter().find(|(glob, _)| glob.is_match(namespace.as_ref()));
            let namespace = renamed.map_or(namespace.as_ref(), |(_, new)| new.as_str());
            let identifier = Identifier::new(namespace, value);
            if !into.iter().any(|(known, _)| *known == identifier) {
                into.push((identifier, place));
            }
            Ok(())
        };
        // Both ends of a link need a value, so there the single value is asked for.
        if self.input.is_link {
            let value =
                self.text(&rule.value)?.ok_or_else(|| self.missing(&rule.value, "an end of the link"))?;
            return add(&value);
        }
        let mut add_split = |cell: &str| match &rule.split {
            Some(separator) => {
                cell.split(separator.as_str()).map(str::trim).filter(|v| !v.is_empty()).try_for_each(&mut add)
            }
            None => add(cell),
        };
        match &rule.value {
            Text { from: TextFrom::Column(column), default } => {
                let mut values = self.cells.of(*column).map_err(Fault::clone)?.peekable();
                match (values.peek(), default) {
                    (None, Some(default)) => add_split(default),
                    _ => values.try_for_each(add_split),
                }
            }
            text => match self.text(text)? {
                Some(value) => add_split(&value),
                None => Ok(()),
            },
        }
    }

    fn attribute(&self, rule: &AttributeRule) -> Result<Option<AttributeValue>, Fault> {
        let Some(text) = self.text(&rule.text)? else { return Ok(None) };
        let value = match &rule.kind {
            AttributeKind::String => Some(AttributeValue::String(text.as_ref().to_owned())),
            AttributeKind::Number => {
                text.parse::<f64>().ok().filter(|n| n.is_finite()).map(AttributeValue::Number)
            }
            AttributeKind::Bool => truth(&text).map(AttributeValue::Bool),
            AttributeKind::Timestamp(formats) => formats.read(&text).map(AttributeValue::Timestamp),
        };
        if value.is_none() {
            let expected = match &rule.kind {
                AttributeKind::String => "a text".to_owned(),
                AttributeKind::Number => "a finite number".to_owned(),
                AttributeKind::Bool => "true or false, yes or no, 1 or 0".to_owned(),
                AttributeKind::Timestamp(formats) => formats.example(),
            };
            let reason =
                format!("`{}` is no value for `{}`; expected {expected}", shortened(&text), rule.name);
            return Err(Fault::new(FaultKind::InvalidAttribute, self.column_of(&rule.text), reason));
        }
        Ok(value)
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// A value as an error shows it.
fn shortened(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or(text))),
    }
}
