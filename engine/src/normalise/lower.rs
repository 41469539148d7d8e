//! `lower`: for names that are the same in any case, such as logins.

use super::text::lowered;

/// The value of `given`, which is trimmed already, by Unicode's full
/// lower-casing without regard to a language.
pub(super) fn normalise(given: &str) -> String {
    lowered(given)
}
