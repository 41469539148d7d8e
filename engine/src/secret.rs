//! The store's own key, and the hashes made with it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::codec::{Hash128, hex};

/// What a hash is of; equal bytes of two kinds have unrelated hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hashed {
    Value = 1,
    RecordId = 2,
    RequestId = 3,
    RequestContent = 4,
    /// A fixed text, by which a store knows its key.
    Proof = 5,
    /// Whom a log of who asked tells apart without naming.
    Pseudonym = 6,
}

/// The key that a store's hashes are made with. It is made at creation, stands
/// beside the store, and never leaves the process otherwise.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// A new random key.
    pub(crate) fn generate() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// Writes the key to a new file that only its owner may read.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        writeln!(file, "{}", hex(&self.0))?;
        file.sync_all()
    }

    /// Reads a key that [`Secret::save`] wrote.
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let digits = text.trim_end();
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "expected 64 hexadecimal digits");
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let pair = digits.get(at * 2..at * 2 + 2).ok_or_else(bad)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }

    /// What a store keeps to know this key by; it does not give the key away.
    pub(crate) fn proof(&self) -> Hash128 {
        self.hash(Hashed::Proof, b"kinfold")
    }

    /// 128 bits of the keyed hash of `bytes`.
    pub(crate) fn hash(&self, what: Hashed, bytes: &[u8]) -> Hash128 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[what as u8]);
        hasher.update(bytes);
        let mut hash = [0; 16];
        hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        hash
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The hash that a record with this id of its source is kept under.
pub(crate) fn record_hash(secret: &Secret, record_id: &str) -> Hash128 {
    secret.hash(Hashed::RecordId, format!("id\0{record_id}").as_bytes())
}
