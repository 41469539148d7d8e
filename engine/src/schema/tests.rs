#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Schema {
    match Schema::parse(text, "schema.toml") {
        Ok(schema) => schema,
        Err(error) => panic!("{error}"),
    }
}

fn accepted(value: &str) -> Normalised {
    Normalised::Accepted(value.to_owned())
}

fn denied(rule: &str) -> Normalised {
    Normalised::Denied { rule: rule.to_owned() }
}

#[test]
fn the_built_in_schema_is_what_the_documentation_says() {
    let schema = Schema::built_in();
    assert_eq!(schema.text(), Schema::BUILT_IN);
    assert_eq!(schema.person, PersonRules { threshold: 0.5, max_identifiers: Some(1000) });
    assert_eq!(schema.household, HouseholdRules { threshold: 0.3, max_persons: Some(12) });
    assert_eq!(schema.resolve.inline_limit, 50_000);
    assert_eq!(schema.undeclared, Undeclared::Refuse);
    let names: Vec<_> =
        schema.declared().map(|(name, rules)| (name, rules.rule.name(), rules.scope)).collect();
    assert_eq!(
        names,
        [
            ("account", "trim", Scope::Person),
            ("address", "trim", Scope::Household),
            ("cookie", "trim", Scope::Person),
            ("device", "trim", Scope::Person),
            ("email", "email", Scope::Person),
            ("household_ip", "lower", Scope::Household),
            ("phone", "phone", Scope::Person),
        ]
    );
    let limits = |name: &str| {
        let rules = schema.namespace(name).unwrap();
        (rules.max_per_person, rules.shared_above.clone(), rules.shared_above_persons)
    };
    assert_eq!(limits("account"), (Some(1), vec![], None));
    assert_eq!(limits("email"), (Some(10), vec![], None));
    assert_eq!(limits("device"), (None, vec![("account".to_owned(), 5)], None));
    assert_eq!(limits("cookie"), (None, vec![("account".to_owned(), 3)], None));
    assert_eq!(limits("address"), (None, vec![], Some(20)));
    assert_eq!(limits("household_ip"), (None, vec![], Some(20)));
    assert_eq!(schema.namespace("loyalty"), None);

    for ip in ["192.168.1.7", "172.31.0.1", "127.0.0.1", "::1", "FE80::1", "fd12:3456::1", "255.255.255.255"]
    {
        assert!(matches!(schema.normalise("household_ip", ip), Normalised::Denied { .. }), "{ip}");
    }
    for ip in ["203.0.113.9", "172.32.0.1", "172.15.0.1", "2001:db8::1", "100.1.2.3", "fd::1"] {
        assert_eq!(schema.normalise("household_ip", ip), accepted(ip));
    }
    assert_eq!(
        schema.normalise("device", "02:00:00:00:00:00"),
        denied("junk value `02:00:00:00:00:00` of namespace `device`")
    );
}

#[test]
fn an_empty_schema_has_the_defaults() {
    let schema = parse("");
    assert_eq!(schema.person, PersonRules { threshold: 0.5, max_identifiers: None });
    assert_eq!(schema.household, HouseholdRules { threshold: 0.3, max_persons: None });
    assert_eq!(schema.declared().count(), 0);
    assert_eq!(parse("[namespace.x]").namespace("x"), Some(&NamespaceRules::default()));
}

