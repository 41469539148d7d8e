//! The guards against over-merging, and a schema without them.

use kinfold_engine::schema::Schema;
use toml::{Table, Value};

use super::failure::Failure;

/// A kind of rule by which a schema keeps strangers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Guard {
    /// All of them: what remains is connected components at the threshold
    All,
    /// The built-in list of junk values, the schema's own `junk`, and `deny`
    Junk,
    /// `shared_above`, by which identifiers of many belong to nobody
    SharedAbove,
    /// `max_per_person` of every namespace
    MaxPerPerson,
    /// `max_identifiers` of persons
    MaxIdentifiers,
}

/// The schema without some of its guards. `shown` names it in messages.
///
/// Thresholds, rules of normalisation and everything about households stay, so
/// that two stores of the same rows differ in nothing but those guards. The
/// built-in junk list stays for namespaces that are accepted undeclared, which
/// no key of a schema can change.
pub(crate) fn without(schema: &Schema, shown: &str, guards: &[Guard]) -> Result<Schema, Failure> {
    let off = |guard| guards.contains(&guard) || guards.contains(&Guard::All);
    let broken = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("cannot take the guards out of {shown}: {error}"))
    };
    let mut table: Table = toml::from_str(schema.text()).map_err(|error| broken(&error))?;
    if off(Guard::MaxIdentifiers) {
        remove(table.get_mut("person"), "max_identifiers");
    }
    if off(Guard::Junk) {
        remove(table.get_mut("defaults"), "junk");
    }
    let person_scope = |name: &str| {
        schema.namespace(name).is_some_and(|rules| rules.scope == kinfold_engine::schema::Scope::Person)
    };
    if let Some(Value::Table(namespaces)) = table.get_mut("namespace") {
        for (name, rules) in namespaces {
            let is_person_scope = person_scope(name);
            if off(Guard::Junk) {
                remove(Some(rules), "junk");
                remove(Some(rules), "deny");
                if let Value::Table(rules) = rules {
                    rules.insert("builtin_junk".to_owned(), Value::Boolean(false));
                }
            }
            if off(Guard::SharedAbove) && is_person_scope {
                remove(Some(rules), "shared_above");
            }
            if off(Guard::MaxPerPerson) {
                remove(Some(rules), "max_per_person");
            }
        }
    }
    let rules = toml::to_string(&table).map_err(|error| broken(&error))?;
    let names: Vec<&str> = guards.iter().map(|guard| guard.name()).collect();
    // A name with a line break in it would end the comment.
    let origin: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = format!("# {origin} without its guards: {}.\n\n{rules}", names.join(", "));
    Schema::parse(&text, shown).map_err(|error| broken(&error))
}

impl Guard {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Junk => "junk",
            Self::SharedAbove => "shared-above",
            Self::MaxPerPerson => "max-per-person",
            Self::MaxIdentifiers => "max-identifiers",
        }
    }
}

fn remove(table: Option<&mut Value>, key: &str) {
    if let Some(Value::Table(table)) = table {
        table.remove(key);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::ValueEnum as _;
    use kinfold_engine::schema::Normalised;

    use super::*;

    const GUARDED: &str = "\
[person]
threshold = 0.6
max_identifiers = 40
[household]
max_persons = 12
[defaults]
junk = ['dummy']
[namespace.account]
max_per_person = 1
[namespace.email]
normalise = 'email'
strip_plus_tag = true
deny = ['test@*']
max_per_person = 3
[namespace.device]
normalise = 'lower'
junk = ['tester']
shared_above = { account = 5 }
[namespace.address]
scope = 'household'
shared_above = { persons = 20 }
";

    fn made(guards: &[Guard]) -> Schema {
        without(&Schema::parse(GUARDED, "s.toml").unwrap(), "s.toml", guards).unwrap()
    }

    fn accepted(schema: &Schema, namespace: &str, value: &str) -> bool {
        matches!(schema.normalise(namespace, value), Normalised::Accepted(_))
    }

    #[test]
    fn nothing_but_the_guards_goes() {
        let schema = made(&[Guard::All]);
        assert_eq!((schema.person.threshold, schema.person.max_identifiers), (0.6, None));
        assert_eq!(schema.household.max_persons, Some(12));
        for (name, rules) in schema.declared() {
            assert_eq!((rules.max_per_person, rules.shared_above.len()), (None, 0), "{name}");
        }
        assert_eq!(schema.namespace("address").unwrap().shared_above_persons, Some(20));
        assert!(accepted(&schema, "email", "test@example.com"));
        for junk in ["null", "dummy", "tester", "00000000-0000-0000-0000-000000000000"] {
            assert!(accepted(&schema, "device", junk), "{junk}");
        }
        assert_eq!(
            schema.normalise("email", "Ann+x@Example.com"),
            Normalised::Accepted("ann@example.com".to_owned())
        );
        assert!(schema.text().starts_with("# s.toml without its guards: all.\n"), "{}", schema.text());
    }

    #[test]
    fn each_guard_goes_alone() {
        let of = |guard| {
            let schema = made(&[guard]);
            let device = schema.namespace("device").unwrap();
            [
                accepted(&schema, "device", "null"),
                device.shared_above.is_empty(),
                schema.namespace("account").unwrap().max_per_person.is_none(),
                schema.person.max_identifiers.is_none(),
            ]
        };
        assert_eq!(of(Guard::All), [true, true, true, true]);
        assert_eq!(of(Guard::Junk), [true, false, false, false]);
        assert_eq!(of(Guard::SharedAbove), [false, true, false, false]);
        assert_eq!(of(Guard::MaxPerPerson), [false, false, true, false]);
        assert_eq!(of(Guard::MaxIdentifiers), [false, false, false, true]);
    }

    #[test]
    fn every_schema_can_do_without() {
        for text in ["", Schema::BUILT_IN, "[defaults]\nundeclared = 'accept'\n[namespace.a]\n"] {
            let schema = Schema::parse(text, "s.toml").unwrap();
            without(&schema, "a\nb.toml", &[Guard::Junk, Guard::SharedAbove]).unwrap();
        }
    }

    #[test]
    fn a_guard_has_one_name() {
        for guard in Guard::value_variants() {
            assert_eq!(guard.to_possible_value().unwrap().get_name(), guard.name());
        }
    }
}
