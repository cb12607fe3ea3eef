//! See `tocsin_fuzz::etf_encode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tocsin_fuzz::etf_encode(data));
