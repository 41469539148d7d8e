//! The values of an `[[input]]`: texts, times, identifiers and the like.

use globset::{GlobBuilder, GlobMatcher};
use kinfold_engine::model::{MAX_NAME_BYTES, Timestamp};
use toml::Spanned;
use toml::de::DeValue;

use super::located::{Document, Located, Table, entries, kind_of, string};
use super::read::InputReader;
use super::{
    AttributeKind, AttributeRule, Column, ColumnKey, ColumnRef, Confidence, Filter, IdentifierRule, Piece,
    Text, TextFrom, TimeRule,
};
use crate::cli::import::time::{TimeFormat, TimeFormats};

type Value<'a> = Spanned<DeValue<'a>>;

const TEXT_KEYS: &[&str] = &["column", "constant", "template", "default"];

/// What a bare string means where a text is expected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    Column,
    Constant,
}

impl<'a> InputReader<'a> {
    /// The place of a column in the list, which it joins if it is new.
    fn column(&mut self, key: ColumnKey, span: std::ops::Range<usize>) -> ColumnRef {
        if let Some(known) = self.columns.iter().position(|c| c.key == key) {
            return known;
        }
        self.columns.push(Column { key, place: self.document.place(span.start) });
        self.columns.len() - 1
    }

    /// A column written as a name or as a number from 1.
    fn column_value(&mut self, value: &Value<'a>) -> Located<ColumnRef> {
        let expected = "a column's name, or its number from 1";
        match value.get_ref() {
            DeValue::String(name) if !name.is_empty() => {
                Ok(self.column(ColumnKey::Name(name.to_string()), value.span()))
            }
            DeValue::Integer(number) => match usize::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) if number > 0 => Ok(self.column(ColumnKey::Number(number), value.span())),
                _ => Err(self
                    .document
                    .error(value.span(), format!("{number} is no column; expected {expected}"))),
            },
            DeValue::String(_) => {
                Err(self.document.error(value.span(), format!("an empty text here; expected {expected}")))
            }
            other => Err(self
                .document
                .error(value.span(), format!("{} here; expected {expected}", kind_of(other)))),
        }
    }

    pub(super) fn table<'t>(
        &self,
        value: &'t Value<'a>,
        what: &'static str,
        expected: &str,
        keys: &[&str],
    ) -> Located<Table<'t, 'a>> {
        match value.get_ref() {
            DeValue::Table(inner) => Table::new(self.document, inner, value.span(), what, keys),
            other => Err(self
                .document
                .error(value.span(), format!("{what} is {}; expected {expected}", kind_of(other)))),
        }
    }

    /// A text: bare, or a table that says where it comes from.
    pub(super) fn text(&mut self, value: &Value<'a>, bare: Bare, what: &'static str) -> Located<Text> {
        match value.get_ref() {
            DeValue::Table(inner) => {
                let table = Table::new(self.document, inner, value.span(), what, TEXT_KEYS)?;
                self.text_of(&table, what)
            }
            DeValue::String(text) if bare == Bare::Constant => {
                if text.is_empty() {
                    return Err(self
                        .document
                        .error(value.span(), format!("an empty text here; expected {what}")));
                }
                if text.len() > MAX_NAME_BYTES {
                    return Err(self.document.error(
                        value.span(),
                        format!("{} bytes here; expected {what} of at most {MAX_NAME_BYTES}", text.len()),
                    ));
                }
                Ok(Text { from: TextFrom::Constant(text.to_string()), default: None })
            }
            DeValue::String(_) | DeValue::Integer(_) if bare == Bare::Column => {
                Ok(Text { from: TextFrom::Column(self.column_value(value)?), default: None })
            }
            other => Err(self.document.error(
                value.span(),
                format!("{} here; expected {what}, or {{ column = \"…\" }}", kind_of(other)),
            )),
        }
    }

    /// The text that a table's `column`, `constant` or `template` gives.
    fn text_of(&mut self, table: &Table<'_, 'a>, what: &str) -> Located<Text> {
        let given: Vec<&str> =
            ["column", "constant", "template"].into_iter().filter(|key| table.get(key).is_some()).collect();
        let (key, value) =
            match given[..] {
                [key] => (key, table.require(key, what)?),
                [] => return Err(table.error(format!(
                    "nothing says where it comes from; expected `column`, `constant` or `template` for {what}"
                ))),
                [_, second, ..] => {
                    return Err(table.error_at(
                        second,
                        format!("`{}` and `{second}` together; expected one of them for {what}", given[0]),
                    ));
                }
            };
        let from = match key {
            "column" => TextFrom::Column(self.column_value(value)?),
            "constant" => TextFrom::Constant(string(self.document, value, what)?.to_owned()),
            _ => TextFrom::Template(self.template(value)?),
        };
        let default = table.string("default", "what stands for an empty cell")?.map(str::to_owned);
        if default.is_some() && key == "constant" {
            return Err(table.error_at(
                "default",
                "a constant is never empty; `default` goes with `column` or `template`",
            ));
        }
        Ok(Text { from, default })
    }

    /// A template such as `{system}:{id}`; `{{` and `}}` stand for braces.
    fn template(&mut self, value: &Value<'a>) -> Located<Vec<Piece>> {
        let expected = "text with columns in braces, as \"{system}:{id}\"";
        let text = string(self.document, value, expected)?;
        let wrong =
            |message: String| self.document.error(value.span(), format!("{message}; expected {expected}"));
        let mut literal = String::new();
        let mut parts: Vec<(String, Option<String>)> = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '{' | '}' if rest.peek() == Some(&character) => {
                    rest.next();
                    literal.push(character);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(c) => name.push(c),
                            None => return Err(wrong(format!("`{{{name}` has no closing brace"))),
                        }
                    }
                    if name.is_empty() {
                        return Err(wrong("`{}` names no column".to_owned()));
                    }
                    parts.push((std::mem::take(&mut literal), Some(name)));
                }
                '}' => return Err(wrong("a closing brace without its opening one".to_owned())),
                other => literal.push(other),
            }
        }
        if parts.is_empty() {
            return Err(wrong("the template names no column".to_owned()));
        }
        parts.push((literal, None));
        let mut pieces = Vec::new();
        for (literal, column) in parts {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal));
            }
            if let Some(name) = column {
                pieces.push(Piece::Column(self.column(ColumnKey::Name(name), value.span())));
            }
        }
        Ok(pieces)
    }

    pub(super) fn time(&mut self, value: &Value<'a>) -> Located<TimeRule> {
        let expected =
            "{ column = \"…\", format = \"rfc3339\" } or a fixed time such as \"2026-01-01T00:00:00Z\"";
        let fixed = |text: &str| {
            text.parse::<Timestamp>().map(TimeRule::Constant).map_err(|error| {
                self.document
                    .error(value.span(), format!("{error}; a column is written {{ column = \"…\" }}"))
            })
        };
        match value.get_ref() {
            DeValue::String(text) => fixed(text),
            DeValue::Datetime(time) => fixed(&time.to_string()),
            DeValue::Table(inner) => {
                let keys = ["column", "template", "default", "format"];
                let table = Table::new(self.document, inner, value.span(), "`time`", &keys)?;
                let text = self.text_of(&table, "the time")?;
                let formats = self.time_formats(&table)?;
                if let Some(default) = &text.default
                    && formats.read(default).is_none()
                {
                    let expected = formats.example();
                    return Err(table.error_at(
                        "default",
                        format!("`{default}` is no time in this format; expected {expected}"),
                    ));
                }
                Ok(TimeRule::Read { text, formats })
            }
            other => Err(self
                .document
                .error(value.span(), format!("`time` is {}; expected {expected}", kind_of(other)))),
        }
    }

    fn time_formats(&self, table: &Table<'_, 'a>) -> Located<TimeFormats> {
        let Some(value) = table.get("format") else { return Ok(TimeFormats(vec![TimeFormat::Rfc3339])) };
        let formats = strings(self.document, value, "a time format such as \"rfc3339\", or a list of them")?;
        let read =
            |(name, span)| TimeFormat::parse(name).map_err(|message| self.document.error(span, message));
        Ok(TimeFormats(formats.into_iter().map(read).collect::<Located<_>>()?))
    }

    pub(super) fn confidence(&mut self, value: &Value<'a>) -> Located<Confidence> {
        let expected = "a number above 0 and at most 1, or { column = \"…\" }";
        match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => match number(value.get_ref()) {
                Some(given) if given > 0.0 && given <= 1.0 => Ok(Confidence::Constant(given)),
                _ => Err(self
                    .document
                    .error(value.span(), format!("the confidence is out of range; expected {expected}"))),
            },
            DeValue::Table(inner) => {
                let keys = ["column", "template", "default", "divide_by"];
                let table = Table::new(self.document, inner, value.span(), "`confidence`", &keys)?;
                let text = self.text_of(&table, "the confidence")?;
                let divide_by = match table.get("divide_by") {
                    None => 1.0,
                    Some(value) => {
                        number(value.get_ref()).filter(|n| *n > 0.0 && n.is_finite()).ok_or_else(|| {
                            self.document.error(
                                value.span(),
                                "`divide_by` must be a number above 0, as 100 for percent",
                            )
                        })?
                    }
                };
                Ok(Confidence::Read { text, divide_by })
            }
            other => Err(self
                .document
                .error(value.span(), format!("`confidence` is {}; expected {expected}", kind_of(other)))),
        }
    }

    pub(super) fn identifiers(&mut self, value: &Value<'a>) -> Located<Vec<IdentifierRule>> {
        let mut rules = Vec::new();
        for (key, value) in entries(self.document, value, "{ email = \"column\" }")? {
            let namespace = key.get_ref();
            if namespace.is_empty() || namespace.len() > MAX_NAME_BYTES {
                return Err(self
                    .document
                    .error(key.span(), format!("a namespace's name has 1 to {MAX_NAME_BYTES} bytes")));
            }
            let values: Vec<&Value<'a>> = match value.get_ref() {
                DeValue::Array(list) => list.iter().collect(),
                _ => vec![value],
            };
            for value in values {
                let (text, split) = self.value(value)?;
                rules.push(IdentifierRule {
                    namespace: Text { from: TextFrom::Constant(namespace.to_string()), default: None },
                    rename: Vec::new(),
                    value: text,
                    split,
                });
            }
        }
        if rules.is_empty() {
            return Err(self.document.error(value.span(), "no identifier; expected { email = \"column\" }"));
        }
        Ok(rules)
    }

    /// The value of an identifier and how it is split.
    fn value(&mut self, value: &Value<'a>) -> Located<(Text, Option<String>)> {
        let what = "an identifier's column";
        if let DeValue::Table(inner) = value.get_ref() {
            let keys = ["column", "constant", "template", "default", "split"];
            let table = Table::new(self.document, inner, value.span(), what, &keys)?;
            let text = self.text_of(&table, what)?;
            let split = match table.get("split") {
                None => self.split.clone(),
                Some(value) => Some(separator(self.document, value)?),
            };
            return Ok((text, split));
        }
        Ok((self.text(value, Bare::Column, what)?, self.split.clone()))
    }

    pub(super) fn end(&mut self, value: &Value<'a>, name: &'static str) -> Located<IdentifierRule> {
        let expected = "{ namespace = \"…\", value = \"column\" }";
        let table = self.table(
            value,
            if name == "from" { "`from`" } else { "`to`" },
            expected,
            &["namespace", "value"],
        )?;
        let namespace = table.require("namespace", "a namespace, or { column = \"…\" }")?;
        let mut rename = Vec::new();
        let namespace = match namespace.get_ref() {
            DeValue::Table(inner) => {
                let keys = ["column", "constant", "template", "default", "rename"];
                let inner = Table::new(self.document, inner, namespace.span(), "`namespace`", &keys)?;
                if let Some(names) = inner.get("rename") {
                    for (key, new) in
                        entries(self.document, names, "{ \"name in the file\" = \"namespace\" }")?
                    {
                        let new_name = string(self.document, new, "a namespace")?;
                        if new_name.is_empty() {
                            return Err(self.document.error(
                                new.span(),
                                "an empty namespace; rows are left out with `except`, not by renaming",
                            ));
                        }
                        rename.push((glob(self.document, key.get_ref(), key.span())?, new_name.to_owned()));
                    }
                }
                self.text_of(&inner, "the namespace")?
            }
            _ => self.text(namespace, Bare::Constant, "a namespace")?,
        };
        let value = self.text(
            table.require("value", "the column with the value")?,
            Bare::Column,
            "an identifier's column",
        )?;
        Ok(IdentifierRule { namespace, rename, value, split: None })
    }

    pub(super) fn attributes(&mut self, value: &Value<'a>) -> Located<Vec<AttributeRule>> {
        let mut rules = Vec::new();
        for (key, value) in entries(self.document, value, "{ city = \"column\" }")? {
            let name = key.get_ref();
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                return Err(self
                    .document
                    .error(key.span(), format!("an attribute's name has 1 to {MAX_NAME_BYTES} bytes")));
            }
            let what = "an attribute's column";
            let (text, kind) = match value.get_ref() {
                DeValue::Table(inner) => {
                    let keys = ["column", "constant", "template", "default", "type", "format"];
                    let table = Table::new(self.document, inner, value.span(), what, &keys)?;
                    let choices = [("string", 0u8), ("number", 1), ("bool", 2), ("timestamp", 3)];
                    let chosen = table.choice("type", &choices)?.unwrap_or(0);
                    if chosen != 3 && table.get("format").is_some() {
                        return Err(table.error_at("format", "`format` goes with type = \"timestamp\""));
                    }
                    let kind = match chosen {
                        0 => AttributeKind::String,
                        1 => AttributeKind::Number,
                        2 => AttributeKind::Bool,
                        _ => AttributeKind::Timestamp(self.time_formats(&table)?),
                    };
                    (self.text_of(&table, what)?, kind)
                }
                _ => (self.text(value, Bare::Column, what)?, AttributeKind::String),
            };
            rules.push(AttributeRule { name: name.to_string(), text, kind });
        }
        Ok(rules)
    }

    pub(super) fn filters(&mut self, table: &Table<'_, 'a>, key: &str) -> Located<Vec<Filter>> {
        let Some(value) = table.get(key) else { return Ok(Vec::new()) };
        let mut filters = Vec::new();
        for (column, patterns) in entries(self.document, value, "{ column = [\"value\", \"value\"] }")? {
            let values = strings(self.document, patterns, "values or patterns, as [\"a\", \"b*\"]")?
                .into_iter()
                .map(|(text, span)| glob(self.document, text, span))
                .collect::<Located<Vec<_>>>()?;
            let column = self.column(ColumnKey::Name(column.get_ref().to_string()), column.span());
            filters.push(Filter { column, values });
        }
        Ok(filters)
    }
}

