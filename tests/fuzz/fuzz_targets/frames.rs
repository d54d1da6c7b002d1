//! A client's frames, in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| klatsch::testing::frames(bytes));
