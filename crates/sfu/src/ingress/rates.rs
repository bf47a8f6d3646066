//! Bitrates of an encoding: for allocations and for the pacers of its subscribers.

use wire::time::Time;

use super::layer_rates::LayerRates;
use super::meter::Meter;
use super::wire_rate::WireRate;

/// Bitrates of one encoding.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// The measured bitrate.
    pub meter: Meter,
    /// The bitrate for allocations.
    pub wire: WireRate,
    /// Its layers.
    pub layers: LayerRates,
    /// Bit/s for the pacers of its subscribers.
    pub paced_bps: u64,
}

impl Rates {
    /// Update the bitrates; return whether the rate for pacers has changed.
    pub fn update(&mut self, now: Time) -> bool {
        let bps = self.meter.bps(now);
        self.wire.update(now);
        if bps > 0 {
            self.layers.update();
        }
        self.update_paced_rate(bps)
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
