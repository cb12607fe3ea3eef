//! See `tocsin_fuzz::etf_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tocsin_fuzz::etf_decode(data));
