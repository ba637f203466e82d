//! What every request computes most of: encryption, and the writing of JSON.
//!
//! What holds here: nothing is generic. Generic code is built where it is used, for size as everything else in the bundle;
//! here it is built once, for speed (`Cargo.toml`, `profile.release.package.compute`). Nothing here decides anything.

pub mod aead;
pub mod json;
