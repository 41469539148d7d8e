//! `phone`: E.164, as `+4930123456`.
//!
//! The number must be *valid* by the numbering plan of its country, not only of
//! a possible length: fillers such as `1111111111` and `9999999999` have the
//! length of a number, and would join everybody who typed them.

use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumberFormat, Region};

use super::Reason;
use super::digits::ascii_digit;
use super::uuid::without_prefix;

/// More digits than any number with a carrier's and an international prefix has.
const MAX_DIGITS: usize = 32;

/// More digits than any extension has (RFC 3966 sets no bound; plans end at 7).
const MAX_EXTENSION_DIGITS: usize = 15;

/// The ways to mark an extension, lower case; a longer one before its own beginning.
const EXTENSION_MARKS: [&str; 8] = [";ext=", "extension", "extn", "ext", "x", "#", ",", "durchwahl"];

/// The options of the rule `phone`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneRule {
    region: Option<Region>,
}

impl PhoneRule {
    /// The rule for a default region: the ISO 3166-1 code of the country whose
    /// national spelling numbers without a `+` are in. Without one, a number
    /// needs its `+` and country code.
    ///
    /// # Errors
    ///
    /// What was expected, if no numbering plan is known for `region`.
    pub fn new(region: Option<&str>) -> Result<Self, String> {
        let Some(code) = region else { return Ok(Self::default()) };
        const EXPECTED: &str =
            "expected the two-letter code of a country (ISO 3166-1), such as `DE`, `GB` or `US`";
        let upper = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
        let region = if upper { Region::from_code(code).ok() } else { None };
        match region.filter(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some()) {
            Some(region) => Ok(Self { region: Some(region) }),
            None => Err(EXPECTED.to_owned()),
        }
    }

    /// The default region's code.
    pub fn region(&self) -> Option<String> {
        self.region.map(|region| region.as_region_str().to_string())
    }

    /// The number that `given`, trimmed and without control characters, writes;
    /// with `;ext=12` behind it if it has an extension, for that is another line.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(super) fn normalise(&self, given: &str) -> Result<String, Reason> {
        let parts = Parts::read(given)?;
        if self.region.is_none() && !parts.number.starts_with('+') {
            return Err("the number has no country code; expected one that starts with `+`, or a default `region` in \
                        the schema"
                .into());
        }
        let mut number = self.e164(&parts.number)?;
        // The library strips prefixes by patterns and does not promise that it
        // reads its own result as the same number; a value must be one.
        if number != parts.number && self.e164(&number).as_ref() != Ok(&number) {
            return Err(
                "the number can be read as two different ones; expected one with its `+` and country code"
                    .into(),
            );
        }
        if !parts.extension.is_empty() {
            number.push_str(";ext=");
            number.push_str(&parts.extension);
        }
        Ok(number)
    }

    fn e164(&self, number: &str) -> Result<String, Reason> {
        let parsed = PHONE_NUMBER_UTIL.parse(number, self.region).map_err(|error| match error {
            ParseError::InvalidCountryCode => {
                "the number has an unknown country code; expected one in use, as in `+49…`"
            }
            ParseError::TooShortAfterIdd | ParseError::TooShortNsn => {
                "the number is too short; expected a whole number with its area code"
            }
            ParseError::TooLongNsn => "the number is too long; expected one number",
            ParseError::NotANumber(_) => "the value is no phone number; expected one such as `+4930123456`",
        })?;
        if !parsed.is_valid() {
            return Err(
                "no such number can exist in the numbering plan of its country; expected a valid one".into(),
            );
        }
        Ok(parsed.format_as(PhoneNumberFormat::E164).into_owned())
    }
}

/// A number and its extension, both reduced to what counts.
#[derive(Default)]
struct Parts {
    /// ASCII digits, after a `+` if there was one.
    number: String,
    /// ASCII digits, or nothing.
    extension: String,
}

impl Parts {
    /// Reads what people put into a field for a phone number: digits of any
    /// script, a `+` in front, and separators that mean nothing. The library
    /// would pick a number out of any text; a namespace wants a value that *is* one.
    fn read(given: &str) -> Result<Self, Reason> {
        let given = without_prefix(given, "tel:").unwrap_or(given);
        let mut parts = Self { number: String::with_capacity(20), extension: String::new() };
        for (at, c) in given.char_indices() {
            if let Some(digit) = ascii_digit(c) {
                parts.number.push(digit);
                if parts.number.len() > MAX_DIGITS {
                    return Err("the value has too many digits; expected one phone number".into());
                }
            } else if matches!(c, '+' | '\u{ff0b}') && parts.number.is_empty() {
                parts.number.push('+');
            } else if !is_separator(c) {
                parts.extension = extension(given.get(at..).unwrap_or_default())?;
                break;
            }
        }
        if parts.number.trim_start_matches('+').is_empty() {
            return Err("the value has no digit; expected a phone number such as `+4930123456`".into());
        }
        Ok(parts)
    }
}