#[test]
fn every_key_is_read() {
    let schema = parse(
        r#"
        [person]
        threshold = 1
        max_identifiers = 1_000
        [household]
        threshold = 2.5e-1
        max_persons = 0x0C
        [resolve]
        inline_limit = 5_000_000_000
        [defaults]
        undeclared = "accept"
        junk = ["Test", "test", " x "]
        [namespace.email]
        normalise = "email"
        strip_plus_tag = true
        ignore_dots_for = ["GMail.com", "googlemail.com"]
        deny = ["a*"]
        junk = ["B"]
        builtin_junk = false
        [namespace.phone]
        normalise = "phone"
        region = "DE"
        [namespace]
        id = { normalise = "uuid", shared_above = { phone = 3, later = 2, email = 1 }, max_per_person = 4294967295 }
        home.scope = "household"
        home.shared_above.persons = 7
        "#,
    );
    assert_eq!(schema.person, PersonRules { threshold: 1.0, max_identifiers: Some(1000) });
    assert_eq!(schema.household, HouseholdRules { threshold: 0.25, max_persons: Some(12) });
    assert_eq!(schema.resolve.inline_limit, 5_000_000_000);
    let email = schema.namespace("email").unwrap();
    assert_eq!(
        email.rule,
        Rule::Email(EmailRule {
            strip_plus_tag: true,
            ignore_dots_for: vec!["gmail.com".to_owned(), "googlemail.com".to_owned()],
        })
    );
    assert_eq!(email.deny().collect::<Vec<_>>(), ["a*"]);
    assert_eq!(email.junk(), ["b"]);
    assert!(!email.builtin_junk);
    let Rule::Phone(phone) = &schema.namespace("phone").unwrap().rule else { panic!("not a phone rule") };
    assert_eq!(phone.region().as_deref(), Some("DE"));
    let id = schema.namespace("id").unwrap();
    assert_eq!(id.shared_above, [("email".to_owned(), 1), ("later".to_owned(), 2), ("phone".to_owned(), 3)]);
    assert_eq!(id.max_per_person, Some(u32::MAX));
    let home = schema.namespace("home").unwrap();
    assert_eq!((home.scope, home.shared_above_persons), (Scope::Household, Some(7)));
    assert_eq!(schema.normalise("later", "TEST"), denied("junk value `test` of the defaults"));
    assert_eq!(schema.normalise("later", "x"), denied("junk value `x` of the defaults"));
}

#[test]
fn undeclared_namespaces_are_refused_or_accepted() {
    let strict = parse("[namespace.email]");
    assert_eq!(
        strict.normalise("emial", "x"),
        Normalised::Undeclared { suggestion: Some("email".to_owned()) }
    );
    assert_eq!(strict.normalise("loyalty", "x"), Normalised::Undeclared { suggestion: None });
    let lenient = parse("[defaults]\nundeclared = \"accept\"");
    assert_eq!(lenient.normalise("loyalty", " x "), accepted("x"));
    assert_eq!(lenient.normalise("Loyalty", "x"), Normalised::Undeclared { suggestion: None });
    assert_eq!(lenient.namespace("persons"), None);
}

#[test]
fn junk_is_denied_before_any_rule() {
    let schema = parse(
        r#"
        [defaults]
        junk = ["Platzhalter"]
        [namespace.email]
        normalise = "email"
        [namespace.phone]
        normalise = "phone"
        region = "DE"
        [namespace.digits]
        normalise = "digits"
        [namespace.id]
        normalise = "uuid"
        [namespace.raw]
        normalise = "none"
        [namespace.own]
        junk = ["dummy"]
        [namespace.open]
        builtin_junk = false
        [namespace.open_digits]
        normalise = "digits"
        builtin_junk = false
        "#,
    );
    for (namespace, _) in schema.declared().filter(|(name, _)| !name.starts_with("open")) {
        for junk in [
            "",
            "  ",
            "null",
            " 'NULL'\n",
            "\"undefined\"",
            "[object Object]",
            "00000000-0000-0000-0000-000000000000",
            "0",
            "-1",
        ] {
            assert_eq!(
                schema.normalise(namespace, junk),
                denied("built-in junk value"),
                "{namespace} {junk}"
            );
        }
        assert_eq!(
            schema.normalise(namespace, "PLATZHALTER "),
            denied("junk value `platzhalter` of the defaults")
        );
    }
    for zeros in ["00", "000-000", "+00 0", "００００"] {
        assert_eq!(schema.normalise("digits", zeros), denied("built-in junk value"), "{zeros}");
        assert_eq!(schema.normalise("phone", zeros), denied("built-in junk value"), "{zeros}");
    }
    assert_eq!(schema.normalise("digits", "No. 000"), denied("built-in junk value"));
    assert_eq!(schema.normalise("raw", "00"), accepted("00"));
    assert_eq!(schema.normalise("own", "Dummy"), denied("junk value `dummy` of namespace `own`"));
    assert_eq!(schema.normalise("raw", "dummy"), accepted("dummy"));
    assert_eq!(schema.normalise("open", "null"), accepted("null"));
    assert_eq!(schema.normalise("open", "Platzhalter"), denied("junk value `platzhalter` of the defaults"));
    assert_eq!(schema.normalise("open_digits", "0-0"), accepted("00"));
    assert!(matches!(schema.normalise("open", " "), Normalised::Invalid { .. }));
}

