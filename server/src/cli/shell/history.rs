//! Where the shell's history is kept.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// `$XDG_STATE_HOME/kinfold/history`, else `~/.local/state/kinfold/history`;
/// `None` where there is neither. A relative `XDG_STATE_HOME` does not count, as
/// the specification of base directories has it.
pub(super) fn place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state =
        absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("kinfold").join("history"))
}

/// Makes the file if it is not there. Nobody else can read it, even if it was
/// there with other permissions: queries name people.
pub(super) fn prepare(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_the_environment() {
        let place = |state: Option<&str>, home: Option<&str>| {
            place(|name| match name {
                "XDG_STATE_HOME" => state.map(OsString::from),
                "HOME" => home.map(OsString::from),
                _ => None,
            })
        };
        assert_eq!(place(Some("/s"), Some("/h")), Some("/s/kinfold/history".into()));
        assert_eq!(place(None, Some("/h")), Some("/h/.local/state/kinfold/history".into()));
        assert_eq!(place(Some("relative"), Some("/h")), Some("/h/.local/state/kinfold/history".into()));
        assert_eq!(place(Some(""), None), None);
    }

    #[test]
    fn nobody_else_reads_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/kinfold/history");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        prepare(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        fs::write(&path, "kept").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        prepare(&path).unwrap();
        assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (0o600, "kept"));
    }
}
