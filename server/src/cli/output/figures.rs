//! The figures of a store.

use std::io::{self, Write};

use serde_json::json;

/// What a store holds, wherever it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// The sequence number of the state that was read.
    pub(crate) sequence: u64,
    pub(crate) persons: u64,
    pub(crate) households: u64,
    /// How many identifiers each namespace has.
    pub(crate) namespaces: Vec<(String, u64)>,
    pub(crate) links: u64,
    pub(crate) held_back: u64,
    pub(crate) records: u64,
    pub(crate) observations: u64,
    /// How many observations each source sent.
    pub(crate) sources: Vec<(String, u64)>,
    /// How many values were denied: source, namespace, count.
    pub(crate) denied: Vec<(String, String, u64)>,
    /// How many values were refused because they were forgotten: source, namespace, count.
    pub(crate) forgotten: Vec<(String, String, u64)>,
    pub(crate) bytes_on_disk: u64,
}

impl Figures {
    fn identifiers(&self) -> u64 {
        self.namespaces.iter().map(|(_, count)| count).sum()
    }

    /// One JSON object; its keys stay as they are.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let counts = |counts: &[(String, u64)]| {
            counts.iter().map(|(name, count)| (name.clone(), json!(count))).collect::<serde_json::Map<_, _>>()
        };
        let values = |counts: &[(String, String, u64)]| {
            let value = |(source, namespace, count): &(String, String, u64)| json!({ "source": source, "namespace": namespace, "count": count });
            counts.iter().map(value).collect::<Vec<_>>()
        };
        json!({
            "sequence": self.sequence,
            "persons": self.persons,
            "households": self.households,
            "identifiers": self.identifiers(),
            "namespaces": counts(&self.namespaces),
            "links": self.links,
            "held_back_links": self.held_back,
            "records": self.records,
            "observations": self.observations,
            "sources": counts(&self.sources),
            "denied": values(&self.denied),
            "forgotten": values(&self.forgotten),
            "bytes_on_disk": self.bytes_on_disk,
        })
    }
}

/// Writes the figures to read: what there is in all, and below it where it belongs.
pub(crate) fn write_figures(out: &mut impl Write, figures: &Figures) -> io::Result<()> {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |indent: usize, what: &str, count: u64| {
        let mut name = " ".repeat(indent);
        super::text::plain(&mut name, what);
        lines.push((name, grouped(count)));
    };
    line(0, "persons", figures.persons);
    line(0, "households", figures.households);
    line(0, "identifiers", figures.identifiers());
    for (namespace, count) in &figures.namespaces {
        line(2, namespace, *count);
    }
    line(0, "links", figures.links);
    line(2, "held back", figures.held_back);
    line(0, "source records", figures.records);
    line(0, "observations", figures.observations);
    for (source, count) in &figures.sources {
        line(2, &format!("from {source}"), *count);
    }
    for (what, values) in [("values denied", &figures.denied), ("values forgotten", &figures.forgotten)] {
        line(0, what, values.iter().map(|(_, _, count)| count).sum());
        for (source, namespace, count) in values {
            line(2, &format!("{namespace} from {source}"), *count);
        }
    }
    line(0, "sequence number", figures.sequence);
    lines.push(("in sorted files".to_owned(), bytes(figures.bytes_on_disk)));
    let names = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let counts = lines.iter().map(|(_, count)| count.chars().count()).max().unwrap_or_default();
    for (name, count) in lines {
        writeln!(out, "{name:<names$}  {count:>counts$}")?;
    }
    Ok(())
}

/// A number with a comma after every three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with what it counts, in the singular or the plural.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A size in the largest unit that leaves a whole number before the point.
pub(crate) fn bytes(number: u64) -> String {
    let mut size = number as f64;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1_024.0 {
            break;
        }
        size /= 1_024.0;
        unit = next;
    }
    if unit == "bytes" { format!("{number} bytes") } else { format!("{size:.1} {unit}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            sequence: 14,
            persons: 1_234,
            households: 400,
            namespaces: vec![("account".into(), 1_300), ("email".into(), 2_000)],
            links: 5_000,
            held_back: 3,
            records: 4_100,
            observations: 12_345,
            sources: vec![("crm".into(), 12_345)],
            denied: vec![("crm".into(), "email".into(), 12)],
            forgotten: vec![("web".into(), "email".into(), 2)],
            bytes_on_disk: 3 << 20,
        }
    }

    #[test]
    fn figures_read_well() {
        let mut out = Vec::new();
        write_figures(&mut out, &figures()).unwrap();
        let expected = "\
persons             1,234
households            400
identifiers         3,300
  account           1,300
  email             2,000
links               5,000
  held back             3
source records      4,100
observations       12,345
  from crm         12,345
values denied          12
  email from crm       12
values forgotten        2
  email from web        2
sequence number        14
in sorted files   3.0 MiB
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn figures_are_one_object() {
        let expected = concat!(
            r#"{"sequence":14,"persons":1234,"households":400,"identifiers":3300,"#,
            r#""namespaces":{"account":1300,"email":2000},"links":5000,"held_back_links":3,"records":4100,"#,
            r#""observations":12345,"sources":{"crm":12345},"#,
            r#""denied":[{"source":"crm","namespace":"email","count":12}],"#,
            r#""forgotten":[{"source":"web","namespace":"email","count":2}],"bytes_on_disk":3145728}"#
        );
        assert_eq!(figures().to_json().to_string(), expected);
    }

    #[test]
    fn sizes_and_counts() {
        assert_eq!(
            [0, 1_023, 1_024, 1_536 << 20].map(bytes),
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 GiB"]
        );
        assert_eq!([counted(1, "row"), counted(1_000, "row")], ["1 row", "1,000 rows"]);
    }
}
