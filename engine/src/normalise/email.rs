//! `email`: the address that a mailbox answers to.
//!
//! The part before the `@` is lower-cased too. The standard (RFC 5321, 2.4)
//! leaves its case to the receiving host, but no provider of note tells `Ann`
//! from `ann`, and people write both.

use std::borrow::Cow;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::Reason;
use super::text::{is_invisible, lowered};

/// RFC 5321, 4.5.3.1.1.
const MAX_LOCAL_BYTES: usize = 64;
/// RFC 5321, 4.5.3.1.3, less the two angle brackets.
const MAX_ADDRESS_BYTES: usize = 254;

/// The options of the rule `email`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmailRule {
    /// Whether `ann+shop@…` is `ann@…`.
    pub strip_plus_tag: bool,
    /// The domains (normalised) that do not heed dots before the `@`.
    pub ignore_dots_for: Vec<String>,
}

impl EmailRule {
    /// The address that `given`, trimmed and without control characters, writes.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(super) fn normalise(&self, given: &str) -> Result<String, Reason> {
        let (mut address, domain_given) = match given.strip_prefix('"') {
            Some(rest) => quoted_local(rest)?,
            None => plain_local(given)?,
        };
        let domain = domain(domain_given)?;
        if !address.starts_with('"') {
            if self.strip_plus_tag
                && let Some(tag) = address.find('+')
            {
                address.truncate(tag);
            }
            if self.ignore_dots_for.iter().any(|listed| *listed == domain) {
                address.retain(|c| c != '.');
            }
            if address.is_empty() {
                return Err("only a tag or dots are before the `@`; expected a mailbox name".into());
            }
        }
        if address.len() > MAX_LOCAL_BYTES {
            let given = address.len();
            return Err(
                format!("{given} bytes are before the `@`; expected at most {MAX_LOCAL_BYTES}").into()
            );
        }
        address.push('@');
        address.push_str(&domain);
        if address.len() > MAX_ADDRESS_BYTES {
            let given = address.len();
            return Err(format!("the address has {given} bytes; expected at most {MAX_ADDRESS_BYTES}").into());
        }
        Ok(address)
    }
}

/// The domain `text` in lower case and IDNA-encoded (UTS #46, non-transitional).
///
/// # Errors
///
/// If a label is empty, too long or has characters that no host name has; if
/// there is only one label, which names another host on every network; if it is
/// an IP address.
pub(crate) fn domain(text: &str) -> Result<Cow<'_, str>, Reason> {
    const EXPECTED: &str = "the domain of the address is not valid; expected a name such as `example.com`";
    let encoded = if is_encoded(text) { Cow::Borrowed(text) } else { encode(text).ok_or(EXPECTED)? };
    match encoded.rsplit_once('.') {
        None => {
            Err("the domain of the address has one label only; expected at least two, as in `example.com`"
                .into())
        }
        Some((_, last)) if last.bytes().all(|b| b.is_ascii_digit()) => Err(EXPECTED.into()),
        Some(_) => Ok(encoded),
    }
}

fn encode(text: &str) -> Option<Cow<'_, str>> {
    Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .ok()
}

/// Whether [`encode`] would give `text` back as it is: a short cut for the
/// domains that nearly all addresses have.
fn is_encoded(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
                && !label.starts_with("xn--")
        })
}

/// The normalised local part of an address without quotes, and its domain as given.
fn plain_local(given: &str) -> Result<(String, &str), Reason> {
    let Some((local, domain)) = given.split_once('@') else {
        return Err("the value has no `@`; expected an address such as `ann@example.com`".into());
    };
    if domain.contains('@') {
        return Err("the value has more than one `@`; expected one address such as `ann@example.com`".into());
    }
    if local.is_empty() {
        return Err("nothing is before the `@`; expected an address such as `ann@example.com`".into());
    }
    // Composing can make a `;` of another character: so it comes before the check.
    let local = lowered(local);
    match local.chars().find(|c| !is_plain(*c)) {
        Some(bad) => Err(format!(
            "the character U+{:04X} cannot stand before the `@` without quotes; expected one bare address such as \
             `ann@example.com`",
            u32::from(bad)
        )
        .into()),
        None => Ok((local, domain)),
    }
}

/// The same for an address whose local part is quoted; `rest` follows the
/// opening quote. Quotes and backslashes that change nothing go.
fn quoted_local(rest: &str) -> Result<(String, &str), Reason> {
    let mut content = String::with_capacity(rest.len());
    let mut characters = rest.char_indices();
    let after = loop {
        match characters.next() {
            Some((_, '\\')) => match characters.next() {
                Some((_, escaped)) => content.push(escaped),
                None => break None,
            },
            Some((at, '"')) => break rest.get(at + 1..),
            Some((_, c)) => content.push(c),
            None => break None,
        }
    };
    let Some(domain) = after.and_then(|after| after.strip_prefix('@')) else {
        return Err("no closing quote with an `@` follows the opening one; expected an address such as \
                    `\"ann smith\"@example.com`"
            .into());
    };
    if content.is_empty() {
        return Err("nothing is before the `@`; expected an address such as `ann@example.com`".into());
    }
    let content = lowered(&content);
    if content.chars().all(is_plain) {
        return Ok((content, domain));
    }
    let mut local = String::with_capacity(content.len() + 2);
    local.push('"');
    for c in content.chars() {
        if matches!(c, '"' | '\\') {
            local.push('\\');
        }
        local.push(c);
    }
    local.push('"');
    Ok((local, domain))
}

