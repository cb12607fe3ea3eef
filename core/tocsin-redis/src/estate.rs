//! `Estate`: what a worker of another node had given its sessions, as its journal tells it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tocsin_bus::journal::{self, Given, Item, Position, SessionRecord};
use tocsin_bus::{Doubt, Missed, Scope, SessionId};

use crate::cursor::number_of;

#[derive(Debug)]
struct Life {
    record: SessionRecord,
    /// The first event after its beginning.
    from: usize,
    /// When it was last listed: the first event after that, and its `s` by then. So that nothing before is counted.
    listed: (usize, u64),
    ended: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Estate {
    /// The number of the last entry read.
    pub(crate) last: u64,
    epoch: u64,
    begun: bool,
    pub(crate) position: Position,
    events: Vec<Given>,
    lives: HashMap<SessionId, Life>,
    slots: HashMap<u32, SessionId>,
}

impl Estate {
    /// Takes the next entry of the stream. What does not follow the one before, or cannot be read, begins it anew.
    pub(crate) fn take(&mut self, id: &[u8], octets: &Bytes) {
        let Some(number) = number_of(id) else {
            return;
        };
        let Ok(entry) = journal::read(octets) else {
            *self = Self {
                last: number,
                ..Self::default()
            };
            return;
        };
        if self.begun && (entry.epoch != self.epoch || number != self.last + 1) {
            *self = Self::default();
        }
        self.last = number;
        if !self.begun && !entry.snapshot {
            return;
        }
        self.begun = true;
        self.epoch = entry.epoch;
        self.position = entry.position;
        for item in entry.items {
            self.apply(item, entry.snapshot);
        }
    }

    fn apply(&mut self, item: Item, snapshot: bool) {
        match item {
            Item::Begin(record) => {
                let from = self.events.len();
                if snapshot && let Some(life) = self.lives.get_mut(&record.id) {
                    life.listed = (from, record.seq);
                    return;
                }
                self.slots.insert(record.slot, record.id);
                let id = record.id;
                let life = Life {
                    from,
                    listed: (from, record.seq),
                    record,
                    ended: false,
                };
                self.lives.insert(id, life);
            }
            Item::Given(given) => self.events.push(given),
            Item::Memo(slot, memo) => {
                let id = self.slots.get(&slot);
                if let Some(life) = id.and_then(|id| self.lives.get_mut(id)) {
                    life.record.memo = memo;
                }
            }
            Item::End(slot) => {
                let id = self.slots.remove(&slot);
                if let Some(life) = id.and_then(|id| self.lives.get_mut(&id)) {
                    life.ended = true;
                }
            }
        }
    }

    /// The session, if it lives, the token is its own, and its client, which has everything up to `seq`, can go on. One
    /// answer for the first two: it is no oracle.
    pub(crate) fn find(
        &self,
        id: SessionId,
        digest: &[u8; 32],
        seq: u64,
    ) -> Result<&SessionRecord, Doubt> {
        let life = self.life(id)?;
        let other = life
            .record
            .token_digest
            .iter()
            .zip(digest)
            .fold(0, |other, (one, two)| other | (one ^ two));
        if other != 0 {
            return Err(Doubt::Unknown);
        }
        self.missing(life, seq)?;
        Ok(&life.record)
    }

    /// What its client, which has everything up to `seq`, misses.
    pub(crate) fn share(&self, id: SessionId, seq: u64) -> Result<Arc<[Missed]>, Doubt> {
        let missed = self.missing(self.life(id)?, seq)?.into_iter();
        let missed = missed.map(|event| Missed {
            name: event.name.clone(),
            body: event.body.clone().unwrap_or_default(),
            gate: event.gate.clone(),
        });
        Ok(missed.collect())
    }

    /// Which of these places each of the sessions was given. The events are gone through once for all of them.
    pub(crate) fn had(
        &self,
        ids: &[SessionId],
        places: &HashSet<(Scope, u64)>,
    ) -> Vec<HashSet<(Scope, u64)>> {
        let mut given = Vec::new();
        if !places.is_empty() {
            for (at, event) in self.events.iter().enumerate() {
                if let Some(place) = event.place.filter(|place| places.contains(place)) {
                    given.push((at, place, &event.to));
                }
            }
        }
        let of = |life: &Life| {
            let since = given.iter().filter(|each| each.0 >= life.from);
            let own = since.filter(|each| each.2.contains(life.record.slot));
            own.map(|each| each.1).collect()
        };
        ids.iter()
            .map(|id| self.lives.get(id).map(of).unwrap_or_default())
            .collect()
    }

    fn life(&self, id: SessionId) -> Result<&Life, Doubt> {
        let life = self.lives.get(&id).ok_or(Doubt::Unknown)?;
        if life.ended {
            return Err(Doubt::Ended);
        }
        Ok(life)
    }

    /// What a session was given of the events from one on, the last first.
    fn given(&self, life: &Life, from: usize) -> impl Iterator<Item = &Given> {
        let events = self.events.get(from..).unwrap_or_default();
        let slot = life.record.slot;
        events
            .iter()
            .rev()
            .filter(move |event| event.to.contains(slot))
    }

