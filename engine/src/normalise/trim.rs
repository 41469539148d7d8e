//! `trim`: the default rule, for ids that a system hands out.

use super::text::composed;

/// The value of `given`, which is trimmed already. Composing makes one value of
/// the two ways to write an accented letter; nothing else changes.
pub(super) fn normalise(given: &str) -> String {
    composed(given.into())
}