/// Whether `c` needs no quotes in a local part: `atext` of RFC 5322 and RFC
/// 6531, and the dot. Where dots stand is not checked: providers have given out
/// addresses with dots at the end and in a row.
fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
    } else {
        !(c.is_whitespace() || c.is_control() || is_invisible(c))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalise(given: &str) -> Result<String, Reason> {
        EmailRule::default().normalise(given)
    }

    #[test]
    fn spellings_of_an_address_become_one() {
        for (given, expected) in [
            ("Ann@Example.COM", "ann@example.com"),
            ("ann+shop@example.com", "ann+shop@example.com"),
            ("a.n.n@gmail.com", "a.n.n@gmail.com"),
            ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
            ("ann@bu\u{308}cher.example", "ann@xn--bcher-kva.example"),
            ("ann@xn--BCHER-kva.example", "ann@xn--bcher-kva.example"),
            ("ann@faß.de", "ann@xn--fa-hia.de"),
            ("ann@例え。テスト", "ann@xn--r8jz45g.xn--zckzah"),
            ("ÄNN@example.com", "änn@example.com"),
            ("A\u{308}nn@example.com", "änn@example.com"),
            ("\"Ann\"@example.com", "ann@example.com"),
            ("\"ann smith\"@example.com", "\"ann smith\"@example.com"),
            ("\"ann@home\"@example.com", "\"ann@home\"@example.com"),
            ("\"a\\n\\\"n\"@example.com", "\"an\\\"n\"@example.com"),
            ("o'brien@example.co.uk", "o'brien@example.co.uk"),
            ("ann..@docomo.example", "ann..@docomo.example"),
            ("a@r3---sn-x.example", "a@r3---sn-x.example"),
        ] {
            assert_eq!(normalise(given).as_deref(), Ok(expected), "{given}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "ann",
            "@",
            "ann@",
            "@example.com",
            "ann@localhost",
            "ann@192.0.2.1",
            "ann@[192.0.2.1]",
            "ann@example.com.",
            "ann@.example.com",
            "ann@example..com",
            "ann@-example.com",
            "ann@exa mple.com",
            "ann@exam_ple.com",
            "ann@xn--zzzzzz99999.com",
            "ann@b@example.com",
            "ann smith@example.com",
            "Ann <ann@example.com>",
            "mailto:ann@example.com",
            "ann@example.com, bob@example.com",
            "ann@example.com;bob",
            "a\u{37e}b@example.com",
            "a\u{200b}b@example.com",
            "\"ann@example.com",
            "\"ann\"example.com",
            "\"ann\\",
            "\"\"@example.com",
            "ann@\"example\".com",
        ] {
            assert!(normalise(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_short_cut_agrees_with_the_encoder(
            text in "[a-c1-]{0,4}(\\.[a-cX1_-]{0,4}){0,3}|(x?x?n?-?-?[a-c]{1,3}\\.){1,3}[a-z]{1,2}|a{60,66}\\.com|(a{49}\\.){5}a{1,7}",
        ) {
            if is_encoded(&text) {
                let encoded = encode(&text);
                prop_assert_eq!(encoded.as_deref(), Some(text.as_str()));
            } else if let Some(encoded) = encode(&text) {
                prop_assert!(encoded != text || text.contains("xn--"), "{}", text);
            }
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let local = "a".repeat(64);
        assert!(normalise(&format!("{local}@example.com")).is_ok());
        assert!(normalise(&format!("{local}a@example.com")).is_err());
        let domain = format!("{}.{}.{}.com", "b".repeat(63), "c".repeat(63), "d".repeat(57));
        assert_eq!(local.len() + 1 + domain.len(), 254);
        assert!(normalise(&format!("{local}@{domain}")).is_ok());
        assert!(normalise(&format!("{local}@e{domain}")).is_err());
        assert!(normalise(&format!("ann@{}.com", "b".repeat(64))).is_err());
    }

    #[test]
    fn tags_and_dots_go_where_the_schema_says() {
        let rule = EmailRule { strip_plus_tag: true, ignore_dots_for: vec!["gmail.com".to_owned()] };
        for (given, expected) in [
            ("A.nn+shop+x@gmail.com", "ann@gmail.com"),
            ("a.nn+shop@example.com", "a.nn@example.com"),
            ("\"a.nn+shop\"@gmail.com", "ann@gmail.com"),
            ("\"a nn+shop\"@gmail.com", "\"a nn+shop\"@gmail.com"),
        ] {
            assert_eq!(rule.normalise(given).as_deref(), Ok(expected), "{given}");
        }
        assert!(rule.normalise("+shop@example.com").is_err());
        assert!(rule.normalise("...@gmail.com").is_err());
        assert!(rule.normalise("...@example.com").is_ok());
    }
}