#[test]
fn deny_patterns_see_the_raw_and_the_normalised_value() {
    let schema = parse(
        r#"
        [namespace.email]
        normalise = "email"
        strip_plus_tag = true
        deny = ["test@*", "*+spam@*", "*@b\u00fccher.example", "none of these"]
        "#,
    );
    assert_eq!(
        schema.normalise("email", " TEST@example.com"),
        denied("deny pattern `test@*` of namespace `email`")
    );
    assert_eq!(
        schema.normalise("email", "\"test\"@example.com"),
        denied("deny pattern `test@*` of namespace `email`")
    );
    assert_eq!(
        schema.normalise("email", "test+1@example.com"),
        denied("deny pattern `test@*` of namespace `email`")
    );
    assert_eq!(
        schema.normalise("email", "ann+spam@example.com"),
        denied("deny pattern `*+spam@*` of namespace `email`")
    );
    assert_eq!(
        schema.normalise("email", "a@BÜCHER.example"),
        denied("deny pattern `*@bücher.example` of namespace `email`")
    );
    assert_eq!(
        schema.normalise("email", "None of these"),
        denied("deny pattern `none of these` of namespace `email`")
    );
    assert_eq!(schema.normalise("email", "ann+x@example.com"), accepted("ann@example.com"));
}

#[test]
fn reasons_do_not_quote_the_value() {
    let schema = Schema::built_in();
    for (namespace, raw) in [
        ("email", "secret-name"),
        ("email", "secret name@example.com"),
        ("phone", "secret 12"),
        ("account", "secret\0"),
    ] {
        let Normalised::Invalid { reason } = schema.normalise(namespace, raw) else {
            panic!("{raw} was taken")
        };
        assert!(!reason.contains("secret"), "{reason}");
    }
}

/// What `Schema::parse` says of `text`.
fn complaint(text: &str) -> String {
    Schema::parse(text, "schema.toml").unwrap_err().to_string()
}

#[test]
fn messages_show_the_place() {
    assert_eq!(
        complaint("[person]\nmax_identifiers = 0\n"),
        "schema.toml:2:19: `max_identifiers` is 0; expected a whole number from 1 to 4294967295\n\
         \x20 |\n\
         2 | max_identifiers = 0\n\
         \x20 |                   ^"
    );
    assert_eq!(
        complaint("[person]\ntreshold = 0.5   # oops\n"),
        "schema.toml:2:1: `treshold` is no key of [person] (did you mean `threshold`?); expected `threshold` or \
         `max_identifiers`\n\
         \x20 |\n\
         2 | treshold = 0.5   # oops\n\
         \x20 | ^^^^^^^^"
    );
    assert_eq!(
        complaint("[namespace.email]\nnormalise = \"emial\"\n"),
        "schema.toml:2:13: `normalise` cannot be \"emial\" (did you mean \"email\"?); expected \"trim\", \"lower\", \
         \"email\", \"phone\", \"uuid\", \"digits\" or \"none\"\n\
         \x20 |\n\
         2 | normalise = \"emial\"\n\
         \x20 |             ^^^^^^^"
    );
    assert_eq!(
        complaint("[person\nthreshold = 0.5"),
        "schema.toml:1:8: this is not TOML: unclosed table, expected `]`\n\
         \x20 |\n\
         1 | [person\n\
         \x20 |        ^"
    );
}

const PAGE: &str = include_str!("../../../docs/schema.md");

