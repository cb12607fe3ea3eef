//! `Sessions`: a worker's sessions in slots, each named by a key that is never used twice.

use std::rc::Rc;

use bytes::Bytes;
use tocsin_codec::{EncodedDispatch, Variant};
use tocsin_proto::{Intents, SessionId};
use tocsin_session::ReplayLog;

use crate::event::{Delivery, LocalEvent};
use crate::key::SessionKey;
use crate::parts::PartBit;

/// What a replay log remembers of a dispatch: the event and which variant this session was given.
pub(crate) type Remembered = (Rc<LocalEvent>, Variant);

/// Whether events are for a session (ADR 0019).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are numbered and sent.
    Live,
    /// Just taken over: what comes is what it is about to be given, and is left out.
    Dormant,
    /// It is given what its client missed, and what comes from partitions that are open: numbered, and not yet sent.
    Quiet,
}

/// What only an heir of the session asks for.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Shard index and total, if it declared one.
    pub(crate) shard: Option<(u32, u32)>,
    /// What the control plane keeps with it.
    pub(crate) memo: Bytes,
    /// The last `s` its client had when it was taken over.
    pub(crate) had: u64,
    /// While it is quiet: the partitions whose parts have come.
    pub(crate) open: PartBit,
}

/// An accepted session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user_id: u64,
    /// Bots see message content by intent only.
    pub(crate) bot: bool,
    pub(crate) intents: Intents,
    /// What a resume's token must hash to.
    pub(crate) token_digest: [u8; 32],
    /// Large payloads may go as standalone zlib frames (protocol.md §5.2).
    pub(crate) compress: bool,
    /// `None` where no other node may take it over.
    pub(crate) kept: Option<Box<Kept>>,
    pub(crate) mode: Mode,
    /// Its connection; `None` while detached.
    pub(crate) connection: Option<usize>,
    /// When it ends unless resumed, while detached.
    pub(crate) expires_ms: u64,
    pub(crate) replay: ReplayLog<Remembered>,
}

impl Session {
    /// The variant of an event for this session, or `None` if it does not get it.
    pub(crate) fn admits(&self, delivery: &Delivery) -> Option<Variant> {
        if (self.mode != Mode::Live && !self.is_open(delivery.part))
            || (!delivery.required.is_empty() && !self.intents.intersects(delivery.required))
            || (delivery.exclude_user != 0 && delivery.exclude_user == self.user_id)
            || (delivery.bots_only && !self.bot)
        {
            return None;
        }
        Some(self.variant_of(&delivery.event))
    }

    /// Whether what comes from a partition is for it, which is not live yet.
    fn is_open(&self, part: PartBit) -> bool {
        let open = self.kept.as_ref().map_or(0, |kept| kept.open);
        self.mode == Mode::Quiet && (part == 0 || open & part != 0)
    }

    /// The variant of an event that it gets in any case.
    pub(crate) fn variant_of(&self, event: &EncodedDispatch) -> Variant {
        let sees_content = !self.bot || self.intents.contains(Intents::MESSAGE_CONTENT);
        event.variant_for(self.user_id, sees_content)
    }
}

/// Identified, not yet answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reserved {
    pub(crate) id: SessionId,
    /// Its connection; `None` once that is gone.
    pub(crate) connection: Option<usize>,
}

#[derive(Debug)]
enum State {
    Free,
    Reserved(Reserved),
    Live(Box<Session>),
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: State,
}

/// All sessions of one worker.
#[derive(Debug)]
pub(crate) struct Sessions {
    worker: u8,
    /// What ids of this node begin with, where nodes take over each other's sessions.
    tag: Option<[u8; 4]>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Sessions {
    /// No session yet.
    pub(crate) fn new(worker: usize, tag: Option<[u8; 4]>) -> Self {
        Self {
            worker: u8::try_from(worker).unwrap_or(u8::MAX),
            tag,
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Reserves a slot and makes the session's id; `None` when the system has no randomness.
    pub(crate) fn reserve(&mut self, connection: usize) -> Option<(SessionKey, SessionId)> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).ok()?;
        if let Some(tag) = self.tag {
            // Whoever is asked for it finds its journal by these.
            id[..4].copy_from_slice(&tag);
            id[4] = self.worker;
        }
        let id = SessionId(id);
        Some((self.reserve_as(connection, id)?, id))
    }

    /// Reserves a slot for a session that has its id.
    pub(crate) fn reserve_as(&mut self, connection: usize, id: SessionId) -> Option<SessionKey> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot {
                    generation: 0,
                    state: State::Free,
                });
                slot
            }
        };
        let place = &mut self.slots[slot as usize];
        place.generation = SessionKey::next_generation(place.generation);
        place.state = State::Reserved(Reserved {
            id,
            connection: Some(connection),
        });
        Some(SessionKey::new(self.worker, place.generation, slot))
    }

    /// All sessions that live.
    pub(crate) fn each_live(&self, mut visit: impl FnMut(SessionKey, &Session)) {
        for (slot, place) in (0..).zip(&self.slots) {
            if let State::Live(session) = &place.state {
                visit(
                    SessionKey::new(self.worker, place.generation, slot),
                    session,
                );
            }
        }
    }

    fn state(&mut self, key: SessionKey) -> Option<&mut State> {
        let slot = self.slots.get_mut(key.slot() as usize)?;
        (key.worker() == usize::from(self.worker) && slot.generation == key.generation())
            .then_some(&mut slot.state)
    }

    /// The reservation, if it is one still.
    pub(crate) fn reserved(&mut self, key: SessionKey) -> Option<&mut Reserved> {
        match self.state(key)? {
            State::Reserved(reserved) => Some(reserved),
            _ => None,
        }
    }

    /// The session, if it lives.
    pub(crate) fn get(&mut self, key: SessionKey) -> Option<&mut Session> {
        match self.state(key)? {
            State::Live(session) => Some(session),
            _ => None,
        }
    }

    /// Turns a reservation into a session.
    pub(crate) fn begin(&mut self, key: SessionKey, session: Session) {
        if let Some(state @ State::Reserved(_)) = self.state(key) {
            *state = State::Live(Box::new(session));
        }
    }

    /// Gives the slot back; the session that was in it, if it lived.
    pub(crate) fn free(&mut self, key: SessionKey) -> Option<Box<Session>> {
        let state = self.state(key)?;
        let previous = std::mem::replace(state, State::Free);
        if !matches!(previous, State::Free) {
            self.free.push(key.slot());
        }
        match previous {
            State::Live(session) => Some(session),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_used_again_has_another_key_and_the_old_one_names_nothing() {
        let mut sessions = Sessions::new(3, None);
        let (first, first_id) = sessions.reserve(7).expect("randomness");
        assert_eq!(first.worker(), 3);
        assert!(sessions.free(first).is_none());
        let (second, second_id) = sessions.reserve(8).expect("randomness");
        assert_eq!(first.slot(), second.slot());
        assert_ne!((first, first_id), (second, second_id));
        assert!(sessions.reserved(first).is_none());
        assert_eq!(
            sessions.reserved(second).map(|r| r.connection),
            Some(Some(8))
        );
    }
}
