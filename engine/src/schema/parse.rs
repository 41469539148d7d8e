//! From TOML to a schema, with every mistake named and placed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    HouseholdRules, NamespaceRules, PersonRules, ResolveRules, Schema, Scope, Undeclared, email_domain, names,
};
use crate::normalise::{DenyPattern, EmailRule, PhoneRule, Rule, trimmed};

/// How long the text of a schema may be, in bytes.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Where, in bytes of the text, and what.
type Found = (Range<usize>, String);

/// Reads the schema in `text`.
///
/// # Errors
///
/// Everything that is wrong with it, at least one thing.
pub(super) fn schema(text: &str) -> Result<Schema, Vec<Found>> {
    if text.len() > MAX_TEXT_BYTES {
        let given = text.len();
        return Err(vec![(0..0, format!("the schema has {given} bytes; expected at most {MAX_TEXT_BYTES}"))]);
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax(text, &errors));
    }
    let mut reader = Reader { found: Vec::new() };
    let schema = reader.schema(text, root.get_ref());
    if reader.found.is_empty() { Ok(schema) } else { Err(reader.found) }
}

/// The errors of the TOML parser, the first of each line: those after it are
/// mostly its consequences.
fn syntax(text: &str, errors: &[toml::de::Error]) -> Vec<Found> {
    let mut lines = BTreeSet::new();
    let mut found = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = text.bytes().take(span.start).filter(|b| *b == b'\n').count();
        if lines.insert(line) {
            found.push((span, format!("this is not TOML: {}", error.message())));
        }
    }
    found
}

struct Reader {
    found: Vec<Found>,
}

type Value<'t> = Spanned<DeValue<'t>>;

impl Reader {
    fn schema(&mut self, text: &str, root: &DeTable<'_>) -> Schema {
        self.known_keys(root, "the schema", &["person", "household", "defaults", "resolve", "namespace"]);
        let mut person = PersonRules::default();
        if let Some(table) = self.table(root, "person", "[person]") {
            self.known_keys(table, "[person]", &["threshold", "max_identifiers"]);
            self.threshold(table, &mut person.threshold);
            person.max_identifiers = self.limit(table, "max_identifiers");
        }
        let mut household = HouseholdRules::default();
        if let Some(table) = self.table(root, "household", "[household]") {
            self.known_keys(table, "[household]", &["threshold", "max_persons"]);
            self.threshold(table, &mut household.threshold);
            household.max_persons = self.limit(table, "max_persons");
        }
        let mut resolve = ResolveRules::default();
        if let Some(table) = self.table(root, "resolve", "[resolve]") {
            self.known_keys(table, "[resolve]", &["inline_limit"]);
            if let Some(limit) = self.whole(table, "inline_limit", i64::MAX.unsigned_abs()) {
                resolve.inline_limit = limit;
            }
        }
        let mut undeclared = Undeclared::default();
        let mut fallback = NamespaceRules::default();
        if let Some(table) = self.table(root, "defaults", "[defaults]") {
            self.known_keys(table, "[defaults]", &["undeclared", "junk"]);
            let words = [("refuse", Undeclared::Refuse), ("accept", Undeclared::Accept)];
            undeclared = self.choice(table, "undeclared", &words).unwrap_or_default();
            fallback.default_junk = self.junk(table);
        }
        let mut namespaces = BTreeMap::new();
        if let Some(tables) = self.table(root, "namespace", "[namespace.NAME]") {
            let known = Known { undeclared, scopes: scopes(tables) };
            for (name, value) in tables {
                if let Err(message) = names::check(name.get_ref()) {
                    self.refuse(name.span(), message);
                }
                let title = format!("[namespace.{}]", names::shown(name.get_ref()));
                if let Some(table) = self.as_table(value, name.get_ref(), &title) {
                    let rules = self.namespace(table, &title, &known, &fallback.default_junk);
                    namespaces.insert(name.get_ref().to_string(), rules);
                }
            }
        }
        Schema { text: text.to_owned(), person, household, undeclared, resolve, namespaces, fallback }
    }