/// The fenced blocks of the documentation in `language`.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let parts = PAGE.split(fence.as_str()).skip(1);
    parts.filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_documentation_is_true() {
    let [example] = blocks("toml")[..] else { panic!("one example") };
    assert!(parse(example).declared().count() > 4);
    let [shown] = blocks("text")[..] else { panic!("one message") };
    let mistaken = "[person]\ntreshold = 0.5   # oops\n[namespace.x]\nmax_per_person = 0\n";
    assert_eq!(complaint(mistaken), shown.trim_end());
    for key in complaint("[namespace.x]\nzzz = 1").lines().next().unwrap().split('`').skip(3).step_by(2) {
        assert!(PAGE.contains(&format!("| | `{key}` |")) || key == "normalise", "{key}");
    }
    for (raw, rule, expected) in [
        ("Ann@BÜCHER.example", "normalise = \"email\"", "ann@xn--bcher-kva.example"),
        ("(030) 123-456", "normalise = \"phone\"\nregion = \"DE\"", "+4930123456"),
        (
            "{67E5504410B1426F9247BB680E5FE0C8}",
            "normalise = \"uuid\"",
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
        ),
        ("12-34 56", "normalise = \"digits\"", "123456"),
        ("ANN_S", "normalise = \"lower\"", "ann_s"),
    ] {
        assert!(PAGE.contains(raw) && PAGE.contains(expected), "{raw}");
        assert_eq!(parse(&format!("[namespace.x]\n{rule}")).normalise("x", raw), accepted(expected));
    }
}

