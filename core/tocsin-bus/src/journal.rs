//! The journal: what each session of a worker was given, written before the clients get it, so that another node can go
//! on with the sessions of one that died (ADR 0019).
//!
//! An entry is a run of items with the place in the node's inboxes up to which everything had been given when it was
//! written. A session's `s` is that of its `Begin`, plus one for each event after it that names its slot.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tocsin_proto::SessionId;

use crate::envelope::Scope;
use crate::octets::{Damaged, Rest, put, put_bytes, put_ids};

const VERSION: u8 = 3;
const SNAPSHOT: u8 = 1;
const BEGIN: u8 = 1;
const EVENT: u8 = 2;
const MEMO: u8 = 3;
const END: u8 = 4;
const HAS_BODY: u8 = 1;
const HAS_GATE: u8 = 2;
const HAS_PLACE: u8 = 4;
/// More partitions are taken as damage.
const MAX_PARTITIONS: u64 = 1_024;

/// A place in a node's inboxes, of which it has one in each partition: everything up to it was given to the sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// The key of the inbox in the first partition, empty for none yet. The others have the same name in theirs.
    pub inbox: Arc<str>,
    /// The number of the entry in each; 0 where it is not known.
    pub entries: Arc<[u64]>,
    /// Stands for the Redis that numbered them, or those of all partitions: another one gives the numbers anew.
    pub redis: u32,
}

impl Position {
    /// Whether there is a place in each partition.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.inbox.is_empty() && !self.entries.is_empty() && !self.entries.contains(&0)
    }
}

/// A session as its heir has to know it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its place among the worker's sessions.
    pub slot: u32,
    /// Its public id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: u64,
    /// Bots see message content by intent only.
    pub bot: bool,
    /// The granted intents.
    pub intents: u32,
    /// Large payloads may go as standalone zlib frames.
    pub compress: bool,
    /// Shard index and total, if it declared one.
    pub shard: Option<(u32, u32)>,
    /// What a resume's token must hash to.
    pub token_digest: [u8; 32],
    /// The last `s` it was given.
    pub seq: u64,
    /// What the control plane keeps with it.
    pub memo: Bytes,
}

impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the id nor the digest belongs in a log.
        f.debug_struct("SessionRecord")
            .field("slot", &self.slot)
            .field("user_id", &self.user_id)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

/// The slots of the sessions that got an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slots {
    /// One bit each, the lowest first.
    Bits(Bytes),
    /// Rising.
    List(Vec<u32>),
}

impl Slots {
    /// Whether the slot is among them.
    #[must_use]
    pub fn contains(&self, slot: u32) -> bool {
        match self {
            Self::Bits(bits) => bits
                .get(slot as usize / 8)
                .is_some_and(|octet| (octet >> (slot % 8)) & 1 == 1),
            Self::List(slots) => slots.binary_search(&slot).is_ok(),
        }
    }
}

/// An event that sessions got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Event name.
    pub name: Box<str>,
    /// The JSON of `d` with all content. None: it was not written, and who misses it has to begin anew.
    pub body: Option<Bytes>,
    /// Author and mentioned of gated content.
    pub gate: Option<(u64, Vec<u64>)>,
    /// Its place in a scope's log, if it has one.
    pub place: Option<(Scope, u64)>,
    /// Who got it.
    pub to: Slots,
}

/// One item of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A session begins, or is there in a snapshot.
    Begin(SessionRecord),
    /// An event was given.
    Given(Given),
    /// The control plane keeps something else with a session.
    Memo(u32, Bytes),
    /// A session has ended.
    End(u32),
}

/// An entry as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Differs between journals of one key.
    pub epoch: u64,
    /// It lists all sessions there are.
    pub snapshot: bool,
    /// What had been given.
    pub position: Position,
    /// In order.
    pub items: Vec<Item>,
}

/// Where a worker's entries go.
pub trait JournalSink: Send + fmt::Debug {
    /// Takes an entry. Entries are numbered from 1 by the caller's count of calls; those before `keep_from` may go.
    /// `false`: it is lost, and so is whatever would follow.
    fn append(&mut self, entry: &[u8], keep_from: u64) -> bool;
}

/// Collects the items of an entry.
#[derive(Debug, Default)]
pub struct Writer {
    items: Vec<u8>,
}

