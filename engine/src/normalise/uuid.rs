//! `uuid`: lower case, with dashes.

use super::Reason;

const EXPECTED: &str = "the value is no UUID; expected 32 hexadecimal digits, plain or in the form \
                        8-4-4-4-12, alone, in braces or after `urn:uuid:`";

/// Where the dashes are, in the dashed form.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The UUID that `given` writes, of any version and variant.
///
/// # Errors
///
/// If it is none.
pub(super) fn normalise(given: &str) -> Result<String, Reason> {
    let inner = without_prefix(given, "urn:uuid:").unwrap_or(given);
    let inner = inner.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(inner);
    let dashed = match inner.len() {
        36 => true,
        32 => false,
        _ => return Err(EXPECTED.into()),
    };
    let mut value = String::with_capacity(36);
    for (place, byte) in inner.bytes().enumerate() {
        if dashed && DASHES.contains(&place) {
            if byte != b'-' {
                return Err(EXPECTED.into());
            }
        } else if byte.is_ascii_hexdigit() {
            if DASHES.contains(&value.len()) {
                value.push('-');
            }
            value.push(char::from(byte.to_ascii_lowercase()));
        } else {
            return Err(EXPECTED.into());
        }
    }
    Ok(value)
}

/// `text` after `prefix`, whatever the case of the prefix.
pub(super) fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    if head.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_uuid_is_one_value() {
        for form in [
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67E55044-10B1-426F-9247-BB680E5FE0C8",
            "67e5504410b1426f9247bb680e5fe0c8",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
            "{67e5504410b1426f9247bb680e5fe0c8}",
            "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
            "URN:UUID:67e55044-10b1-426f-9247-bb680e5fe0c8",
        ] {
            assert_eq!(normalise(form).as_deref(), Ok("67e55044-10b1-426f-9247-bb680e5fe0c8"), "{form}");
        }
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for bad in [
            "",
            "67e55044",
            "67e55044-10b1-426f-9247-bb680e5fe0c",
            "67e55044-10b1-426f-9247-bb680e5fe0c8a",
            "67e5504410b1-426f-9247-bb68-0e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0cg",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0é",
            "-7e55044-10b1-426f-9247-bb680e5fe0c8",
            "67e5504410b1426f9247bb680e5fe0c-",
        ] {
            assert!(normalise(bad).is_err(), "{bad}");
        }
    }
}
