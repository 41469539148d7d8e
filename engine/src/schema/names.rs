//! Names of namespaces, and the names people meant.

/// How long a namespace's name may be, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Words of the query language and of the schema itself.
const RESERVED: [&str; 4] = ["household", "identifier", "person", "persons"];

/// Whether a namespace can be called `name`.
///
/// # Errors
///
/// What is wrong and what was expected.
pub(super) fn check(name: &str) -> Result<(), String> {
    if RESERVED.contains(&name) {
        return Err(format!("`{name}` is a reserved word; expected another name for the namespace"));
    }
    let starts = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let continues =
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if starts && continues && name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    Err(format!(
        "`{}` is no name for a namespace; expected a lower-case letter, then lower-case letters, digits, `_` and `-`, \
         {MAX_NAME_BYTES} bytes at most",
        shown(name)
    ))
}

/// `name` fit for a message: without control characters and of a bounded length.
pub(super) fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(MAX_NAME_BYTES).flat_map(char::escape_debug).collect();
    if name.chars().nth(MAX_NAME_BYTES).is_some() {
        text.push('…');
    }
    text
}

/// The one of `known` that somebody who wrote `given` most likely meant.
pub(crate) fn closest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Nobody mistypes a name into one of twice the length; and the distance
    // takes time in the product of the lengths.
    if given.len() > 2 * MAX_NAME_BYTES {
        return None;
    }
    let folded = given.to_lowercase().replace('-', "_");
    let bound = (folded.chars().count() / 3).max(1);
    let candidates = known.into_iter().map(|name| {
        let distance = strsim::damerau_levenshtein(&folded, &name.replace('-', "_"));
        let prefix = folded.len() >= 3 && (name.starts_with(&folded) || folded.starts_with(name));
        (if prefix { distance.min(bound) } else { distance }, name)
    });
    candidates.filter(|(distance, _)| *distance <= bound).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["email", "a", "household_ip", "x-1", &"a".repeat(64)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "Email",
            "1a",
            "_a",
            "-a",
            "a b",
            "a.b",
            "a:b",
            "ä",
            "person",
            "persons",
            "identifier",
            "household",
            &"a".repeat(65),
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn near_names_are_suggested() {
        let known = ["account", "email", "phone", "household_ip"];
        for (given, expected) in [
            ("emial", Some("email")),
            ("e-mail", Some("email")),
            ("Email", Some("email")),
            ("emails", Some("email")),
            ("household-ip", Some("household_ip")),
            ("phon", Some("phone")),
            ("acc", Some("account")),
            ("loyalty", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(given, known), expected, "{given}");
        }
        assert_eq!(closest(&"e".repeat(1_000_000), known), None);
    }
}
