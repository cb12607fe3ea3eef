//! `Templates`: what was emitted of a parse lately. Connections that got the same events get the same octets again.

use crate::history::Parse;
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
    pub(crate) const fn clear(&mut self) {
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