    /// What of it came after `seq`, all with their bodies.
    fn missing(&self, life: &Life, seq: u64) -> Result<Vec<&Given>, Doubt> {
        if seq < life.record.seq {
            return Err(Doubt::Trimmed);
        }
        let (from, listed) = life.listed;
        let last = listed + self.given(life, from).count() as u64;
        let count = last.checked_sub(seq).ok_or(Doubt::Ahead)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut missing: Vec<_> = self.given(life, life.from).take(count).collect();
        if missing.len() < count || missing.iter().any(|event| event.body.is_none()) {
            return Err(Doubt::Trimmed);
        }
        missing.reverse();
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use tocsin_bus::journal::Writer;

    use super::*;

    fn record(slot: u32, id: u8, seq: u64) -> SessionRecord {
        SessionRecord {
            slot,
            id: SessionId([id; 16]),
            user_id: 1,
            bot: false,
            intents: 0,
            compress: false,
            shard: None,
            token_digest: [id; 32],
            seq,
            memo: Bytes::new(),
        }
    }

    fn position(entry: u64) -> Position {
        Position {
            inbox: "inbox".into(),
            entries: [entry, 7].into(),
            redis: 9,
        }
    }

    struct Feed {
        estate: Estate,
        writer: Writer,
        number: u64,
    }

    impl Feed {
        fn new() -> Self {
            Self {
                estate: Estate::default(),
                writer: Writer::default(),
                number: 0,
            }
        }

        fn given(&mut self, body: Option<&[u8]>, seq: u64, slots: &mut [u32]) {
            let place = Some((Scope { kind: 1, id: 5 }, seq));
            self.writer.given("E", body, None, place, slots);
        }

        fn write(&mut self, epoch: u64, snapshot: bool, entry: u64) {
            self.number += 1;
            let octets = self.writer.take(epoch, snapshot, &position(entry));
            let id = format!("1-{}", self.number);
            self.estate.take(id.as_bytes(), &octets.into());
        }
    }

    #[test]
    fn a_share_is_what_came_after_what_the_client_has() {
        let mut feed = Feed::new();
        feed.writer.begin(&record(3, 1, 10));
        feed.write(1, true, 1);
        for seq in 1..=4 {
            let mut slots = if seq == 2 { vec![4] } else { vec![3, 4] };
            feed.given(Some(b"{}"), seq, &mut slots);
        }
        feed.write(1, false, 9);
        let estate = &feed.estate;
        assert_eq!(estate.position, position(9));
        let share = estate.share(SessionId([1; 16]), 11).expect("its share");
        assert_eq!(share.len(), 2);
        let at = |seq| (Scope { kind: 1, id: 5 }, seq);
        let tail = [2, 3, 4, 5].map(at).into();
        let had = estate.had(&[SessionId([1; 16]), SessionId([7; 16])], &tail);
        assert_eq!(had, [[at(3), at(4)].into(), HashSet::new()]);
        assert!(estate.had(&[SessionId([1; 16])], &HashSet::new())[0].is_empty());
        assert_eq!(
            estate
                .share(SessionId([1; 16]), 13)
                .map(|missed| missed.len()),
            Ok(0)
        );
        assert_eq!(estate.share(SessionId([1; 16]), 14), Err(Doubt::Ahead));
        assert_eq!(estate.share(SessionId([1; 16]), 9), Err(Doubt::Trimmed));
        assert_eq!(estate.share(SessionId([2; 16]), 11), Err(Doubt::Unknown));
        assert!(estate.find(SessionId([1; 16]), &[1; 32], 11).is_ok());
        assert!(estate.find(SessionId([1; 16]), &[2; 32], 11).is_err());
    }

    #[test]
    fn a_slot_used_again_is_another_session_and_a_snapshot_changes_nothing() {
        let mut feed = Feed::new();
        feed.write(1, true, 1);
        feed.writer.begin(&record(0, 1, 0));
        feed.given(Some(b"1"), 1, &mut [0]);
        feed.writer.end(0);
        feed.writer.begin(&record(0, 2, 0));
        feed.given(Some(b"2"), 2, &mut [0]);
        feed.writer.memo(0, b"kept");
        feed.write(1, false, 3);
        feed.writer.begin(&record(0, 2, 1));
        feed.write(1, true, 3);
        feed.given(None, 3, &mut [0]);
        feed.write(1, false, 4);
        let estate = &feed.estate;
        assert_eq!(estate.share(SessionId([1; 16]), 1), Err(Doubt::Ended));
        assert_eq!(
            estate.share(SessionId([2; 16]), 0),
            Err(Doubt::Trimmed),
            "a body was left out"
        );
        assert_eq!(
            estate
                .share(SessionId([2; 16]), 2)
                .map(|missed| missed.len()),
            Ok(0)
        );
        assert_eq!(
            &estate
                .find(SessionId([2; 16]), &[2; 32], 2)
                .expect("there")
                .memo[..],
            b"kept"
        );
    }

    #[test]
    fn a_hole_or_another_epoch_begins_anew_with_a_snapshot() {
        let mut feed = Feed::new();
        feed.writer.begin(&record(0, 1, 5));
        feed.write(1, true, 1);
        feed.number += 1;
        feed.given(Some(b"1"), 1, &mut [0]);
        feed.write(1, false, 2);
        assert_eq!(
            feed.estate.share(SessionId([1; 16]), 5),
            Err(Doubt::Unknown)
        );
        feed.writer.begin(&record(0, 1, 6));
        feed.write(1, true, 2);
        assert!(feed.estate.share(SessionId([1; 16]), 6).is_ok());
        feed.number = 0;
        feed.write(2, false, 2);
        assert_eq!(
            feed.estate.share(SessionId([1; 16]), 6),
            Err(Doubt::Unknown)
        );
    }
}
