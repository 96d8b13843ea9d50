//! Repeatable chance.

/// A pair of dice that falls the same way for the same seed.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice with a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number from 0 to below the limit (xorshift64*).
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn =
            usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap_or_default();
        drawn % limit.max(1)
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Puts these into another order.
    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        (1..all.len())
            .rev()
            .for_each(|place| all.swap(place, self.below(place + 1)));
    }
}
