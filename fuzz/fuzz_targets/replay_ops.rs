//! See `tocsin_fuzz::replay_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tocsin_fuzz::replay_ops(data));
