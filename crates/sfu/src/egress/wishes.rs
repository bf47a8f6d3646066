//! What a video subscription asks of an allocation, and the layers that it may get.

use std::ops::Deref;

use rtc::layers::Layer;
use wire::id::Rid;

use super::subscription::Subscription;
use crate::allocate::{Ask, Candidate, FrameSize, Held, Rank, Wish};
use crate::ingress::encoding::Encoding;
use crate::ingress::publication::Publication;
use crate::keys::{MAX_ENCODINGS, SubscriptionKey};
use crate::message::{SelectedLayers, Target};

/// Bitrate of an encoding of known frame size until it is measured, bit/s for each pixel.
const BPS_PER_PIXEL: u64 = 2;
/// Fewer frames per second are sent of the smallest frame alone.
const MIN_FPS: u16 = 6;
/// Bitrates until they are measured, from the lowest encoding, bit/s.
const USUAL_BPS: [u64; 3] = [180_000, 550_000, 1_800_000];

/// The layers of a publication, without allocation since bitrates are summed up frequently.
#[derive(Clone, Copy, Debug)]
pub struct Layers {
    list: [Candidate; MAX_CANDIDATES],
    len: usize,
}

/// The video subscriptions of a subscriber with the layers that they may get.
pub type Videos = Vec<(SubscriptionKey, Layers)>;

/// Three spatial and three temporal layers of each encoding, and more of some.
const MAX_CANDIDATES: usize = 40;

impl Deref for Layers {
    type Target = [Candidate];

    fn deref(&self) -> &Self::Target {
        &self.list[..self.len]
    }
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            list: [Candidate::default(); MAX_CANDIDATES],
            len: 0,
        }
    }
}

impl Layers {
    fn push(&mut self, candidate: Candidate) {
        if let Some(place) = self.list.get_mut(self.len) {
            *place = candidate;
            self.len += 1;
        }
    }

    /// Return how many candidates the next encoding may have, one being left for each after it.
    fn room(&self, encodings_after: usize) -> usize {
        MAX_CANDIDATES - self.len - encodings_after
    }

    /// Return the layer to select for a candidate: all of the encoding for its highest one.
    #[must_use]
    pub fn layer(&self, nth: usize) -> Layer {
        let candidate = &self[nth];
        let next = self.get(nth + 1);
        match next.is_some_and(|next| next.encoding == candidate.encoding) {
            true => Layer {
                spatial: candidate.spatial,
                temporal: candidate.temporal,
            },
            false => Layer::ALL,
        }
    }

    /// Return the layers of a candidate; `None` where its encoding has a single one.
    #[must_use]
    pub fn selected(&self, nth: usize) -> Option<SelectedLayers> {
        let candidate = &self[nth];
        let mut others = self.iter().filter(|it| it.encoding == candidate.encoding);
        let highest = others.next_back()?;
        others.next_back().map(|_| SelectedLayers {
            spatial: candidate.spatial,
            temporal: candidate.temporal,
            highest_spatial: highest.spatial,
            highest_temporal: highest.temporal,
        })
    }

    /// Return the highest candidate of an encoding within a layer.
    fn held(&self, encoding: usize, layer: Layer) -> Option<usize> {
        let of_candidate = |candidate: &Candidate| Layer {
            spatial: candidate.spatial,
            temporal: candidate.temporal,
        };
        let is_held = |candidate: &Candidate| {
            usize::from(candidate.encoding) == encoding && layer.covers(of_candidate(candidate))
        };
        self.iter().rposition(is_held)
    }
}