    fn namespace(
        &mut self,
        table: &DeTable<'_>,
        title: &str,
        known: &Known<'_>,
        default_junk: &[String],
    ) -> NamespaceRules {
        const KEYS: [&str; 10] = [
            "normalise",
            "scope",
            "max_per_person",
            "shared_above",
            "deny",
            "junk",
            "builtin_junk",
            "strip_plus_tag",
            "ignore_dots_for",
            "region",
        ];
        self.known_keys(table, title, &KEYS);
        let scope = self.choice(table, "scope", &SCOPES).unwrap_or_default();
        let mut rules = NamespaceRules {
            rule: self.rule(table),
            scope,
            max_per_person: self.limit(table, "max_per_person"),
            builtin_junk: self.switch(table, "builtin_junk").unwrap_or(true),
            deny: self.deny(table),
            junk: self.junk(table),
            default_junk: default_junk.to_vec(),
            ..NamespaceRules::default()
        };
        if scope == Scope::Household
            && let Some(value) = table.get("max_per_person")
        {
            self.refuse(
                value.span(),
                "`max_per_person` does not go with `scope = \"household\"`, as no person holds such an identifier; \
                 expected it with person scope only"
                    .to_owned(),
            );
        }
        if let Some(limits) = self.table(table, "shared_above", "`shared_above`") {
            for (name, value) in limits {
                let limit = self.limit_of(value, name.get_ref());
                match scope {
                    Scope::Household if name.get_ref() == "persons" => rules.shared_above_persons = limit,
                    Scope::Household => self.refuse(
                        name.span(),
                        format!(
                            "a namespace with household scope is shared by persons, not by `{}`; expected \
                             `shared_above = {{ persons = … }}`",
                            names::shown(name.get_ref())
                        ),
                    ),
                    Scope::Person => {
                        if let Err(message) = known.check_neighbour(name.get_ref()) {
                            self.refuse(name.span(), message);
                        }
                        rules.shared_above.extend(limit.map(|limit| (name.get_ref().to_string(), limit)));
                    }
                }
            }
            rules.shared_above.sort();
        }
        rules
    }

    /// `normalise` with its options, and options that do not go with it.
    fn rule(&mut self, table: &DeTable<'_>) -> Rule {
        let words = [
            ("trim", Rule::Trim),
            ("lower", Rule::Lower),
            ("email", Rule::Email(EmailRule::default())),
            ("phone", Rule::Phone(PhoneRule::default())),
            ("uuid", Rule::Uuid),
            ("digits", Rule::Digits),
            ("none", Rule::None),
        ];
        let written = self.choice(table, "normalise", &words);
        let unknown = table.contains_key("normalise") && written.is_none();
        let mut rule = written.unwrap_or_default();
        for (key, of) in [("strip_plus_tag", "email"), ("ignore_dots_for", "email"), ("region", "phone")] {
            if let Some((name, _)) = table.get_key_value(key)
                && rule.name() != of
                && !unknown
            {
                let given = rule.name();
                self.refuse(
                    name.span(),
                    format!("`{key}` does not go with the rule `{given}`; expected it with `normalise = \"{of}\"` only"),
                );
            }
        }
        match &mut rule {
            Rule::Email(email) => {
                email.strip_plus_tag = self.switch(table, "strip_plus_tag").unwrap_or_default();
                for (domain, span) in self.texts(table, "ignore_dots_for") {
                    match email_domain(trimmed(domain)) {
                        Ok(domain) => email.ignore_dots_for.push(domain.into_owned()),
                        Err(_) => self.refuse(
                            span,
                            "this is no domain; expected a name such as `gmail.com`".to_owned(),
                        ),
                    }
                }
            }
            Rule::Phone(phone) => {
                if let Some((code, span)) = self.text(table, "region") {
                    match PhoneRule::new(Some(code)) {
                        Ok(rule) => *phone = rule,
                        Err(expected) => {
                            self.refuse(span, format!("`{}` is no region; {expected}", names::shown(code)));
                        }
                    }
                }
            }
            _ => {}
        }
        rule
    }

