//! A small random number generator, the same on every machine.

/// SplitMix64: one number of state, and every seed is as good as another.
///
/// Source: Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator for one part of a run: the same run and part give the same numbers.
    pub fn new(seed: u64, part: u64) -> Self {
        let mut rng = Self(seed);
        let start = rng.number() ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(start)
    }

    /// The next 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 up to but not including `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(self.number() % end).unwrap()
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some things.
    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// One of some things, which come with weights.
    pub fn weighted<'t, T>(&mut self, of: &'t [(usize, T)]) -> &'t T {
        let total = of.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, thing) in of {
            if left < *weight {
                return thing;
            }
            left -= weight;
        }
        &of[0].1
    }

    /// A port that may be any, 0 excepted.
    pub fn port(&mut self) -> u16 {
        u16::try_from(1 + self.below(65_535)).unwrap()
    }

    /// Brings things into a random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = self.below(last + 1);
            things.swap(last, other);
        }
    }
}
