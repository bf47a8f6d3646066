//! Random numbers for ICE: seeded and repeatable ones, and cryptographically secure ones.

use openssl::rand::rand_bytes;
use wire::stun::TransactionId;

/// Return a transaction id for a check whose response proves that the check was received.
pub(crate) fn unpredictable_transaction() -> TransactionId {
    let mut id = [0; 12];
    // Fails only where the system has no entropy, and then no handshake succeeds either.
    rand_bytes(&mut id).expect("entropy");
    TransactionId(id)
}

/// SplitMix64, for timing and for checks whose responses are authenticated by MESSAGE-INTEGRITY:
/// not for secrets.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Create a generator seeded by the ufrag.
    pub fn seeded_by(ufrag: &str) -> Self {
        let spread = |seed: u64, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(ufrag.bytes().fold(0xcbf2_9ce4_8422_2325, spread))
    }

    pub fn transaction(&mut self) -> TransactionId {
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.next().to_be_bytes());
        id[8..].copy_from_slice(&self.next().to_be_bytes()[..4]);
        TransactionId(id)
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        low + unit * (high - low)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
