//! One program for each entry; the name of the program is that of the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aiops_fuzz::run(env!("CARGO_BIN_NAME"), bytes));
