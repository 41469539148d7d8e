//! The truth: a CSV file that says which person identifiers belong to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::Path;

use kinfold_engine::model::Identifier;

use super::super::failure::Failure;
use super::IdentifierColumn;

/// Where the truth stands in its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<'a> {
    /// The column that names the true person.
    pub(super) person: &'a str,
    /// The columns of identifiers; if there are none, `namespace` and `value` name one a row.
    pub(super) identifiers: &'a [IdentifierColumn],
}

/// Identifiers, each with the number of its true person.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// The identifiers as written, with a number into `persons` each.
    pub(super) labels: Vec<(Identifier, usize)>,
    /// The names of the true persons, as they first appear.
    pub(super) persons: Vec<String>,
}

/// Where an identifier of a row comes from.
enum Source<'a> {
    /// The namespace is fixed, the value in this column.
    Fixed(&'a str, usize),
    /// The namespace is in the first column, the value in the second.
    Named(usize, usize),
}

impl Truth {
    /// Reads the file. Rows without a person label nobody, and are passed over.
    pub(super) fn read(file: &Path, columns: Columns<'_>) -> Result<Self, Failure> {
        let shown = file.display().to_string();
        let opened =
            std::fs::File::open(file).map_err(|error| Failure::unreadable("truth", &shown, &error))?;
        Self::read_from(io::BufReader::with_capacity(1 << 18, opened), &shown, columns)
    }

    fn read_from(input: impl io::Read, shown: &str, columns: Columns<'_>) -> Result<Self, Failure> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
        let header = reader.headers().map_err(|error| unreadable(shown, error))?.clone();
        let place = |name: &str| {
            header.iter().position(|it| it == name).ok_or_else(|| {
                let known: Vec<&str> = header.iter().collect();
                Failure::usage(format!(
                    "{shown}:1: no column `{name}`; it has {}; say --person COLUMN for the true person, and \
                     --identifier NAMESPACE=COLUMN for identifiers that are not in columns `namespace` and `value`",
                    if known.is_empty() { "no columns".to_owned() } else { known.join(", ") }
                ))
            })
        };
        let person = place(columns.person)?;
        let sources: Vec<Source<'_>> = match columns.identifiers {
            [] => vec![Source::Named(place("namespace")?, place("value")?)],
            several => several
                .iter()
                .map(|it| place(&it.column).map(|place| Source::Fixed(&it.namespace, place)))
                .collect::<Result<_, _>>()?,
        };

        let mut truth = Self::default();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        // Which label an identifier has, and the line that gave it.
        let mut given: HashMap<Identifier, (usize, u64)> = HashMap::new();
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row).map_err(|error| unreadable(shown, error))? {
            let line = row.position().map_or(0, csv::Position::line);
            let name = row.get(person).unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            let number = match numbers.get(name) {
                Some(number) => *number,
                None => {
                    let number = truth.persons.len();
                    numbers.insert(name.to_owned(), number);
                    truth.persons.push(name.to_owned());
                    number
                }
            };
            for source in &sources {
                let (namespace, value) = match source {
                    Source::Fixed(namespace, value) => (*namespace, *value),
                    Source::Named(namespace, value) => (row.get(*namespace).unwrap_or_default(), *value),
                };
                let value = row.get(value).unwrap_or_default();
                if value.is_empty() {
                    continue;
                }
                let identifier = Identifier::new(namespace, value);
                match given.entry(identifier) {
                    Entry::Vacant(free) => {
                        truth.labels.push((free.key().clone(), number));
                        free.insert((number, line));
                    }
                    Entry::Occupied(taken) if taken.get().0 == number => {}
                    Entry::Occupied(taken) => {
                        let (other, first) = *taken.get();
                        let other = truth.persons.get(other).map_or("", String::as_str);
                        return Err(Failure::usage(format!(
                            "{shown}:{line}: {} is of `{name}` here and of `{other}` in line {first}; \
                             leave the person empty for what several share",
                            taken.key()
                        )));
                    }
                }
            }
        }
        if truth.labels.is_empty() {
            return Err(Failure::usage(format!(
                "{shown}: no row names both a person and an identifier, so there is nothing to compare"
            )));
        }
        Ok(truth)
    }
}

fn unreadable(shown: &str, error: csv::Error) -> Failure {
    let line = error.position().map(|position| format!(":{}", position.line())).unwrap_or_default();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::unreadable("truth", shown, &error),
        csv::ErrorKind::Utf8 { .. } => Failure::usage(format!("{shown}{line}: the row is no text in UTF-8")),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Failure::usage(format!(
            "{shown}{line}: the row has {len} cells; expected {expected_len}, as in the header"
        )),
        other => Failure::failed(format!("cannot read the truth {shown}{line}: {other:?}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str, person: &str, identifiers: &[&str]) -> Result<Truth, Failure> {
        let identifiers: Vec<IdentifierColumn> =
            identifiers.iter().map(|it| super::super::identifier_column(it).unwrap()).collect();
        Truth::read_from(text.as_bytes(), "t.csv", Columns { person, identifiers: &identifiers })
    }

    fn labels(truth: &Truth) -> Vec<(String, &str)> {
        truth.labels.iter().map(|(it, number)| (it.to_string(), truth.persons[*number].as_str())).collect()
    }

    #[test]
    fn a_row_names_an_identifier() {
        let text = "namespace,value,person,household\nemail, a@x.org ,p1,h\naddress,elm 1,,h\nphone,1,p2,\nemail,a@x.org,p1,h\n";
        let truth = read(text, "person", &[]).unwrap();
        assert_eq!(labels(&truth), [("email:a@x.org".to_owned(), "p1"), ("phone:1".to_owned(), "p2")]);
    }

    #[test]
    fn a_row_names_several_identifiers() {
        let text = "\u{feff}entity,mail,tel\n1,a@x.org,12\n2,,34\n,b@x.org,\n";
        let truth = read(text, "entity", &["email=mail", "phone=tel"]).unwrap();
        assert_eq!(
            labels(&truth),
            [("email:a@x.org".to_owned(), "1"), ("phone:12".to_owned(), "1"), ("phone:34".to_owned(), "2")]
        );
    }

    #[test]
    fn mistakes_say_where_they_are() {
        let wrong = |text: &str, columns: &[&str]| read(text, "person", columns).unwrap_err().to_string();
        assert!(wrong("a,b\n", &[]).starts_with("t.csv:1: no column `person`; it has a, b; say --person"));
        assert!(wrong("person,value\n", &[]).contains("no column `namespace`"));
        assert!(wrong("person,mail\n", &["email=tel"]).contains("no column `tel`"));
        assert!(wrong("", &[]).contains("no columns"));
        assert!(wrong("person,mail\n,a\np,\n", &["email=mail"]).contains("nothing to compare"));
        let twice = wrong("person,mail\np,a@x.org\nq,a@x.org\n", &["email=mail"]);
        assert!(twice.starts_with("t.csv:3: email:a@x.org is of `q` here and of `p` in line 2;"), "{twice}");
        assert!(wrong("person,mail\np\n", &["email=mail"]).starts_with("t.csv:2: the row has 1 cells"));
        let bytes = b"person,mail\np,\xff\n";
        let columns = Columns { person: "person", identifiers: &[] };
        let text = Truth::read_from(&bytes[..], "t.csv", columns).unwrap_err().to_string();
        assert!(text.contains("no column `namespace`"), "{text}");
    }
}
