//! From TOML to a [`Mapping`].

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fields::{Bare, glob, separator, strings};
use super::located::{Document, Located, Table, kind_of, string};
use super::{Column, Confidence, CsvOptions, Format, Input, Mapping, OnInvalid};

const INPUT_KEYS: &[&str] = &[
    "name",
    "files",
    "format",
    "csv",
    "source",
    "shape",
    "record_id",
    "time",
    "confidence",
    "kind",
    "identifiers",
    "from",
    "to",
    "attributes",
    "only",
    "except",
    "split",
    "on_invalid",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Record,
    Link,
}

/// Reads the document as a mapping.
pub(super) fn mapping(document: Document<'_>) -> Located<Mapping> {
    let root = document.parse()?;
    let top = Table::new(document, root.get_ref(), 0..0, "the mapping", &["input"])?;
    let value = top.require("input", "one [[input]] for each kind of file")?;
    let DeValue::Array(tables) = value.get_ref() else {
        return Err(document.error(
            value.span(),
            format!(
                "`input` is {}; expected a list of tables, each begun with [[input]]",
                kind_of(value.get_ref())
            ),
        ));
    };
    let mut inputs: Vec<Input> = Vec::new();
    for table in tables.iter() {
        let DeValue::Table(inner) = table.get_ref() else {
            return Err(document.error(
                table.span(),
                format!("{} here; expected a table, begun with [[input]]", kind_of(table.get_ref())),
            ));
        };
        let input = InputReader { document, columns: Vec::new(), split: None }.read(inner, table.span())?;
        if let Some(name) = &input.name
            && inputs.iter().any(|other| other.name.as_ref() == Some(name))
        {
            let span = inner.get("name").map_or(table.span(), Spanned::span);
            return Err(document
                .error(span, format!("there is another input called `{name}`; expected a name of its own")));
        }
        inputs.push(input);
    }
    if inputs.is_empty() {
        return Err(
            document.error(value.span(), "there is no input; expected one [[input]] for each kind of file")
        );
    }
    Ok(Mapping { file: document.file.to_owned(), inputs })
}

/// Reads one `[[input]]`; `fields` has the methods that read its values.
pub(super) struct InputReader<'a> {
    pub(super) document: Document<'a>,
    /// The columns that were named so far.
    pub(super) columns: Vec<Column>,
    /// What parts several identifiers in one cell.
    pub(super) split: Option<String>,
}

impl<'a> InputReader<'a> {
    fn read(mut self, inner: &DeTable<'a>, span: std::ops::Range<usize>) -> Located<Input> {
        let document = self.document;
        let place = document.place(span.start);
        let table = Table::new(document, inner, span, "[[input]]", INPUT_KEYS)?;
        let shape = table.choice("shape", &[("record", Shape::Record), ("link", Shape::Link)])?.ok_or_else(|| {
            table.error("`shape` is missing in [[input]]; expected \"record\" (a row names the identifiers of one record) or \"link\" (a row names two identifiers)")
        })?;
        let name = table.string("name", "a name to choose this input by")?.map(str::to_owned);
        let files = match table.get("files") {
            None => Vec::new(),
            Some(value) => strings(document, value, "file name patterns, as [\"records*.csv\"]")?
                .into_iter()
                .map(|(text, span)| Ok((text.to_owned(), glob(document, text, span)?)))
                .collect::<Located<Vec<_>>>()?,
        };
        let format = table.choice("format", &[("csv", Format::Csv), ("jsonl", Format::JsonLines)])?;
        let csv = self.csv(&table)?;
        if format == Some(Format::JsonLines) && table.get("csv").is_some() {
            return Err(
                table.error_at("csv", "`csv` has no meaning for format = \"jsonl\"; expected one of the two")
            );
        }
        if let Some(value) = table.get("split") {
            if shape == Shape::Link {
                return Err(table.error_at(
                    "split",
                    "a link has one value at each end; `split` is for shape = \"record\"",
                ));
            }
            self.split = Some(separator(document, value)?);
        }
        let source =
            table.get("source").map(|v| self.text(v, Bare::Constant, "a source's name")).transpose()?;
        let kind = table.get("kind").map(|v| self.text(v, Bare::Constant, "a kind of link")).transpose()?;
        let record_id = table
            .get("record_id")
            .map(|v| self.text(v, Bare::Column, "the column of the record's id"))
            .transpose()?;
        let time = self.time(table.require(
            "time",
            "{ column = \"…\", format = \"rfc3339\" }, or a fixed time such as \"2026-01-01T00:00:00Z\" for a file without times (the time of the import would make every import a new one)",
        )?)?;
        let confidence = match table.get("confidence") {
            None => Confidence::Constant(1.0),
            Some(value) => self.confidence(value)?,
        };
        let identifiers = match shape {
            Shape::Record => {
                for key in ["from", "to"] {
                    if table.get(key).is_some() {
                        return Err(table.error_at(
                            key,
                            format!("`{key}` is for shape = \"link\"; a record has `identifiers`"),
                        ));
                    }
                }
                let value = table
                    .require("identifiers", "{ email = \"column\", phone = [\"column\", \"column\"] }")?;
                self.identifiers(value)?
            }
            Shape::Link => {
                if table.get("identifiers").is_some() {
                    return Err(table.error_at(
                        "identifiers",
                        "`identifiers` is for shape = \"record\"; a link has `from` and `to`",
                    ));
                }
                let expected = "{ namespace = \"…\", value = \"column\" }";
                let from = self.end(table.require("from", expected)?, "from")?;
                let to = self.end(table.require("to", expected)?, "to")?;
                vec![from, to]
            }
        };
        let attributes = match table.get("attributes") {
            None => Vec::new(),
            Some(value) => self.attributes(value)?,
        };
        let only = self.filters(&table, "only")?;
        let except = self.filters(&table, "except")?;
        let on_invalid = table
            .choice("on_invalid", &[("reject", OnInvalid::Reject), ("skip", OnInvalid::Skip)])?
            .unwrap_or(OnInvalid::Reject);
        Ok(Input {
            name,
            files,
            format,
            csv,
            columns: self.columns,
            source,
            record_id,
            time,
            confidence,
            kind,
            identifiers,
            is_link: shape == Shape::Link,
            attributes,
            only,
            except,
            on_invalid,
            place,
        })
    }

    fn csv(&self, table: &Table<'_, 'a>) -> Located<CsvOptions> {
        let mut options = CsvOptions { delimiter: None, header: true, trim: true };
        let Some(value) = table.get("csv") else { return Ok(options) };
        let inner = self.table(
            value,
            "`csv`",
            "{ delimiter = \";\", header = true }",
            &["delimiter", "header", "trim"],
        )?;
        if let Some(value) = inner.get("delimiter") {
            let text = string(self.document, value, "one character such as \";\"")?;
            options.delimiter = match text.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
                _ => {
                    return Err(self.document.error(
                        value.span(),
                        format!("`{text}` cannot be a delimiter; expected one ASCII character such as \",\", \";\", \"|\" or \"\\t\""),
                    ));
                }
            };
        }
        options.header = inner.boolean("header")?.unwrap_or(options.header);
        options.trim = inner.boolean("trim")?.unwrap_or(options.trim);
        Ok(options)
    }
}
