//! Bearer tokens: kept as hashes, each with a role.

use std::path::Path;
use std::sync::Arc;

use blake3::Hash;
use kinfold_engine::model::Timestamp;
use serde::Deserialize;

use crate::audit::Note;
use crate::auth::{Caller, Role};
use crate::random;

/// The tokens that a server knows.
///
/// The file has a table `[[token]]` for each:
///
/// ```toml
/// [[token]]
/// name = "shop"                       # logs and the audit name it so
/// hash = "blake3:<64 hexadecimal digits>"
/// role = "read"                       # read | write | admin
/// hide = ["email", "phone"]           # namespaces whose values come back redacted
/// expires = "2027-01-01T00:00:00Z"    # optional
/// ```
#[derive(Debug, Default)]
pub struct Tokens {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    caller: Caller,
    hash: Hash,
    expires: Option<Timestamp>,
}

/// Why a file holds no tokens.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}")]
pub struct TokensError {
    /// The file.
    pub file: String,
    /// What is wrong, where, and what was expected.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    hash: String,
    role: Role,
    #[serde(default)]
    hide: Vec<String>,
    expires: Option<String>,
}

/// How a hash begins: by what it is made.
const BY: &str = "blake3:";

impl Tokens {
    /// Reads a file of tokens.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file),
            Err(error) => Err(TokensError { file, why: format!("cannot be read: {error}") }),
        }
    }

    /// Reads tokens; `file` is what errors call the text.
    pub fn parse(text: &str, file: &str) -> Result<Self, TokensError> {
        let wrong = |why: String| TokensError { file: file.to_owned(), why };
        let File { token } = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if token.is_empty() {
            return Err(wrong("it holds no `[[token]]`; `kinfold token` makes one".to_owned()));
        }
        let mut entries: Vec<Entry> = Vec::new();
        for Written { name, hash, role, hide, expires } in token {
            let of = |why: &str| wrong(format!("token `{name}`: {why}"));
            if name.is_empty() || name.len() > 100 {
                return Err(of("a name has 1 to 100 bytes"));
            }
            if entries.iter().any(|known| *known.caller.name == *name) {
                return Err(of("the name is given twice"));
            }
            let digits = hash.strip_prefix(BY);
            let hash = digits.and_then(|digits| Hash::from_hex(digits).ok()).ok_or_else(|| {
                of("`hash` is none; expected `blake3:` and 64 hexadecimal digits, as `kinfold token` prints")
            })?;
            if role == Role::Admin && !hide.is_empty() {
                return Err(of("an admin sees every namespace; leave `hide` out, or take another role"));
            }
            let expires = match expires {
                None => None,
                Some(time) => Some(time.parse().map_err(|_| {
                    of(&format!("`expires` is `{time}`; expected a time as `2027-01-01T00:00:00Z`"))
                })?),
            };
            let caller = Caller { name: name.into(), role, redact: hide.into(), note: Note::default() };
            entries.push(Entry { caller, hash, expires });
        }
        Ok(Self { entries })
    }

    /// Whose a token is. How long that takes tells nothing of how near a wrong one is.
    pub(crate) fn caller(&self, token: &str, now: Timestamp) -> Option<Caller> {
        let given = blake3::hash(token.as_bytes());
        let mut found = None;
        for entry in &self.entries {
            // Hashes compare in constant time, and all of them are compared.
            if entry.hash == given && entry.expires.is_none_or(|expires| now < expires) {
                found = Some(&entry.caller);
            }
        }
        // Each call notes for itself.
        found.map(|caller| Caller { note: Note::default(), ..caller.clone() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A new token, and what a file of tokens keeps of it.
///
/// It has 256 random bits, so that its hash need not be a slow one.
pub fn new_token() -> std::io::Result<(String, String)> {
    let token = format!("kf_{}", random::digits::<32>()?);
    let hash = format!("{BY}{}", blake3::hash(token.as_bytes()).to_hex());
    Ok((token, hash))
}

/// What is read from files and may be another tomorrow.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    now: std::sync::RwLock<Arc<T>>,
}

impl<T> Kept<T> {
    /// Keeps `first`.
    pub(crate) fn new(first: T) -> Self {
        Self { now: std::sync::RwLock::new(Arc::new(first)) }
    }

    /// What is kept now.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.now.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Keeps another from now on.
    pub(crate) fn set(&self, other: T) {
        *self.now.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(other);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_is_known_until_it_expires() {
        let (token, hash) = new_token().unwrap();
        let text = format!(
            "[[token]]\nname = \"shop\"\nhash = \"{hash}\"\nrole = \"read\"\nhide = [\"email\"]\n\
             expires = \"2030-01-01T00:00:00Z\"\n"
        );
        let tokens = Tokens::parse(&text, "tokens.toml").unwrap();
        let caller = tokens.caller(&token, time("2029-12-31T00:00:00Z")).unwrap();
        assert_eq!((&*caller.name, caller.role, caller.redact.len()), ("shop", Role::Read, 1));
        assert!(tokens.caller(&token, time("2030-01-01T00:00:00Z")).is_none());
        assert!(tokens.caller(&token[..60], time("2029-12-31T00:00:00Z")).is_none());
        assert!(!text.contains(&token));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        let hash = new_token().unwrap().1;
        let token = |name: &str, hash: &str, more: &str| {
            format!("[[token]]\nname = \"{name}\"\nhash = \"{hash}\"\n{more}\n")
        };
        for (text, part) in [
            (String::new(), "kinfold token"),
            (token("a", "sha:1", "role = \"read\""), "64 hexadecimal digits"),
            (token("a", &hash, "role = \"king\""), "unknown variant"),
            (token("", &hash, "role = \"read\""), "1 to 100 bytes"),
            (token("a", &hash, "role = \"admin\"\nhide = [\"email\"]"), "sees every namespace"),
            (token("a", &hash, "role = \"read\"\nexpires = \"soon\""), "`expires` is `soon`"),
            (token("a", &hash, "role = \"read\"").repeat(2), "given twice"),
            (token("a", &hash, "role = \"read\"\nlevel = 1"), "unknown field"),
        ] {
            let error = Tokens::parse(&text, "tokens.toml").unwrap_err().to_string();
            assert!(error.starts_with("tokens.toml: ") && error.contains(part), "{error}");
        }
    }
}
