//! The klatsch command.
#![forbid(unsafe_code)]
fn main() {}
