//! What several rules share.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Whether `c` shows nothing by itself and comes along with copied or exported
/// text: byte order marks, zero-width spaces, marks of direction.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `raw` without the whitespace and the invisible characters around it.
pub(crate) fn trimmed(raw: &str) -> &str {
    raw.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// `text` with its letters and accents composed (Unicode NFC).
pub(super) fn composed(text: Cow<'_, str>) -> String {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        text.into_owned()
    } else {
        text.nfc().collect()
    }
}

/// `text` in lower case, composed.
pub(super) fn lowered(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { composed(text.to_lowercase().into()) }
}