/// The first line of the only problem of each text.
#[test]
fn each_mistake_has_its_message() {
    let limit = "expected a whole number from 1 to 4294967295";
    let share = "expected a number above 0 and at most 1";
    let cases = [
        ("persons = 1", "1:1: `persons` is no key of the schema (did you mean `person`?); expected `person`, `household`, `defaults`, `resolve` or `namespace`".to_owned()),
        ("person = 1", "1:10: `person` is a whole number; expected [person] to be a table".to_owned()),
        ("[[namespace]]", "1:1: `namespace` is an array; expected [namespace.NAME] to be a table".to_owned()),
        ("[namespace]\nemail = \"email\"", "2:9: `email` is a string; expected [namespace.email] to be a table".to_owned()),
        ("[person]\nthreshold = 0", format!("2:13: the threshold is out of range; {share}")),
        ("[person]\nthreshold = 1.01", format!("2:13: the threshold is out of range; {share}")),
        ("[person]\nthreshold = -0.0", format!("2:13: the threshold is out of range; {share}")),
        ("[person]\nthreshold = nan", format!("2:13: the threshold is out of range; {share}")),
        ("[household]\nthreshold = inf", format!("2:13: the threshold is out of range; {share}")),
        ("[household]\nthreshold = \"0.3\"", format!("2:13: `threshold` is a string; {share}")),
        ("[household]\nmax_persons = 1.5", format!("2:15: `max_persons` is a number with a point; {limit}")),
        ("[household]\nmax_persons = -1", format!("2:15: `max_persons` is -1; {limit}")),
        ("[household]\nmax_persons = 4294967296", format!("2:15: `max_persons` is 4294967296; {limit}")),
        ("[resolve]\ninline_limit = 0", "2:16: `inline_limit` is 0; expected a whole number from 1 to 9223372036854775807".to_owned()),
        ("[resolve]\nlimit = 1", "2:1: `limit` is no key of [resolve]; expected `inline_limit`".to_owned()),
        ("[defaults]\nundeclared = \"acept\"", "2:14: `undeclared` cannot be \"acept\" (did you mean \"accept\"?); expected \"refuse\" or \"accept\"".to_owned()),
        ("[defaults]\nundeclared = true", "2:14: `undeclared` is a boolean; expected \"refuse\" or \"accept\"".to_owned()),
        ("[defaults]\njunk = \"test\"", "2:8: `junk` is a string; expected an array of strings".to_owned()),
        ("[defaults]\njunk = [\"a\", 1]", "2:14: an entry of `junk` is a whole number; expected a string".to_owned()),
        ("[defaults]\njunk = [\" \"]", "2:9: the junk value is empty; expected a text, as empty values are denied anyway".to_owned()),
        ("[namespace.x]\nscope = \"home\"", "2:9: `scope` cannot be \"home\"; expected \"person\" or \"household\"".to_owned()),
        ("[namespace.x]\nmax_per_persons = 1", "2:1: `max_per_persons` is no key of [namespace.x] (did you mean `max_per_person`?); expected `normalise`, `scope`, `max_per_person`, `shared_above`, `deny`, `junk`, `builtin_junk`, `strip_plus_tag`, `ignore_dots_for` or `region`".to_owned()),
        ("[namespace.x]\nscope = \"household\"\nmax_per_person = 1", "3:18: `max_per_person` does not go with `scope = \"household\"`, as no person holds such an identifier; expected it with person scope only".to_owned()),
        ("[namespace.x]\nshared_above = 5", "2:16: `shared_above` is a whole number; expected `shared_above` to be a table".to_owned()),
        ("[namespace.x]\nshared_above = { x = 0 }", format!("2:22: `x` is 0; {limit}")),
        ("[namespace.x]\nshared_above = { persons = 2 }", "2:18: `persons` does not go with `scope = \"person\"`; expected the name of a namespace, as in `shared_above = { account = 5 }`".to_owned()),
        ("[namespace.x]\nscope = \"household\"\nshared_above = { x = 2 }", "3:18: a namespace with household scope is shared by persons, not by `x`; expected `shared_above = { persons = … }`".to_owned()),
        ("[namespace.email]\nshared_above = { emial = 2 }", "2:18: the namespace `emial` is not declared (did you mean `email`?); expected one that this file declares".to_owned()),
        ("[namespace.x]\nshared_above = { home = 2 }\n[namespace.home]\nscope = \"household\"", "2:18: `home` has household scope, so its links never make an identifier shared; expected a namespace with person scope".to_owned()),
        ("[defaults]\nundeclared = \"accept\"\n[namespace.x]\nshared_above = { Y = 2 }", "4:18: `Y` is no name for a namespace; expected a lower-case letter, then lower-case letters, digits, `_` and `-`, 64 bytes at most".to_owned()),
        ("[namespace.Email]", "1:12: `Email` is no name for a namespace; expected a lower-case letter, then lower-case letters, digits, `_` and `-`, 64 bytes at most".to_owned()),
        ("[namespace.persons]", "1:12: `persons` is a reserved word; expected another name for the namespace".to_owned()),
        ("[namespace.\"\"]", "1:12: `` is no name for a namespace; expected a lower-case letter, then lower-case letters, digits, `_` and `-`, 64 bytes at most".to_owned()),
        ("[namespace.x]\nnormalise = \"phone\"\nstrip_plus_tag = true", "3:1: `strip_plus_tag` does not go with the rule `phone`; expected it with `normalise = \"email\"` only".to_owned()),
        ("[namespace.x]\nignore_dots_for = []", "2:1: `ignore_dots_for` does not go with the rule `trim`; expected it with `normalise = \"email\"` only".to_owned()),
        ("[namespace.x]\nnormalise = \"email\"\nregion = \"DE\"", "3:1: `region` does not go with the rule `email`; expected it with `normalise = \"phone\"` only".to_owned()),
        ("[namespace.x]\nnormalise = \"email\"\nstrip_plus_tag = 1", "3:18: `strip_plus_tag` is a whole number; expected `true` or `false`".to_owned()),
        ("[namespace.x]\nnormalise = \"email\"\nignore_dots_for = [\"gmail\"]", "3:20: this is no domain; expected a name such as `gmail.com`".to_owned()),
        ("[namespace.x]\nnormalise = \"phone\"\nregion = \"UK\"", "3:10: `UK` is no region; expected the two-letter code of a country (ISO 3166-1), such as `DE`, `GB` or `US`".to_owned()),
        ("[namespace.x]\nnormalise = \"phone\"\nregion = 49", "3:10: `region` is a whole number; expected a string".to_owned()),
        ("[namespace.x]\ndeny = [\"a\", \"*\"]", "2:14: the deny pattern matches every value; expected at least one character besides `*`".to_owned()),
        ("[namespace.x]\ndeny = [\"\"]", "2:9: the deny pattern is empty; expected a text such as `test@*`".to_owned()),
        ("a = 1\na = 2", "2:1: this is not TOML: duplicate key".to_owned()),
    ];
    for (text, expected) in cases {
        let error = Schema::parse(text, "schema.toml").unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        let message = error.to_string();
        assert_eq!(message.lines().next(), Some(format!("schema.toml:{expected}").as_str()), "{text}");
    }
}