    fn deny(&mut self, table: &DeTable<'_>) -> Vec<DenyPattern> {
        let mut patterns = Vec::new();
        for (text, span) in self.texts(table, "deny") {
            match DenyPattern::parse(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(message) => self.refuse(span, message),
            }
        }
        patterns
    }

    fn junk(&mut self, table: &DeTable<'_>) -> Vec<String> {
        let mut values = Vec::new();
        for (text, span) in self.texts(table, "junk") {
            let value = trimmed(text).to_lowercase();
            if value.is_empty() {
                self.refuse(
                    span,
                    "the junk value is empty; expected a text, as empty values are denied anyway".to_owned(),
                );
            } else if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    fn threshold(&mut self, table: &DeTable<'_>, into: &mut f64) {
        const EXPECTED: &str = "expected a number above 0 and at most 1";
        let Some(value) = table.get("threshold") else { return };
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n as f64)
            }
            other => {
                let kind = kind(other);
                return self.refuse(value.span(), format!("`threshold` is {kind}; {EXPECTED}"));
            }
        };
        match number {
            Some(number) if number > 0.0 && number <= 1.0 => *into = number,
            _ => self.refuse(value.span(), format!("the threshold is out of range; {EXPECTED}")),
        }
    }

    fn limit(&mut self, table: &DeTable<'_>, key: &str) -> Option<u32> {
        table.get(key).and_then(|value| self.limit_of(value, key))
    }

    fn limit_of(&mut self, value: &Value<'_>, key: &str) -> Option<u32> {
        self.whole_of(value, key, u32::MAX.into()).and_then(|limit| u32::try_from(limit).ok())
    }

    fn whole(&mut self, table: &DeTable<'_>, key: &str, max: u64) -> Option<u64> {
        table.get(key).and_then(|value| self.whole_of(value, key, max))
    }

    fn whole_of(&mut self, value: &Value<'_>, key: &str, max: u64) -> Option<u64> {
        let key = names::shown(key);
        let expected = format!("expected a whole number from 1 to {max}");
        match value.get_ref() {
            DeValue::Integer(integer) => {
                let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
                let number = number.filter(|number| (1..=max).contains(number));
                if number.is_none() {
                    self.refuse(
                        value.span(),
                        format!("`{key}` is {}; {expected}", names::shown(&integer.to_string())),
                    );
                }
                number
            }
            other => {
                self.refuse(value.span(), format!("`{key}` is {}; {expected}", kind(other)));
                None
            }
        }
    }

    fn switch(&mut self, table: &DeTable<'_>, key: &str) -> Option<bool> {
        let value = table.get(key)?;
        let DeValue::Boolean(on) = value.get_ref() else {
            self.refuse(
                value.span(),
                format!("`{key}` is {}; expected `true` or `false`", kind(value.get_ref())),
            );
            return None;
        };
        Some(*on)
    }

    fn text<'t>(&mut self, table: &'t DeTable<'_>, key: &str) -> Option<(&'t str, Range<usize>)> {
        let value = table.get(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.refuse(value.span(), format!("`{key}` is {}; expected a string", kind(value.get_ref())));
            return None;
        };
        Some((text, value.span()))
    }

    fn texts<'t>(&mut self, table: &'t DeTable<'_>, key: &str) -> Vec<(&'t str, Range<usize>)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let DeValue::Array(entries) = value.get_ref() else {
            let kind = kind(value.get_ref());
            self.refuse(value.span(), format!("`{key}` is {kind}; expected an array of strings"));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for entry in entries.iter() {
            match entry.get_ref() {
                DeValue::String(text) => texts.push((&**text, entry.span())),
                other => {
                    let kind = kind(other);
                    self.refuse(entry.span(), format!("an entry of `{key}` is {kind}; expected a string"));
                }
            }
        }
        texts
    }

    fn choice<T: Clone>(&mut self, table: &DeTable<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let value = table.get(key)?;
        let known = words.iter().map(|(word, _)| *word);
        let expected = listed(known.clone(), "\"");
        let DeValue::String(text) = value.get_ref() else {
            self.refuse(value.span(), format!("`{key}` is {}; expected {expected}", kind(value.get_ref())));
            return None;
        };
        let hit = words.iter().find(|(word, _)| word == text);
        if hit.is_none() {
            let hint = did_you_mean(text, known, "\"");
            let given = names::shown(text);
            self.refuse(value.span(), format!("`{key}` cannot be \"{given}\"{hint}; expected {expected}"));
        }
        hit.map(|(_, choice)| choice.clone())
    }

    fn table<'t, 'i>(&mut self, parent: &'t DeTable<'i>, key: &str, title: &str) -> Option<&'t DeTable<'i>> {
        parent.get(key).and_then(|value| self.as_table(value, key, title))
    }

    fn as_table<'t, 'i>(&mut self, value: &'t Value<'i>, key: &str, title: &str) -> Option<&'t DeTable<'i>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(table);
        }
        let (key, kind) = (names::shown(key), kind(value.get_ref()));
        self.refuse(value.span(), format!("`{key}` is {kind}; expected {title} to be a table"));
        None
    }

    fn known_keys(&mut self, table: &DeTable<'_>, title: &str, keys: &[&str]) {
        for (key, _) in table {
            if !keys.contains(&&**key.get_ref()) {
                let hint = did_you_mean(key.get_ref(), keys.iter().copied(), "`");
                let given = names::shown(key.get_ref());
                let expected = listed(keys.iter().copied(), "`");
                self.refuse(key.span(), format!("`{given}` is no key of {title}{hint}; expected {expected}"));
            }
        }
    }

    fn refuse(&mut self, span: Range<usize>, message: String) {
        self.found.push((span, message));
    }
}

