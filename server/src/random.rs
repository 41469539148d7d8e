//! Randomness of the system, as text.

use std::io;

/// So many random bytes as hexadecimal digits. Fails where the system gives none.
pub(crate) fn digits<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
