//! The digest of a token: what is stored, compared and logged in its place.

use sha2::{Digest, Sha256};

/// SHA-256 of a token without its `Bot ` or `Bearer ` prefix.
#[must_use]
pub fn token_digest(token: &str) -> [u8; 32] {
    Sha256::digest(tocsin_codec::command::strip_token_prefix(token)).into()
}
