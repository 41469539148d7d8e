//! Writes the pictures of `docs/resolution.md` as DOT files: `pictures DIR`.

use std::path::PathBuf;
use std::process::ExitCode;

use kinfold_tests::TestResult;
use kinfold_tests::pictures::EXAMPLES;

fn write(dir: &std::path::Path) -> TestResult<()> {
    std::fs::create_dir_all(dir)?;
    for example in &EXAMPLES {
        std::fs::write(dir.join(format!("{}.dot", example.name)), example.dot()?)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: pictures DIR");
        return ExitCode::from(2);
    };
    match write(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
