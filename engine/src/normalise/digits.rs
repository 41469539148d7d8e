//! `digits`: for numbers that people write with dashes, dots and spaces.

use super::Reason;

/// The zeros of Unicode's sets of decimal digits (general category Nd, Unicode
/// 17), ascending; the digits 1 to 9 follow each.
const ZEROS: [char; 76] = [
    '\u{30}',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{10d40}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{116d0}',
    '\u{116da}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11bf0}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{11de0}',
    '\u{11f50}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{16d70}',
    '\u{1ccf0}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e4f0}',
    '\u{1e5f1}',
    '\u{1e950}',
    '\u{1fbf0}',
];

/// The ASCII digit of the same worth as the decimal digit `c` of any script.
pub(super) fn ascii_digit(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    let set = ZEROS.partition_point(|zero| *zero <= c).checked_sub(1)?;
    let worth = u32::from(c) - u32::from(*ZEROS.get(set)?);
    char::from_digit(worth, 10)
}

/// The digits of `given`, those of other scripts in ASCII, everything else left out.
///
/// # Errors
///
/// If it has none.
pub(super) fn normalise(given: &str) -> Result<String, Reason> {
    let mut value = String::with_capacity(given.len());
    value.extend(given.chars().filter_map(ascii_digit));
    if value.is_empty() {
        return Err("the value has no digit; expected at least one".into());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_count() {
        assert_eq!(normalise("12-34.5 6").as_deref(), Ok("123456"));
        assert_eq!(normalise("１２３").as_deref(), Ok("123"));
        assert_eq!(normalise("٠١٢٣٤٥٦٧٨٩").as_deref(), Ok("0123456789"));
        assert_eq!(normalise("\u{1d7ff}\u{1d7ce}").as_deref(), Ok("90"));
        assert_eq!(normalise("No. ½² 7").as_deref(), Ok("7"));
        assert!(normalise("none here").is_err());
    }

    #[test]
    fn the_table_is_sorted_and_holds_digits_only() {
        assert!(ZEROS.windows(2).all(|pair| u32::from(pair[1]) >= u32::from(pair[0]) + 10));
        for zero in ZEROS {
            for worth in 0..10 {
                let c = char::from_u32(u32::from(zero) + worth).expect("a scalar value");
                assert!(c.is_numeric(), "{:x}", u32::from(c));
                assert_eq!(ascii_digit(c).and_then(|d| d.to_digit(10)), Some(worth));
            }
        }
    }

    #[test]
    fn neighbours_of_a_set_are_no_digits() {
        for c in ['/', ':', '\u{66a}', '\u{65f}', '\u{ff1a}', '\u{10ffff}', 'é'] {
            assert_eq!(ascii_digit(c), None, "{c:?}");
        }
    }
}
