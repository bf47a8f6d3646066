//! Bitrates of an encoding: for selection and for the pacers of its subscribers.

use wire::time::Time;

use super::meter::Meter;

/// Updates in which the size of an encoding decays to its bitrate by a factor of e: eight seconds.
const SIZE_DECAY: u64 = 32;

/// Bitrates of one encoding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// The measured bitrate.
    pub meter: Meter,
    /// Bit/s for selection: rises at once, falls slowly.
    pub size_bps: u64,
    /// Bit/s for the pacers of its subscribers.
    pub paced_bps: u64,
}

impl Rates {
    /// Update the bitrates; return whether the rate for pacers has changed.
    pub fn update(&mut self, now: Time) -> bool {
        let bps = self.meter.bps(now);
        self.update_size(bps);
        self.update_paced_rate(bps)
    }

    /// Update the size: peaks count at once and decay slowly.
    fn update_size(&mut self, bps: u64) {
        self.size_bps = bps.max(self.size_bps - self.size_bps.saturating_sub(bps) / SIZE_DECAY);
    }

    /// Update the paced rate where the bitrate differs by more than 25 %; return whether it does.
    fn update_paced_rate(&mut self, bps: u64) -> bool {
        let differs = bps.abs_diff(self.paced_bps) > self.paced_bps / 4;
        if differs {
            self.paced_bps = bps;
        }
        differs
    }
}
