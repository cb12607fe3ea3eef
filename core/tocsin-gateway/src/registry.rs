//! `Registry`: session id to session key, for resumes. Touched by accept, resume and end only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tocsin_proto::SessionId;

use crate::key::SessionKey;

/// Every accepted session of the node.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    sessions: Mutex<HashMap<SessionId, SessionKey>>,
}

impl Registry {
    /// Makes a session findable.
    pub(crate) fn insert(&self, id: SessionId, key: SessionKey) {
        self.lock().insert(id, key);
    }

    /// Forgets a session.
    pub(crate) fn remove(&self, id: &SessionId) {
        self.lock().remove(id);
    }

    /// Finds the key of a session.
    pub(crate) fn get(&self, id: &SessionId) -> Option<SessionKey> {
        self.lock().get(id).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, SessionKey>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
