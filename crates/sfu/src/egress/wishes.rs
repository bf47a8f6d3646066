//! What a video subscription asks of an allocation, and the layers that it may get.

use std::ops::Deref;

use wire::id::Rid;

use super::subscription::Subscription;
use crate::allocate::{Ask, Candidate, FrameSize, Held, Rank, Wish};
use crate::ingress::encoding::Encoding;
use crate::ingress::publication::Publication;
use crate::keys::MAX_ENCODINGS;
use crate::message::Target;

/// Bitrate of an encoding of known frame size until it is measured, bit/s for each pixel.
const BPS_PER_PIXEL: u64 = 2;
/// Bitrates until they are measured, from the lowest encoding, bit/s.
const USUAL_BPS: [u64; 3] = [180_000, 550_000, 1_800_000];

/// The layers of a publication, without allocation since bitrates are summed up frequently.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers {
    list: [Candidate; MAX_ENCODINGS],
    len: usize,
}

impl Deref for Layers {
    type Target = [Candidate];

    fn deref(&self) -> &Self::Target {
        &self.list[..self.len]
    }
}

/// List the layers of a publication from the lowest to the highest: one for each encoding.
#[must_use]
pub fn layers(publication: &Publication) -> Layers {
    let mut layers = Layers::default();
    for (rank, nth) in publication.order.iter().enumerate().take(MAX_ENCODINGS) {
        let encoding = &publication.encodings[*nth];
        layers.list[rank] = Candidate {
            encoding: rank as u8,
            wire_bps: wire_bps(encoding, rank),
            size: frame_size(encoding),
            usable: encoding.active || encoding.dynacast.sends_on_demand(),
            ..Candidate::default()
        };
        layers.len = rank + 1;
    }
    layers
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
    candidates: &'a [Candidate],
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
        },
        candidates,
        held: held(subscription, publication),
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

fn held(subscription: &Subscription, publication: &Publication) -> Held {
    let position = &subscription.position;
    let pending = position.pending_switch.map(|switch| switch.encoding);
    let rank_of = |encoding| publication.order.iter().position(|nth| *nth == encoding);
    match pending.or(position.current).and_then(rank_of) {
        Some(rank) => Held::Candidate(rank),
        // The bitrate of a participant that has ceased to be one of the last N is free.
        None if subscription.is_excluded() => Held::New,
        None if subscription.selection.is_paused => Held::Paused,
        None => Held::New,
    }
}
