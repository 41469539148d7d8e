//! `kinfold init`.

use std::io::{self, Write};
use std::path::Path;

use kinfold_engine::Store;
use kinfold_engine::schema::Schema;

use super::args::InitArgs;
use super::failure::Failure;
use super::guards;

/// Makes a store and says what was made and what to do next.
pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let Some(directory) = &args.store else {
        out.write_all(Schema::BUILT_IN.as_bytes())?;
        return Ok(out.flush()?);
    };
    let (schema, which) = match &args.schema {
        None => (Schema::built_in(), "the built-in schema".to_owned()),
        Some(file) => {
            let shown = file.display().to_string();
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::unreadable("schema", &shown, &error))?;
            (Schema::parse(&text, &shown)?, format!("the schema {shown}"))
        }
    };
    let (schema, which) = match args.without.as_slice() {
        [] => (schema, which),
        guards => {
            let shown = args.schema.as_ref().map_or_else(|| which.clone(), |file| file.display().to_string());
            let names: Vec<&str> = guards.iter().map(|guard| guard.name()).collect();
            (
                guards::without(&schema, &shown, guards)?,
                format!("{which} without its guards ({})", names.join(", ")),
            )
        }
    };
    let names: Vec<String> = schema.declared().map(|(name, _)| name.to_owned()).collect();
    let store = Store::create(directory, schema)?;
    store.close().map_err(|error| Failure::failed(error.to_string()))?;
    let shown = directory.display();
    let namespaces =
        if names.len() == 1 { "1 namespace".to_owned() } else { format!("{} namespaces", names.len()) };
    writeln!(out, "Made a store in {shown} with {which}: {namespaces} ({}).", names.join(", "))?;
    writeln!(out, "Next, import rows into it; docs/mapping.md describes the mapping file:")?;
    writeln!(out, "  kinfold import --store {} --mapping mapping.toml FILE…", quoted(directory))?;
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_pasted() {
        for (path, expected) in [("./store", "./store"), ("my store", "'my store'"), ("it's", r"'it'\''s'")] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