impl Writer {
    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// A session begins.
    pub fn begin(&mut self, session: &SessionRecord) {
        let out = &mut self.items;
        out.push(BEGIN);
        put(out, session.slot.into());
        out.extend_from_slice(&session.id.0);
        put(out, session.user_id);
        out.push(u8::from(session.bot) | (u8::from(session.compress) << 1));
        put(out, session.intents.into());
        let (index, total) = session.shard.unwrap_or_default();
        put(out, total.into());
        put(out, index.into());
        out.extend_from_slice(&session.token_digest);
        put(out, session.seq);
        put_bytes(out, &session.memo);
    }

    /// An event was given to the sessions in the slots, which are sorted.
    pub fn given(
        &mut self,
        name: &str,
        body: Option<&[u8]>,
        gate: Option<(u64, &[u64])>,
        place: Option<(Scope, u64)>,
        slots: &mut [u32],
    ) {
        let out = &mut self.items;
        out.push(EVENT);
        out.push(
            (u8::from(body.is_some()) * HAS_BODY)
                | (u8::from(gate.is_some()) * HAS_GATE)
                | (u8::from(place.is_some()) * HAS_PLACE),
        );
        put_bytes(out, name.as_bytes());
        if let Some(body) = body {
            put_bytes(out, body);
        }
        if let Some((author, mentions)) = gate {
            put(out, author);
            put_ids(out, mentions);
        }
        if let Some((scope, seq)) = place {
            out.push(scope.kind);
            put(out, scope.id);
            put(out, seq);
        }
        put_slots(out, slots);
    }

    /// The control plane keeps something else with a session.
    pub fn memo(&mut self, slot: u32, memo: &[u8]) {
        self.items.push(MEMO);
        put(&mut self.items, slot.into());
        put_bytes(&mut self.items, memo);
    }

    /// A session has ended.
    pub fn end(&mut self, slot: u32) {
        self.items.push(END);
        put(&mut self.items, slot.into());
    }

    /// Writes the entry of the items so far, and forgets them.
    pub fn take(&mut self, epoch: u64, snapshot: bool, position: &Position) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.items.len() + position.inbox.len() + 64);
        out.extend([VERSION, u8::from(snapshot) * SNAPSHOT]);
        put(&mut out, epoch);
        put_bytes(&mut out, position.inbox.as_bytes());
        put(&mut out, position.redis.into());
        put_ids(&mut out, &position.entries);
        out.append(&mut self.items);
        self.items.shrink_to(1 << 20);
        out
    }
}

fn put_slots(out: &mut Vec<u8>, slots: &mut [u32]) {
    slots.sort_unstable();
    let octets = slots.last().map_or(0, |last| *last as usize / 8 + 1);
    if octets <= slots.len() {
        let mut bits = vec![0_u8; octets];
        for &slot in slots.iter() {
            bits[slot as usize / 8] |= 1 << (slot % 8);
        }
        out.push(1);
        put_bytes(out, &bits);
        return;
    }
    out.push(0);
    put(out, slots.len() as u64);
    let mut last = 0;
    for &slot in slots.iter() {
        put(out, u64::from(slot - last));
        last = slot;
    }
}

/// Reads an entry. Bodies share its octets.
///
/// # Errors
/// [`Damaged`], and never a panic, whatever the octets are.
pub fn read(entry: &Bytes) -> Result<Entry, Damaged> {
    let mut rest = Rest(entry);
    if rest.octet()? != VERSION {
        return Err(Damaged);
    }
    let snapshot = rest.octet()? & SNAPSHOT != 0;
    let epoch = rest.number()?;
    let position = read_position(&mut rest)?;
    let mut items = Vec::new();
    while !rest.0.is_empty() {
        items.push(match rest.octet()? {
            BEGIN => Item::Begin(read_session(&mut rest, entry)?),
            EVENT => Item::Given(read_given(&mut rest, entry)?),
            MEMO => Item::Memo(rest.small()?, entry.slice_ref(rest.bytes()?)),
            END => Item::End(rest.small()?),
            _ => return Err(Damaged),
        });
    }
    Ok(Entry {
        epoch,
        snapshot,
        position,
        items,
    })
}

fn read_position(rest: &mut Rest<'_>) -> Result<Position, Damaged> {
    let (inbox, redis) = (rest.text()?.into(), rest.small()?);
    let entries = rest.ids()?;
    if entries.len() as u64 > MAX_PARTITIONS {
        return Err(Damaged);
    }
    Ok(Position {
        inbox,
        entries: entries.into(),
        redis,
    })
}