/// List what a subscription may get of a publication, from the lowest to the highest: the layers
/// of each encoding, or the encoding as a whole.
#[must_use]
pub fn layers(publication: &Publication, subscription: &Subscription) -> Layers {
    let mut layers = Layers::default();
    let encodings = publication.order.len().min(MAX_ENCODINGS);
    for (rank, nth) in publication.order.iter().enumerate().take(encodings) {
        let encoding = &publication.encodings[*nth];
        let rates = &encoding.rates.layers;
        let whole_bps = wire_bps(encoding, rank);
        let usable = encoding.active || encoding.dynacast.sends_on_demand();
        let measured = rates.list();
        let has_room = measured.len() <= layers.room(encodings - rank - 1);
        if measured.is_empty() || !has_room || !subscription.takes_layers() {
            layers.push(Candidate {
                encoding: rank as u8,
                wire_bps: whole_bps,
                size: frame_size(encoding),
                usable,
                ..Candidate::default()
            });
            continue;
        }
        let lowest = layers.len;
        for one in measured {
            let fps = rates.fps(one);
            // A smaller frame is better than so few, which would be seen as a freeze.
            if (1..MIN_FPS).contains(&fps) && (lowest > 0 || one.layer.spatial > 0) {
                continue;
            }
            layers.push(Candidate {
                encoding: rank as u8,
                spatial: one.layer.spatial,
                temporal: one.layer.temporal,
                wire_bps: rates.bps(one, whole_bps),
                size: layer_size(encoding, one.layer.spatial),
                fps,
                usable: usable && one.is_active,
            });
        }
    }
    layers
}

/// Return the frame size of a spatial layer: described, else half of that of the next one.
fn layer_size(encoding: &Encoding, spatial: u8) -> Option<FrameSize> {
    if let Some((width, height)) = encoding.stream.layer_size(spatial) {
        return Some(FrameSize { width, height });
    }
    let top = encoding.rates.layers.list().last()?.layer.spatial;
    let below = u32::from(top.saturating_sub(spatial));
    let size = frame_size(encoding)?;
    Some(FrameSize {
        width: size.width >> below,
        height: size.height >> below,
    })
}

fn frame_size(encoding: &Encoding) -> Option<FrameSize> {
    let (width, height) = encoding.frame_size?;
    Some(FrameSize { width, height })
}

fn wire_bps(encoding: &Encoding, rank: usize) -> u64 {
    let usual = || match frame_size(encoding) {
        Some(size) => size.pixels() * BPS_PER_PIXEL,
        None => USUAL_BPS[rank.min(USUAL_BPS.len() - 1)],
    };
    match encoding.rates.wire.bps() {
        0 => usual(),
        bps => bps,
    }
}

/// Return the wish of a subscription.
#[must_use]
pub fn wish<'a>(
    subscription: &Subscription,
    publication: &Publication,
    candidates: &'a Layers,
) -> Wish<'a> {
    let preference = subscription.selection.preference;
    Wish {
        id: subscription.id,
        rank: Rank {
            pinned: preference.pinned,
            priority: preference.priority,
            screen: publication.screen,
            ..Rank::default()
        },
        ask: Ask {
            encoding: asked_encoding(&subscription.selection.target, publication),
            size: preference
                .width
                .zip(preference.height)
                .map(|(width, height)| FrameSize { width, height }),
            fps: preference.fps,
            spatial: preference.spatial,
            temporal: preference.temporal,
        },
        candidates,
        held: held(subscription, publication, candidates),
    }
}

fn asked_encoding(target: &Target, publication: &Publication) -> Option<u8> {
    let top = publication.order.len().checked_sub(1)?;
    match target {
        Target::Auto => None,
        Target::Index { index } => Some((*index).min(top) as u8),
        Target::Encoding { rid } => {
            let rid_of = |nth: &usize| publication.encodings[*nth].rid.as_ref().map(Rid::as_str);
            let is_asked = |nth: &usize| rid_of(nth) == Some(rid.as_str());
            Some(publication.order.iter().position(is_asked).unwrap_or(top) as u8)
        }
    }
}

fn held(subscription: &Subscription, publication: &Publication, layers: &Layers) -> Held {
    let position = &subscription.position;
    let pending = position.pending_switch.map(|switch| switch.encoding);
    let rank_of = |encoding| publication.order.iter().position(|nth| *nth == encoding);
    let rank = pending.or(position.current).and_then(rank_of);
    match rank.and_then(|rank| layers.held(rank, subscription.selection.layer)) {
        Some(nth) => Held::Candidate(nth),
        // The bitrate of a participant that has ceased to be one of the last N is free.
        None if subscription.is_excluded() => Held::New,
        None if subscription.selection.is_paused => Held::Paused,
        None => Held::New,
    }
}