#[test]
fn all_problems_are_reported_in_the_order_of_the_file() {
    let error = Schema::parse(
        "[resolve]\ninline_limit = 0\n[namespace.b]\nscope = 1\n[namespace.a]\ndeny = [\"*\", 2]\n[person]\nthreshold = 2\n",
        "my schema.toml",
    )
    .unwrap_err();
    let places: Vec<_> = error.problems().iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places, [(2, 16), (4, 9), (6, 9), (6, 14), (8, 13)]);
    assert_eq!(error.file(), "my schema.toml");
    assert_eq!(error.to_string().lines().filter(|line| line.starts_with("my schema.toml:")).count(), 5);
}

#[test]
fn very_many_problems_are_counted() {
    let text: String = (0..30).map(|n| format!("k{n} = 1\n")).collect();
    let error = Schema::parse(&text, "s").unwrap_err();
    assert_eq!(error.problems().len(), 30);
    assert!(error.to_string().ends_with("\nand 10 more problems"), "{error}");
}

#[test]
fn huge_and_deep_texts_are_refused() {
    assert!(complaint(&"#".repeat(1 << 21)).contains("expected at most 1048576"));
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
    ] {
        assert!(complaint(&text).contains("this is not TOML"));
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        let _ = Schema::parse(&text, "s").map_err(|error| error.to_string());
    }

    #[test]
    fn parsing_what_looks_like_a_schema_never_panics(lines in prop::collection::vec(
        (
            "|\\[person\\]|\\[namespace\\.[a-z\"ü.]{0,5}\\]|\\[\\[namespace\\]\\]|\\[household\\]|\\[defaults\\]|\t?(threshold|max_persons|normalise|scope|deny|junk|shared_above|region|namespace|x) ?= ?",
            "|\"(email|phone|DE|household|\\*|[a-z*?@ü\\\\]{0,6})\"|-?[0-9]{1,22}|[0-9]\\.[0-9e]{1,4}|nan|true|\\[|\\]|\\{ ?[a-z]{1,7} = [0-9]|\\}|\\[\"a\", ?\"\\*\"\\]|1979-05-27",
            "\r?\n",
        ).prop_map(|(a, b, c)| a + &b + &c), 0..12,
    )) {
        let text = lines.concat();
        if let Err(error) = Schema::parse(&text, "s") {
            prop_assert!(!error.problems().is_empty());
            for problem in error.problems() {
                prop_assert!(problem.line >= 1 && problem.line <= text.matches('\n').count() + 1);
                prop_assert!(problem.marker.ends_with('^'));
            }
        }
    }

    #[test]
    fn what_is_accepted_is_accepted_again(
        raw in "[ -~]{0,20}|[ \"'a-cA-C0.+-]{0,12}(@gmail\\.com)?|0{0,12}|\\PC{0,12}",
        namespace in "email|phone|raw|lower|digits|id|plain",
    ) {
        let schema = parse(r#"
            [namespace.plain]
            deny = ["a*c"]
            [namespace.raw]
            normalise = "none"
            [namespace.lower]
            normalise = "lower"
            junk = ["abc"]
            [namespace.digits]
            normalise = "digits"
            deny = ["1*"]
            [namespace.id]
            normalise = "uuid"
            [namespace.phone]
            normalise = "phone"
            region = "US"
            [namespace.email]
            normalise = "email"
            strip_plus_tag = true
            ignore_dots_for = ["gmail.com"]
            deny = ["a?b@*"]
        "#);
        if let Normalised::Accepted(value) = schema.normalise(&namespace, &raw) {
            prop_assert_eq!(schema.normalise(&namespace, &value), Normalised::Accepted(value.clone()));
        }
    }
}
