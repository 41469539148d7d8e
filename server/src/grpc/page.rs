//! Lists, page by page.

use kinfold_engine::model::Seq;
use kinfold_engine::read::AsOf;
use prost::Message;
use xxhash_rust::xxh3::xxh3_64;

use super::error::{FieldError, FieldFault};
use super::from_proto::Reading;

/// How many items a page has that does not say how many.
const USUAL: usize = 100;

/// How many items a page may have.
const MOST: usize = 1_000;

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// How many items it has at most.
    pub(crate) size: usize,
    /// Where it begins, in the list's own terms; 0: at the first item.
    pub(crate) next: u64,
    /// The state that the first page was read from; `None` on that page.
    sequence: Option<u64>,
    /// What the whole list is asked by.
    asked: u64,
}

impl Page {
    /// The page that a request asks for; `same` is the request without what may
    /// differ from page to page.
    pub(crate) fn of(size: u32, token: &str, same: &impl Message) -> Result<Self, FieldError> {
        let size = match size as usize {
            0 => USUAL,
            size => size.min(MOST),
        };
        let asked = xxh3_64(&same.encode_to_vec());
        if token.is_empty() {
            return Ok(Self { size, next: 0, sequence: None, asked });
        }
        let wrong = |what: &str| FieldError::new("page_token", FieldFault::Malformed, what);
        let no_token = || wrong("it is no token that this server gave; leave it empty for the first page");
        let part = |at: usize| {
            let digits = token.get(at * 16..at * 16 + 16)?;
            digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
            u64::from_str_radix(digits, 16).ok()
        };
        let (Some(of), Some(sequence), Some(next), 48) = (part(0), part(1), part(2), token.len()) else {
            return Err(no_token());
        };
        if of != asked {
            return Err(wrong(
                "it was given for another request; send everything else as for the first page",
            ));
        }
        Ok(Self { size, next, sequence: Some(sequence), asked })
    }

    /// Has the page read from the state that the first one was read from.
    pub(crate) fn pin(&self, reading: &mut Reading) {
        if let Some(sequence) = self.sequence {
            reading.view.as_of = Some(AsOf::Seq(Seq::new(sequence)));
        }
    }

    /// What asks for the page that begins at `next`; empty if there is none.
    pub(crate) fn token(&self, sequence: u64, next: Option<u64>) -> String {
        next.map(|next| format!("{:016x}{sequence:016x}{next:016x}", self.asked)).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kinfold_proto::v1;

    use super::*;

    fn request(namespace: &str) -> v1::ListIdentifiersRequest {
        v1::ListIdentifiersRequest { namespace: namespace.to_owned(), ..Default::default() }
    }

    #[test]
    fn a_token_leads_on_in_the_same_list_alone() {
        let first = Page::of(0, "", &request("email")).unwrap();
        assert_eq!((first.size, first.next), (100, 0));
        let token = first.token(7, Some(42));
        let second = Page::of(5_000, &token, &request("email")).unwrap();
        assert_eq!((second.size, second.next, second.sequence), (1_000, 42, Some(7)));
        let mut reading = Reading::default();
        second.pin(&mut reading);
        assert_eq!(reading.view.as_of, Some(AsOf::Seq(Seq::new(7))));
        assert_eq!(first.token(7, None), "");
        let other = Page::of(0, &token, &request("device")).unwrap_err();
        assert!(other.message.contains("another request"), "{other}");
        for bad in ["x", &token[1..], &format!("{token}0"), &"é".repeat(24), &token.replacen('0', "+", 1)] {
            assert_eq!(Page::of(0, bad, &request("email")).unwrap_err().field, "page_token", "{bad}");
        }
    }
}
