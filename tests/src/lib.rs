//! Tests of what crosses the crates.
