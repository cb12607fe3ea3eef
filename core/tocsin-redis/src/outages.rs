//! `Outages`: whether any part of the bus is without its Redis, said once for all of them.

use std::sync::{Arc, Mutex, PoisonError};

use tocsin_bus::Note;

use crate::sink::Sink;

/// How many parts are away. `Away` is said when the first is, `Back` when none is any more.
pub(crate) struct Outages {
    away: Mutex<usize>,
    sink: Arc<dyn Sink>,
}

impl Outages {
    pub(crate) fn new(sink: Arc<dyn Sink>) -> Arc<Self> {
        Arc::new(Self {
            away: Mutex::new(0),
            sink,
        })
    }

    /// A part's watch over its own connection.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        Watch {
            outages: Arc::clone(self),
            away: false,
        }
    }

    // Told under the lock: in the order in which it happens.
    fn change(&self, change: impl FnOnce(&mut usize) -> Option<Note>) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(note) = change(&mut away) {
            self.sink.note(note);
        }
    }
}

/// One part's own state.
pub(crate) struct Watch {
    outages: Arc<Outages>,
    away: bool,
}

impl Watch {
    /// Whether it has none.
    pub(crate) const fn away(&self) -> bool {
        self.away
    }

    /// It has no Redis, and why.
    pub(crate) fn lost(&mut self, why: &str) {
        if !std::mem::replace(&mut self.away, true) {
            self.outages.change(|away| {
                *away += 1;
                (*away == 1).then(|| Note::Away(why.to_owned()))
            });
        }
    }

    /// It has one.
    pub(crate) fn back(&mut self) {
        if std::mem::take(&mut self.away) {
            self.outages.change(|away| {
                *away -= 1;
                (*away == 0).then_some(Note::Back)
            });
        }
    }
}
