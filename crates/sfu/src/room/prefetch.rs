//! Loading the state of participants ahead of their turn.

use rtc::prefetch::prefetch;
use wire::id::Ssrc;

use super::{Peer, Room};
use crate::publication::Encoding;

/// What a packet touches of a subscription.
const HOT_SUBSCRIPTION_BYTES: usize = 512;
/// What a round of sending touches of a peer.
const HOT_PEER_BYTES: usize = 768;
/// So many at a time stay in the cache until their turn.
const PEERS_AHEAD: usize = 8;

impl Room {
    /// Load the subscriptions that are about to be queued.
    pub(super) fn prefetch_subscriptions(&self, keys: &[usize]) {
        for key in keys {
            prefetch(&self.subscriptions[*key], HOT_SUBSCRIPTION_BYTES);
        }
    }

    /// Load the peers that are sent to next, and their keys; return how many.
    pub(super) fn prefetch_touched(&self) -> usize {
        let next = self.touched.iter().take(PEERS_AHEAD);
        let next = next.filter_map(|key| self.peers.get(*key));
        for peer in next.clone() {
            prefetch(peer, HOT_PEER_BYTES);
        }
        for peer in next {
            peer.leg.transport.prefetch_sealing();
        }
        self.touched.len().min(PEERS_AHEAD)
    }

    /// Load the peer that a packet comes from.
    pub fn prefetch_peer(&self, peer: usize, _: Ssrc) {
        if let Some(peer) = self.peers.get(peer) {
            prefetch(peer, size_of::<Peer>());
        }
    }

    /// Load what opens its packet and says what it belongs to.
    pub fn prefetch_stream(&self, peer: usize, _: Ssrc) {
        if let Some(peer) = self.peers.get(peer) {
            peer.leg.transport.prefetch_opening();
            peer.binder.prefetch();
        }
    }

    /// Load the encoding of its packet.
    pub fn prefetch_encoding(&self, peer: usize, ssrc: Ssrc) {
        let bound = self.peers.get(peer).and_then(|peer| peer.binder.peek(ssrc));
        let Some(incoming) = bound else {
            return;
        };
        let publication = self.publications.get(incoming.publication);
        if let Some(encoding) = publication.and_then(|of| of.encodings.get(incoming.encoding)) {
            prefetch(encoding, size_of::<Encoding>());
        }
    }
}
