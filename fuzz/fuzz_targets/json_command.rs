//! See `tocsin_fuzz::json_command`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tocsin_fuzz::json_command(data));