/// Whether `c` only groups the digits of a number.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '.' | '/' | '(' | ')' | '[' | ']' | '~')
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{ff0d}'..='\u{ff0f}')
        || matches!(c, '\u{ff08}' | '\u{ff09}' | '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{202a}'..='\u{202e}')
}

/// The digits of an extension; `text` is the rest of the value from the first
/// character that is no part of a number.
fn extension(text: &str) -> Result<String, Reason> {
    const EXPECTED: &str = "the value has more in it than a phone number; expected digits, a leading `+`, separators and \
                            at most an extension such as `ext. 12`";
    let digits = EXTENSION_MARKS.iter().find_map(|mark| without_prefix(text, mark)).ok_or(EXPECTED)?;
    let mut extension = String::new();
    for c in digits.chars() {
        if let Some(digit) = ascii_digit(c) {
            extension.push(digit);
        } else if !(is_separator(c) || (extension.is_empty() && matches!(c, ':' | ',' | '#'))) {
            return Err(EXPECTED.into());
        }
    }
    if extension.is_empty() || extension.len() > MAX_EXTENSION_DIGITS {
        return Err(EXPECTED.into());
    }
    Ok(extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn german(given: &str) -> Result<String, Reason> {
        PhoneRule::new(Some("DE")).expect("a region").normalise(given)
    }

    fn anywhere(given: &str) -> Result<String, Reason> {
        PhoneRule::default().normalise(given)
    }

    #[test]
    fn spellings_of_a_number_become_one() {
        for given in [
            "+49 30 123456",
            "030 123456",
            "030/12 34 56",
            "(030) 123-456",
            "0049 30 123456",
            "+49 (0)30 123456",
            "+49 (0) 30 – 12.34.56",
            "tel:+49-30-123456",
            "＋４９ ３０ １２３４５６",
            "+٤٩٣٠١٢٣٤٥٦",
        ] {
            assert_eq!(german(given).as_deref(), Ok("+4930123456"), "{given}");
        }
        assert_eq!(german("+1 650-253-0000").as_deref(), Ok("+16502530000"));
        assert_eq!(anywhere("+39 06 698 12345").as_deref(), Ok("+390669812345"));
        assert_eq!(anywhere("+44 20 7946 0958").as_deref(), Ok("+442079460958"));
    }

    #[test]
    fn an_extension_is_another_line() {
        for given in [
            "+49 30 123456 ext. 12",
            "+49 30 123456 Ext 12",
            "+49 30 123456x12",
            "+49 30 123456 #12",
            "+4930123456;ext=12",
            "+49 30 123456 Extension: 12",
        ] {
            assert_eq!(german(given).as_deref(), Ok("+4930123456;ext=12"), "{given}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in [
            "",
            "+",
            "ann@example.com",
            "1-800-FLOWERS",
            "phone 030 123456",
            "030 123456 or 030 654321",
            "030 123456 ext",
            "030 123456 ext 1234567890123456",
            "+49 +30 123456",
            "12",
            "+999 123456",
            "+49 30 123456 030 654321 030 654321",
            "٠",
            "½",
        ] {
            assert!(german(bad).is_err(), "{bad}");
        }
        assert!(anywhere("030 123456").is_err());
        assert!(anywhere("0049 30 123456").is_err());
    }

    #[test]
    fn fillers_are_not_valid() {
        let american = PhoneRule::new(Some("US")).expect("a region");
        for filler in ["1111111111", "9999999999", "1234567890", "5555555555", "0123456789", "+10000000000"] {
            assert!(american.normalise(filler).is_err(), "{filler}");
        }
    }

    #[test]
    fn regions_are_checked() {
        assert_eq!(PhoneRule::new(Some("DE")).map(|rule| rule.region()), Ok(Some("DE".to_owned())));
        for bad in ["", "D", "de", "DEU", "UK", "ZZ", "001", "1!", "Ä"] {
            assert!(PhoneRule::new(Some(bad)).is_err(), "{bad}");
        }
    }
}
