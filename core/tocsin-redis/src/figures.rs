//! `Figures`: what the bus counts.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! figures {
    ($($name:ident: $help:literal,)*) => {
        /// Counters of one node's bus.
        #[derive(Debug, Default)]
        pub struct Figures {
            $(#[doc = $help] pub(crate) $name: AtomicU64,)*
        }

        impl Figures {
            /// Each counter's name, meaning and value.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), $help, self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

figures! {
    published: "Events that Redis took",
    repeated: "Events that Redis had taken before",
    refused: "Events refused because earlier ones of their scope were missing",
    dropped: "Ephemeral events given up because Redis was away",
    failures: "Attempts at publishing that failed",
    full: "Of these, refused by a Redis without memory, or without a disk to keep what it takes",
    read: "Entries read from the inbox",
    unreadable: "Entries that could not be read",
    gaps: "Times that entries were trimmed before they were read",
    inboxes: "Inboxes made",
    journals: "Journals of sessions begun",
    inherited: "Sessions of other nodes gone on with here",
    fenced: "Sessions of this node that others went on with",
    losses: "Connections of the reader that broke",
}
