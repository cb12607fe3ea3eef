//! An event as an inbox's entry: octets, the same for every node, read strictly.
//!
//! Layout, version 1: the version, flags, the scope's kind, then LEB128 numbers (scope, seq, guild, channel,
//! exclude_user, author), the counts and ids of users and mentions, the name with its length, and the body to the end.

use std::time::Instant;

use bytes::Bytes;
use thiserror::Error;
use tocsin_bus::octets::{Damaged, Rest, put, put_bytes, put_ids};
use tocsin_bus::{Envelope, Scope};

const VERSION: u8 = 1;
const GATED: u8 = 1;
const STATE: u8 = 2;
/// Its way is traced: each node that reads it notes when.
const TRACED: u8 = 4;

/// Why an entry cannot be read. It is skipped and counted: another version of tocsin may have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Written by a version whose entries this one does not know.
    #[error("entry of version {0}")]
    Version(u8),
    /// It ends too early, or a number is out of range.
    #[error("damaged entry")]
    Damaged,
}

impl From<Damaged> for EntryError {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

/// Writes an event.
#[must_use]
pub fn encode(envelope: &Envelope) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + envelope.name.len() + envelope.body.len());
    let flags = u8::from(envelope.gated) * GATED
        + u8::from(envelope.state) * STATE
        + u8::from(envelope.traced.is_some()) * TRACED;
    out.extend([VERSION, flags, envelope.scope.kind]);
    for number in [
        envelope.scope.id,
        envelope.seq,
        envelope.guild,
        envelope.channel,
        envelope.exclude_user,
        envelope.author,
    ] {
        put(&mut out, number);
    }
    put_ids(&mut out, &envelope.users);
    put_ids(&mut out, &envelope.mentions);
    put_bytes(&mut out, envelope.name.as_bytes());
    out.extend(&envelope.body);
    out
}

/// Reads one. The body shares the entry's octets.
///
/// # Errors
/// [`EntryError`], and never a panic, whatever the octets are.
pub fn decode(entry: &Bytes) -> Result<Envelope, EntryError> {
    let mut rest = Rest(entry);
    let version = rest.octet()?;
    if version != VERSION {
        return Err(EntryError::Version(version));
    }
    let flags = rest.octet()?;
    let kind = rest.octet()?;
    let scope = Scope {
        kind,
        id: rest.number()?,
    };
    let (seq, guild, channel) = (rest.number()?, rest.number()?, rest.number()?);
    let (exclude_user, author) = (rest.number()?, rest.number()?);
    let (users, mentions) = (rest.ids()?, rest.ids()?);
    let name = rest.text()?.to_owned();
    let body = rest.0;
    Ok(Envelope {
        scope,
        seq,
        name,
        body: entry.slice_ref(body),
        guild,
        channel,
        users,
        exclude_user,
        author,
        mentions,
        gated: flags & GATED != 0,
        state: flags & STATE != 0,
        traced: (flags & TRACED != 0).then(Instant::now),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(any::<u64>(), 0..5)
    }

    prop_compose! {
        fn envelope()(
            kind in any::<u8>(), numbers in any::<[u64; 6]>(), users in ids(), mentions in ids(),
            name in "[A-Z_]{0,40}", body in prop::collection::vec(any::<u8>(), 0..200),
            gated in any::<bool>(), state in any::<bool>(),
        ) -> Envelope {
            let [id, seq, guild, channel, exclude_user, author] = numbers;
            Envelope {
                scope: Scope { kind, id }, seq, name, body: body.into(), guild, channel, users, exclude_user, author,
                mentions, gated, state, traced: None,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(envelope in envelope()) {
            prop_assert_eq!(decode(&encode(&envelope).into()), Ok(envelope));
        }

        #[test]
        fn a_cut_or_changed_entry_is_read_or_refused(
            envelope in envelope(), at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<bool>(),
        ) {
            let mut octets = encode(&envelope);
            let at = at.index(octets.len());
            if cut { octets.truncate(at) } else { octets[at] = octet }
            let _ = decode(&octets.into());
        }

        #[test]
        fn noise_is_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&octets.into());
        }
    }

    #[test]
    fn a_traced_event_says_so_and_the_reader_notes_when_it_came() {
        let mut envelope = Envelope {
            scope: Scope { kind: 1, id: 2 },
            seq: 3,
            name: "MESSAGE_CREATE".into(),
            body: Bytes::from_static(b"{}"),
            guild: 2,
            channel: 4,
            users: vec![],
            exclude_user: 0,
            author: 5,
            mentions: vec![],
            gated: true,
            state: false,
            traced: None,
        };
        let plain = encode(&envelope);
        envelope.traced = Some(Instant::now());
        let traced = encode(&envelope);
        assert_eq!(traced.len(), plain.len());
        let read = decode(&traced.into()).expect("an entry");
        assert!(read.traced >= envelope.traced && read.gated && !read.state);
        assert_eq!(decode(&plain.into()).expect("an entry").traced, None);
    }

    #[test]
    fn another_version_is_named() {
        assert_eq!(
            decode(&Bytes::from_static(&[9, 0, 0])),
            Err(EntryError::Version(9))
        );
        assert_eq!(decode(&Bytes::new()), Err(EntryError::Damaged));
    }

    #[test]
    fn a_count_that_lies_reserves_nothing() {
        let mut octets = vec![VERSION, 0, 1, 1, 1, 1, 1, 1, 1];
        put(&mut octets, u64::MAX);
        assert_eq!(decode(&octets.into()), Err(EntryError::Damaged));
    }
}
