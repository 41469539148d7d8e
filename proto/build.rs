//! Compiles the contract without `protoc`, and writes its descriptor set for
//! server reflection.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;

const FILES: [&str; 8] = [
    "kinfold/v1/common.proto",
    "kinfold/v1/event.proto",
    "kinfold/v1/ingest.proto",
    "kinfold/v1/lookup.proto",
    "kinfold/v1/explain.proto",
    "kinfold/v1/query.proto",
    "kinfold/v1/watch.proto",
    "kinfold/v1/admin.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=kinfold");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    every_file_is_listed(&root.join("kinfold/v1"))?;
    // Well-known types are left in the set: a client of reflection needs them too.
    let set = protox::compile(FILES, [&root])?;
    std::fs::write(out.join("kinfold_v1.binpb"), set.encode_to_vec())?;
    let mut rust = tonic_prost_build::configure().out_dir(&out);
    for large in ["map_value", "node_value", "relationship_value", "path_value"] {
        // A value takes the room of its largest kind; most are numbers and texts.
        rust = rust.boxed(format!(".kinfold.v1.Value.kind.{large}"));
    }
    rust.compile_fds(set)?;
    Ok(())
}

/// A file that is in the directory but not compiled would be a part of the
/// contract for other languages and none for this one.
fn every_file_is_listed(directory: &Path) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let proto = path.extension().is_some_and(|extension| extension == "proto");
        if proto && !FILES.iter().any(|file| path.ends_with(file)) {
            return Err(format!("{} is not in build.rs's FILES", path.display()).into());
        }
    }
    Ok(())
}
