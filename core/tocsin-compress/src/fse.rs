//! The predefined FSE tables of zstd's sequences, as an encoder walks them (RFC 8878 §3.1.1.3.2.2, §4.1).

/// What a symbol does to a state.
#[derive(Clone, Copy)]
struct Step {
    /// Added to the state, its upper half is how many bits are written.
    bits: u32,
    /// Added to what is left of the state, it is where the next one stands.
    place: i32,
}

/// An encoding table of `STATES` states, a power of two.
pub(crate) struct Table<const STATES: usize, const SYMBOLS: usize> {
    next: [u16; STATES],
    steps: [Step; SYMBOLS],
}

impl<const STATES: usize, const SYMBOLS: usize> Table<STATES, SYMBOLS> {
    /// Bits of a state, written at the end.
    pub(crate) const LOG: u32 = STATES.trailing_zeros();

    /// From the counts of each symbol, -1 for less than one.
    const fn new(counts: [i32; SYMBOLS]) -> Self {
        let mut symbols = [0; STATES];
        let mut starts = [0; SYMBOLS];
        let mut steps = [Step { bits: 0, place: 0 }; SYMBOLS];
        let (mut total, mut rare, mut symbol) = (0, STATES, 0);
        while symbol < SYMBOLS {
            starts[symbol] = total as usize;
            let count = counts[symbol];
            if count == -1 {
                rare -= 1;
                symbols[rare] = symbol;
            }
            if count == -1 || count == 1 {
                steps[symbol] = Step {
                    bits: (Self::LOG << 16) - STATES as u32,
                    place: total - 1,
                };
                total += 1;
            } else {
                let most = Self::LOG - (count - 1).ilog2();
                steps[symbol] = Step {
                    bits: (most << 16) - ((count as u32) << most),
                    place: total - count,
                };
                total += count;
            }
            symbol += 1;
        }
        let (mut at, mut symbol) = (0, 0);
        while symbol < SYMBOLS {
            let mut nth = 0;
            while nth < counts[symbol] {
                symbols[at] = symbol;
                at = (at + STATES / 2 + STATES / 8 + 3) % STATES;
                while at >= rare {
                    at = (at + STATES / 2 + STATES / 8 + 3) % STATES;
                }
                nth += 1;
            }
            symbol += 1;
        }
        let mut next = [0; STATES];
        let mut state = 0;
        while state < STATES {
            let symbol = symbols[state];
            next[starts[symbol]] = (STATES + state) as u16;
            starts[symbol] += 1;
            state += 1;
        }
        Self { next, steps }
    }

    /// The state that decodes to this symbol at the end.
    pub(crate) const fn first(&self, symbol: usize) -> u32 {
        let step = self.steps[symbol];
        let count = (step.bits + (1 << 15)) >> 16;
        let left = ((count << 16) - step.bits) >> count;
        self.next[(left as i32 + step.place) as usize] as u32
    }

    /// Goes to a state that decodes to this symbol and then leads to the one before; returns the bits that lead there,
    /// and how many.
    #[inline]
    pub(crate) const fn step(&self, state: &mut u32, symbol: usize) -> (u32, u32) {
        let step = self.steps[symbol];
        let count = (*state + step.bits) >> 16;
        let bits = *state & ((1 << count) - 1);
        *state = self.next[((*state >> count) as i32 + step.place) as usize] as u32;
        (bits, count)
    }
}

/// Of literal lengths.
pub(crate) static LITERAL_LENGTHS: Table<64, 36> = Table::new([
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1,
    -1, -1, -1, -1,
]);

/// Of match lengths.
pub(crate) static MATCH_LENGTHS: Table<64, 53> = Table::new([
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
]);

/// Of offsets.
pub(crate) static OFFSETS: Table<32, 29> = Table::new([
    1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
]);
