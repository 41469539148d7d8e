#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn rules() -> Vec<Rule> {
    vec![
        Rule::Trim,
        Rule::Lower,
        Rule::Email(EmailRule::default()),
        Rule::Email(EmailRule { strip_plus_tag: true, ignore_dots_for: vec!["gmail.com".to_owned()] }),
        Rule::Phone(PhoneRule::default()),
        Rule::Phone(PhoneRule::new(Some("DE")).unwrap()),
        Rule::Phone(PhoneRule::new(Some("US")).unwrap()),
        Rule::Phone(PhoneRule::new(Some("AR")).unwrap()),
        Rule::Phone(PhoneRule::new(Some("IT")).unwrap()),
        Rule::Phone(PhoneRule::new(Some("MX")).unwrap()),
        Rule::Uuid,
        Rule::Digits,
        Rule::None,
    ]
}

fn assert_idempotent(rule: &Rule, raw: &str) {
    if let Ok(once) = rule.apply(raw) {
        assert_eq!(rule.apply(&once).as_deref(), Ok(once.as_str()), "{rule:?} of {raw:?}");
        assert!(!once.is_empty() && once.len() <= MAX_VALUE_BYTES, "{rule:?} of {raw:?}");
        assert!(!once.chars().any(char::is_control), "{rule:?} of {raw:?}");
    }
}

#[test]
fn the_plain_rules() {
    let cases = [
        (Rule::Trim, " A b \u{feff}\r\n", "A b"),
        (Rule::Trim, "e\u{301}", "é"),
        (Rule::Lower, "\tÀÉ Straße ΟΔΥΣΣΕΥΣ", "àé straße οδυσσευς"),
        (Rule::Lower, "A\u{308}", "ä"),
        (Rule::None, " A e\u{301} ", " A e\u{301} "),
        (Rule::Uuid, " {67E55044-10B1-426F-9247-BB680E5FE0C8}\n", "67e55044-10b1-426f-9247-bb680e5fe0c8"),
        (Rule::Digits, " 12-3 ", "123"),
    ];
    for (rule, raw, expected) in cases {
        assert_eq!(rule.apply(raw).as_deref(), Ok(expected), "{rule:?} of {raw:?}");
    }
}

#[test]
fn control_characters_and_long_values_are_refused_by_every_rule() {
    for rule in rules() {
        for raw in ["a\0b", "1\u{7}2", "\0", "ann@exa\nmple.com", "a\u{85}b", "+49 30\t123456"] {
            let reason = rule.apply(raw).unwrap_err();
            assert!(reason.contains("control character"), "{rule:?}: {reason}");
        }
        let reason = rule.apply(&"1".repeat(MAX_VALUE_BYTES + 1)).unwrap_err();
        assert_eq!(reason, "the value has 1025 bytes; expected at most 1024");
        assert!(rule.apply("").is_err());
    }
    assert!(Rule::Trim.apply(&"1".repeat(MAX_VALUE_BYTES)).is_ok());
    // U+FB2C composes to three characters.
    assert!(Rule::Trim.apply(&"\u{fb2c}".repeat(MAX_VALUE_BYTES / 3)).is_err());
}

#[test]
fn every_character_is_normalised_once() {
    // The planes in use, less the ideographs and syllables, which have no case.
    for c in ('\0'..'\u{3400}')
        .chain('\u{a000}'..'\u{ac00}')
        .chain('\u{d7b0}'..'\u{20000}')
        .chain('\u{2f800}'..'\u{2fa20}')
    {
        let address = format!("a{c}b@a{c}.com");
        for rule in [Rule::Trim, Rule::Lower, Rule::Digits, Rule::Email(EmailRule::default())] {
            assert_idempotent(&rule, &address);
        }
        assert_idempotent(&Rule::Email(EmailRule::default()), &format!("a{c}b@example.com"));
    }
}

/// Texts that come near what each rule takes.
fn raw_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,40}",
        "\\PC{0,20}",
        "[aÀΣİß\u{301}\u{308}\u{327}\u{345}ǅﬁKΩ]{0,12}",
        "[a-zA-Z.+\"\\\\ üßİ\u{301}]{0,10}@[a-zA-Züß.-]{0,8}\\.(com|DE|gmail\\.com|xn--bcher-kva|例え)",
        "\"?[a-cA-C.+@\\\\\" ]{0,8}\"?@gmail\\.com",
        "[+0]{0,2}[0-9٠-٩０-９ ()./-]{3,16}(x[0-9]{1,4}| ext\\. [0-9]{1,4}|;ext=[0-9]{1,4})?",
        "\\+(1|39|49|52|54|55|7|44|61|225|599|800)[0-9]{6,12}",
        "(urn:uuid:|\\{)?[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\\}?",
    ]
}

proptest! {
    #[test]
    fn every_rule_is_idempotent(raw in raw_value()) {
        for rule in rules() {
            assert_idempotent(&rule, &raw);
        }
    }

    #[test]
    fn outer_whitespace_never_matters_but_to_none(raw in "[ -~]{0,24}", before in "[ \t\u{a0}]{0,3}", after in "[ \r\n]{0,3}") {
        for rule in rules().into_iter().filter(|rule| *rule != Rule::None) {
            prop_assert_eq!(rule.apply(&raw), rule.apply(&format!("{before}{raw}{after}")));
        }
    }

    #[test]
    fn case_never_matters_to_lower_email_and_uuid(raw in "[a-z0-9@.+-]{0,24}|[a-z]{1,8}@[a-z]{1,8}\\.com|[0-9a-f]{32}") {
        for rule in [Rule::Lower, Rule::Email(EmailRule::default()), Rule::Uuid] {
            prop_assert_eq!(rule.apply(&raw), rule.apply(&raw.to_uppercase()));
        }
    }
}

#[test]
fn rules_have_the_names_of_the_list() {
    let names: std::collections::BTreeSet<_> = rules().iter().map(Rule::name).collect();
    assert_eq!(names, Rule::NAMES.into_iter().collect());
}
