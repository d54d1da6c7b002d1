//! A conversation of v1 clients, line by line.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| klatsch::testing::talk(bytes));
