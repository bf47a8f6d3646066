//! What the layers of one encoding cost: the share of its bitrate, and the frame rate, of each.
//!
//! A layer counts with those below that it refers to. Shares are averaged over about three seconds
//! and kept while the encoding is inactive.

use rtc::codec::FrameInfo;
use rtc::layers::Layer;
use rtc::layers::described::{DecodeTargets, DescribedLayers};
use wire::dependency::Indication;

use super::wire_rate::OVERHEAD;

/// Most layers that are distinguished; of more of them, those between are left out.
pub const MAX_LAYERS: usize = 16;
/// Layers that payload descriptors can have; higher ones count as the highest.
const MAX_PLAIN: Layer = Layer {
    spatial: 3,
    temporal: 3,
};
/// Updates are 250 ms apart: with this factor for each, the average covers three seconds.
const KEPT: f64 = 11.0 / 12.0;
const UPDATES_A_SECOND: f64 = 4.0;
/// Updates before a frame rate is known.
const RELIABLE: u32 = 4;

/// One layer of an encoding.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The layer.
    pub layer: Layer,
    /// Whether the publisher sends it.
    pub is_active: bool,
    /// Its decode target.
    target: Option<u8>,
    bytes: f64,
    frames: f64,
}

/// The layers of one encoding.
#[derive(Clone, Debug, Default)]
pub struct LayerRates {
    /// From the lowest to the highest; empty where the encoding has a single one.
    measured: Vec<Measured>,
    generation: u16,
    total: f64,
    updates: u32,
    has_changed: bool,
}

impl LayerRates {
    /// Count a packet; `layers` are those of its stream, where it has dependency descriptors.
    pub fn count(
        &mut self,
        info: &FrameInfo,
        number: Option<u16>,
        layers: Option<&DescribedLayers>,
        len: usize,
    ) {
        match layers.zip(number) {
            Some((layers, number)) => self.count_described(info, number, layers, len),
            None if info.spatial > 0 || info.temporal > 0 || !self.measured.is_empty() => {
                self.count_plain(info, len);
            }
            None => {}
        }
    }

    fn count_described(
        &mut self,
        info: &FrameInfo,
        number: u16,
        layers: &DescribedLayers,
        len: usize,
    ) {
        let targets = layers.targets();
        if self.generation != layers.generation() {
            self.generation = layers.generation();
            self.measured = of_targets(targets);
            self.restart();
        }
        let Some(frame) = layers.frame(number) else {
            return;
        };
        for measured in &mut self.measured {
            let target = measured.target.unwrap_or_default();
            let is_active = targets.is_active(target);
            self.has_changed |= measured.is_active != is_active;
            measured.is_active = is_active;
            let is_part = frame.indications.of(target.into()) != Indication::NotPresent;
            measured.add(info, is_part, len);
        }
        self.total += (len + OVERHEAD) as f64;
    }

    fn count_plain(&mut self, info: &FrameInfo, len: usize) {
        let layer = Layer {
            spatial: info.spatial.min(MAX_PLAIN.spatial),
            temporal: info.temporal.min(MAX_PLAIN.temporal),
        };
        if !self
            .measured
            .last()
            .is_some_and(|top| top.layer.covers(layer))
        {
            self.extend(layer);
        }
        for measured in &mut self.measured {
            measured.add(info, measured.layer.covers(layer), len);
        }
        self.total += (len + OVERHEAD) as f64;
    }

    /// Add the layers up to one that has appeared.
    fn extend(&mut self, layer: Layer) {
        let top = self
            .measured
            .last()
            .map(|top| top.layer)
            .unwrap_or_default();
        let spatial = top.spatial.max(layer.spatial);
        let temporal = top.temporal.max(layer.temporal);
        let all = (0..=spatial).flat_map(|spatial| {
            (0..=temporal).map(move |temporal| Measured::new(Layer { spatial, temporal }, None))
        });
        self.measured = all.collect();
        self.restart();
    }

    fn restart(&mut self) {
        (self.total, self.updates, self.has_changed) = (0.0, 0, true);
    }

    /// Return once whether there are other layers than before, or others are sent.
    pub fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// Age what was counted; called every 250 ms while packets arrive.
    pub fn update(&mut self) {
        for measured in &mut self.measured {
            measured.bytes *= KEPT;
            measured.frames *= KEPT;
        }
        self.total *= KEPT;
        self.updates = self.updates.saturating_add(1);
    }

    /// List the layers from the lowest to the highest; empty where there is a single one.
    #[must_use]
    pub fn list(&self) -> &[Measured] {
        &self.measured
    }

    /// Return the part of the encoding's bitrate that a layer has, all of it before any packet.
    #[must_use]
    pub fn bps(&self, measured: &Measured, encoding_bps: u64) -> u64 {
        match self.total > 0.0 {
            true => (encoding_bps as f64 * (measured.bytes / self.total).min(1.0)) as u64,
            false => encoding_bps,
        }
    }