fn read_session(rest: &mut Rest<'_>, entry: &Bytes) -> Result<SessionRecord, Damaged> {
    let (slot, id, user_id) = (rest.small()?, SessionId(rest.array()?), rest.number()?);
    let flags = rest.octet()?;
    let intents = rest.small()?;
    let (total, index) = (rest.small()?, rest.small()?);
    Ok(SessionRecord {
        slot,
        id,
        user_id,
        bot: flags & 1 != 0,
        compress: flags & 2 != 0,
        intents,
        shard: (total > 0).then_some((index, total)),
        token_digest: rest.array()?,
        seq: rest.number()?,
        memo: entry.slice_ref(rest.bytes()?),
    })
}

fn read_given(rest: &mut Rest<'_>, entry: &Bytes) -> Result<Given, Damaged> {
    let flags = rest.octet()?;
    let name = rest.text()?.into();
    let body = match flags & HAS_BODY {
        0 => None,
        _ => Some(entry.slice_ref(rest.bytes()?)),
    };
    let gate = match flags & HAS_GATE {
        0 => None,
        _ => Some((rest.number()?, rest.ids()?)),
    };
    let place = match flags & HAS_PLACE {
        0 => None,
        _ => {
            let (kind, id) = (rest.octet()?, rest.number()?);
            Some((Scope { kind, id }, rest.number()?))
        }
    };
    let to = if rest.octet()? == 1 {
        Slots::Bits(entry.slice_ref(rest.bytes()?))
    } else {
        let count = rest.number()?;
        if count > rest.0.len() as u64 {
            return Err(Damaged);
        }
        let mut last = 0_u32;
        let slots = (0..count).map(|_| {
            last = last.checked_add(rest.small()?).ok_or(Damaged)?;
            Ok(last)
        });
        Slots::List(slots.collect::<Result<_, Damaged>>()?)
    };
    Ok(Given {
        name,
        body,
        gate,
        place,
        to,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(slot: u32) -> SessionRecord {
        SessionRecord {
            slot,
            id: SessionId([7; 16]),
            user_id: 1 << 60,
            bot: true,
            intents: 33_281,
            compress: false,
            shard: Some((1, 4)),
            token_digest: [9; 32],
            seq: 300,
            memo: Bytes::from_static(b"memo"),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            slots in prop::collection::btree_set(0..3_000_u32, 0..400), dense in any::<bool>(), body in any::<Option<Vec<u8>>>(),
            place in any::<Option<(u8, u64, u64)>>(), gate in any::<Option<(u64, [u64; 2])>>(), at in any::<prop::sample::Index>(),
            entries in prop::collection::vec(any::<u64>(), 0..5),
        ) {
            let mut slots: Vec<u32> = slots.into_iter().map(|slot| if dense { slot / 8 } else { slot }).collect();
            slots.dedup();
            let place = place.map(|(kind, id, seq)| (Scope { kind, id }, seq));
            let mut writer = Writer::default();
            writer.begin(&record(3));
            let mut shuffled: Vec<u32> = slots.iter().rev().copied().collect();
            let gated = gate.as_ref().map(|(author, mentions)| (*author, &mentions[..]));
            writer.given("MESSAGE_CREATE", body.as_deref(), gated, place, &mut shuffled);
            writer.memo(3, b"other");
            writer.end(3);
            let position = Position { inbox: "inbox:n1.2".into(), entries: entries.into(), redis: 70_000 };
            let octets = Bytes::from(writer.take(5, true, &position));
            prop_assert!(writer.is_empty());
            let entry = read(&octets).expect("it was just written");
            prop_assert_eq!((entry.epoch, entry.snapshot, &entry.position), (5, true, &position));
            let Item::Given(given) = &entry.items[1] else { panic!("an event") };
            prop_assert_eq!(given.body.as_deref(), body.as_deref());
            prop_assert_eq!(given.place, place);
            prop_assert_eq!(&given.gate, &gate.map(|(author, mentions)| (author, mentions.to_vec())));
            for slot in 0..3_001 {
                prop_assert_eq!(given.to.contains(slot), slots.binary_search(&slot).is_ok());
            }
            prop_assert_eq!(&entry.items[0], &Item::Begin(record(3)));
            prop_assert_eq!(&entry.items[2..], &[Item::Memo(3, Bytes::from_static(b"other")), Item::End(3)]);
            // Cut anywhere it is refused, or shorter by whole items.
            let cut = octets.slice(..at.index(octets.len()));
            prop_assert!(read(&cut).is_err() || read(&cut).is_ok_and(|cut| cut.items.len() < 4));
        }

        #[test]
        fn noise_is_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&octets.into());
        }
    }
}
