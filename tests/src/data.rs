//! The data sets that nobody here made up: where they are, and what to do without them.

use std::path::PathBuf;

/// The folder of this package. Several checkouts may share what is built, so the
/// one that is asked of is the one that runs, not the one that was compiled.
pub fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// The folder of the data sets, if there is one: `$KINFOLD_DATA`, or
/// `../shared/data` beside the checkout.
fn folder() -> PathBuf {
    match std::env::var_os("KINFOLD_DATA") {
        Some(path) => PathBuf::from(path),
        None => package().join("../../shared/data"),
    }
}

/// The folder of the data set `name`, or `None` after saying aloud on standard
/// error that `test` is skipped.
///
/// # Panics
///
/// If there is none and `KINFOLD_REQUIRE_DATA=1` says that there must be.
pub fn set(name: &str, test: &str) -> Option<PathBuf> {
    let folder = folder();
    let set = folder.join(name);
    if set.is_dir() {
        return Some(set.canonicalize().expect("the folder was there a moment ago"));
    }
    let skipped = format!("SKIPPED {test}: no data at {}, set KINFOLD_DATA", folder.display());
    assert!(
        std::env::var("KINFOLD_REQUIRE_DATA").as_deref() != Ok("1"),
        "{skipped} (KINFOLD_REQUIRE_DATA is 1)"
    );
    // The test harness captures `eprintln!` of tests that pass; this line must be seen.
    let line = format!("\n{skipped}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
    None
}

/// A file of `tests/cases`.
pub fn case(path: &str) -> PathBuf {
    package().join("cases").join(path)
}
