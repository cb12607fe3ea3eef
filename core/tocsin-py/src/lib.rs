//! `tocsin._core`: the binding crate, a table of contents.