    /// Return the frames per second of a layer; 0: unknown.
    #[must_use]
    pub fn fps(&self, measured: &Measured) -> u16 {
        if self.updates < RELIABLE {
            return 0;
        }
        let aged = KEPT.powi(self.updates.min(100) as i32);
        let seconds = (1.0 - aged) / (1.0 - KEPT) / UPDATES_A_SECOND;
        (measured.frames / seconds).round().min(f64::from(u16::MAX)) as u16
    }
}

impl Measured {
    fn new(layer: Layer, target: Option<u8>) -> Self {
        Self {
            layer,
            is_active: true,
            target,
            bytes: 0.0,
            frames: 0.0,
        }
    }

    fn add(&mut self, info: &FrameInfo, is_part: bool, len: usize) {
        if !is_part {
            return;
        }
        self.bytes += (len + OVERHEAD) as f64;
        if info.start && info.spatial == self.layer.spatial {
            self.frames += 1.0;
        }
    }
}

/// List decode targets by their layers, none where there is a single one.
fn of_targets(targets: &DecodeTargets) -> Vec<Measured> {
    if targets.count < 2 {
        return Vec::new();
    }
    let measured = (0..targets.count).map(|it| Measured::new(targets.layer(it), Some(it)));
    let mut measured: Vec<Measured> = measured.collect();
    measured.sort_by_key(|it| it.layer);
    measured.dedup_by_key(|it| it.layer);
    match measured.len() > MAX_LAYERS {
        true => spread(&measured),
        false => measured,
    }
}

/// Return the lowest and the highest temporal layer of each spatial layer, and as many between them as
/// are distinguished, so that a descriptor of many decode targets costs no more than others.
fn spread(measured: &[Measured]) -> Vec<Measured> {
    let of_spatial = || measured.chunk_by(|one, other| one.layer.spatial == other.layer.spatial);
    let each = MAX_LAYERS / of_spatial().count().clamp(1, MAX_LAYERS / 2);
    let kept = of_spatial().flat_map(|layers| {
        let count = layers.len().min(each);
        let steps = count.saturating_sub(1).max(1);
        (0..count).map(move |nth| layers[nth * (layers.len() - 1) / steps])
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use rtc::codec::{Codec, describe};

    use super::*;

    fn measured(spatial_layers: u8, temporal_layers: u8) -> Vec<Measured> {
        let layers = (0..spatial_layers)
            .flat_map(|spatial| (0..temporal_layers).map(move |temporal| (spatial, temporal)));
        let layer = |(spatial, temporal)| Layer { spatial, temporal };
        layers.map(|it| Measured::new(layer(it), None)).collect()
    }

    #[test]
    fn layers_of_vp9_are_counted_in_flexible_and_in_non_flexible_mode() {
        // RFC 9628 section 4.2: I, P, L, B, E; F in flexible mode, which has no TL0PICIDX.
        for flexible in [0x10, 0] {
            let mut rates = LayerRates::default();
            for nth in 0..40_u8 {
                for spatial in 0..2 {
                    let (first, temporal) = (u8::from(nth > 0) << 6, nth % 2);
                    let flags = 0x80 | first | 0x20 | 0x0c | flexible;
                    let references: &[u8] = match (flexible, nth) {
                        (0, _) => &[7],
                        (_, 0) => &[],
                        _ => &[0x02],
                    };
                    let indices = temporal << 5 | spatial << 1;
                    let payload = [&[flags, nth, indices], references, &[0xaa]].concat();
                    let described = describe(Codec::Vp9, &payload, spatial == 1);
                    let len = 300 * (1 + usize::from(spatial)) - OVERHEAD;
                    rates.count(&described.info, None, None, len);
                }
            }
            let layers = rates.list();
            let names: Vec<_> = layers.iter().map(|it| it.layer).collect();
            let expected = [(0, 0), (0, 1), (1, 0), (1, 1)];
            assert_eq!(
                names,
                expected.map(|(spatial, temporal)| Layer { spatial, temporal })
            );
            let shares: Vec<_> = layers.iter().map(|it| rates.bps(it, 600_000)).collect();
            for (share, expected) in shares.iter().zip([100_000, 200_000, 300_000, 600_000]) {
                assert!(share.abs_diff(expected) < 20_000, "{flexible} {shares:?}");
            }
        }
    }

    #[test]
    fn of_many_layers_the_lowest_and_the_highest_are_kept() {
        for spatial_layers in 1..=4 {
            let kept = spread(&measured(spatial_layers, 8));
            assert!(kept.len() <= MAX_LAYERS, "{}", kept.len());
            assert!(kept.is_sorted_by_key(|it| it.layer));
            for spatial in 0..spatial_layers {
                let own = kept.iter().filter(|it| it.layer.spatial == spatial);
                let temporal: Vec<u8> = own.map(|it| it.layer.temporal).collect();
                assert_eq!((temporal[0], temporal.last()), (0, Some(&7)));
                assert!(temporal.is_sorted() && temporal.len() >= 4, "{temporal:?}");
            }
        }
    }
}
