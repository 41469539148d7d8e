//! Kinfold's gRPC contract, package `kinfold.v1`.
//!
//! The `.proto` files under `kinfold/` are the contract; this crate is what Rust
//! makes of them: messages, clients, server traits and the descriptor set that
//! server reflection hands out. It knows none of the other crates.

/// Package `kinfold.v1`.
pub mod v1 {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("kinfold.v1");
}

/// The encoded `google.protobuf.FileDescriptorSet` of the contract, with the
/// well-known types that it imports.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kinfold_v1.binpb"));

#[cfg(test)]
mod tests;
