//! `Searched`: the event in hand as it was found and lately emitted. Connections that got the same events get the same
//! octets again.

use crate::history::{Coding, History, Parse, TIERS};
use crate::positions::Located;

/// How many are kept of one parse.
const MAX_TEMPLATES: usize = 8;

#[derive(Debug, Default)]
struct Made<T> {
    key: u32,
    backs: Vec<u32>,
    template: T,
}

/// Templates of one parse. Their memory is kept for the next event's.
#[derive(Debug, Default)]
pub(crate) struct Templates<T> {
    made: Vec<Made<T>>,
    /// How many of them are of the event in hand.
    valid: usize,
    next: usize,
}

impl<T: Default> Templates<T> {
    /// Another event: none of them is right any more.
    const fn clear(&mut self) {
        self.valid = 0;
        self.next = 0;
    }

    /// The one for these places of references, and this of the head; made if there is none.
    pub(crate) fn get_or_make(
        &mut self,
        key: u32,
        parse: &Parse,
        located: &Located,
        make: impl FnOnce(&mut T),
    ) -> &T {
        let backs = located.backs(parse);
        let known = self.made[..self.valid]
            .iter()
            .position(|made| made.key == key && made.backs == backs);
        let at = known.unwrap_or_else(|| {
            let at = self.next;
            self.next = (at + 1) % MAX_TEMPLATES;
            if at == self.made.len() {
                self.made.push(Made::default());
            }
            let made = &mut self.made[at];
            made.key = key;
            made.backs.clear();
            made.backs.extend_from_slice(backs);
            make(&mut made.template);
            self.valid = self.valid.max(at + 1);
            at
        });
        &self.made[at].template
    }
}

/// The event in hand, in one form, as one reach found it for one transport; `T` is what streams are given of it.
#[derive(Debug, Default)]
pub(crate) struct Searched<T> {
    pub(crate) parse: Parse,
    parsed: bool,
    pub(crate) templates: Templates<T>,
}

impl<T: Default> Searched<T> {
    /// Another event.
    pub(crate) fn clear(&mut self) {
        self.parsed = false;
        self.templates.clear();
    }
}

/// The reach whose parse costs least on a stream, and where its references lie there. Each is searched once.
pub(crate) fn cheapest<T>(
    searched: &mut [Searched<T>; TIERS.len()],
    history: &mut History,
    body: &[u8],
    coding: &'static Coding,
    locate: impl Fn(&Parse) -> Located,
) -> Option<(usize, Located)> {
    let mut best: Option<(usize, Located)> = None;
    for (tier, searched) in searched.iter_mut().enumerate() {
        if !searched.parsed {
            history.parse(tier, body.len(), coding, &mut searched.parse);
            searched.parsed = true;
        }
        let located = locate(&searched.parse);
        let complete = located.complete;
        if (best.as_ref()).is_none_or(|(_, known)| located.bits < known.bits) {
            best = Some((tier, located));
        }
        if complete {
            break;
        }
    }
    best
}