const SCOPES: [(&str, Scope); 2] = [("person", Scope::Person), ("household", Scope::Household)];

/// The namespaces that the file declares.
struct Known<'t> {
    undeclared: Undeclared,
    scopes: BTreeMap<&'t str, Scope>,
}

impl Known<'_> {
    /// Whether identifiers of person scope can be shared by those of `name`.
    fn check_neighbour(&self, name: &str) -> Result<(), String> {
        if name == "persons" {
            return Err(
                "`persons` does not go with `scope = \"person\"`; expected the name of a namespace, as in \
                        `shared_above = { account = 5 }`"
                    .to_owned(),
            );
        }
        names::check(name)?;
        match self.scopes.get(name) {
            Some(Scope::Person) => Ok(()),
            Some(Scope::Household) => Err(format!(
                "`{name}` has household scope, so its links never make an identifier shared; expected a namespace with \
                 person scope"
            )),
            None if self.undeclared == Undeclared::Accept => Ok(()),
            None => {
                let hint = did_you_mean(name, self.scopes.keys().copied(), "`");
                Err(format!(
                    "the namespace `{name}` is not declared{hint}; expected one that this file declares"
                ))
            }
        }
    }
}

/// The scopes that the namespaces in `tables` are declared with; one that is
/// not readable counts as the default, and is reported where it is read.
fn scopes<'t>(tables: &'t DeTable<'_>) -> BTreeMap<&'t str, Scope> {
    let scope_of = |value: &Value<'_>| {
        let word = value.get_ref().as_table()?.get("scope")?.get_ref().as_str()?;
        SCOPES.iter().find(|(name, _)| *name == word).map(|(_, scope)| *scope)
    };
    tables.iter().map(|(name, value)| (&**name.get_ref(), scope_of(value).unwrap_or_default())).collect()
}

fn did_you_mean<'k>(given: &str, known: impl IntoIterator<Item = &'k str>, quote: &str) -> String {
    match names::closest(given, known) {
        Some(name) => format!(" (did you mean {quote}{name}{quote}?)"),
        None => String::new(),
    }
}

/// `words`, quoted, as in "`a`, `b` or `c`".
fn listed<'k>(words: impl Iterator<Item = &'k str>, quote: &str) -> String {
    let mut quoted: Vec<String> = words.map(|word| format!("{quote}{word}{quote}")).collect();
    match quoted.pop() {
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} or {last}", quoted.join(", ")),
        None => String::new(),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