/// A text or a list of texts, each with its span.
pub(super) fn strings<'t>(
    document: Document<'_>,
    value: &'t Value<'_>,
    expected: &str,
) -> Located<Vec<(&'t str, std::ops::Range<usize>)>> {
    match value.get_ref() {
        DeValue::Array(list) if list.is_empty() => {
            Err(document.error(value.span(), format!("an empty list here; expected {expected}")))
        }
        DeValue::Array(list) => {
            list.iter().map(|item| Ok((string(document, item, expected)?, item.span()))).collect()
        }
        _ => Ok(vec![(string(document, value, expected)?, value.span())]),
    }
}

pub(super) fn separator(document: Document<'_>, value: &Value<'_>) -> Located<String> {
    let text = string(document, value, "what stands between values, as \";\"")?;
    if text.is_empty() {
        return Err(
            document.error(value.span(), "an empty separator; expected what stands between values, as \";\"")
        );
    }
    Ok(text.to_owned())
}

/// `*` and `?` match anything, `[…]` a set of characters; a backslash takes the meaning off.
pub(super) fn glob(document: Document<'_>, text: &str, span: std::ops::Range<usize>) -> Located<GlobMatcher> {
    GlobBuilder::new(text)
        .literal_separator(false)
        .backslash_escape(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| {
            document.error(
                span,
                format!(
                    "`{text}` is no pattern: {}; expected a text in which * and ? may stand for anything",
                    error.kind()
                ),
            )
        })
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n as f64)
        }
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}
