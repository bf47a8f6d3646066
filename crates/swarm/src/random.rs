//! Seeded random numbers: two runs with one seed have the same impairments and identifiers.

/// A small generator (SplitMix64): every seed is good, and streams of two seeds are unrelated.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Create the stream of random numbers of a seed and of the numbers that identify its purpose.
    #[must_use]
    pub fn new(seed: u64, names: &[u64]) -> Self {
        let mut random = Self(seed);
        for name in names {
            random.0 = random.next_u64() ^ name.wrapping_mul(0xff51_afd7_ed55_8ccd);
        }
        random
    }

    /// Draw 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Draw 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// Draw from 0 to below 1.
    pub fn ratio(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Return true with probability `ratio`; no number is drawn for 0 and 1.
    pub fn chance(&mut self, ratio: f64) -> bool {
        ratio > 0.0 && (ratio >= 1.0 || self.ratio() < ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_the_purposes_have_different_streams() {
        let draw = |names: &[u64]| Random::new(7, names).next_u64();
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[1, 2]), draw(&[1, 3]));
    }

    #[test]
    fn chance_has_its_probability() {
        let mut random = Random::new(1, &[]);
        let hits = (0..100_000).filter(|_| random.chance(0.05)).count();
        assert!((4_700..5_300).contains(&hits), "{hits}");
        assert!(!random.chance(0.0) && random.chance(1.0));
    }
}
