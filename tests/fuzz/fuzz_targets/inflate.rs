//! A compressed message.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| klatsch::testing::inflate(bytes));
