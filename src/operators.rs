//! What the edge does for operators: their console.
//!
//! What holds here: nothing is shown before an operator is known by name.

pub mod pages;
