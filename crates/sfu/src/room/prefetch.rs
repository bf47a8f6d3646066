//! Prefetch of the state of peer connections and subscriptions before it is used.

use rtc::prefetch::prefetch;
use wire::id::Ssrc;

use super::{PeerConnection, Room};
use crate::ingress::encoding::Encoding;

/// Bytes of a subscription that a packet uses.
const HOT_SUBSCRIPTION_BYTES: usize = 512;
/// Bytes of a peer connection that a round of sending uses.
const HOT_PEER_BYTES: usize = 768;
/// So many stay in the cache until they are served.
const PEERS_AHEAD: usize = 8;

impl Room {
    /// Load the subscriptions that are about to be queued.
    pub(super) fn prefetch_subscriptions(&self, keys: &[usize]) {
        for key in keys {
            prefetch(&self.subscriptions[*key], HOT_SUBSCRIPTION_BYTES);
        }
    }

    /// Load the peer connections that are served next, and their SRTP keys; return how many.
    pub(super) fn prefetch_queued(&self) -> usize {
        let next = self.queued_peers.iter().take(PEERS_AHEAD);
        let next = next.filter_map(|key| self.peers.get(*key));
        for peer in next.clone() {
            prefetch(peer, HOT_PEER_BYTES);
        }
        for peer in next {
            peer.egress.transport.prefetch_sealing();
        }
        self.queued_peers.len().min(PEERS_AHEAD)
    }

    /// Load the peer connection of an incoming packet.
    pub fn prefetch_peer(&self, peer: usize, _: Ssrc) {
        if let Some(peer) = self.peers.get(peer) {
            prefetch(peer, size_of::<PeerConnection>());
        }
    }

    /// Load the SRTP state and the SSRC table of an incoming packet.
    pub fn prefetch_stream(&self, peer: usize, _: Ssrc) {
        if let Some(peer) = self.peers.get(peer) {
            peer.egress.transport.prefetch_opening();
            peer.binder.prefetch();
        }
    }

    /// Load the encoding of an incoming packet.
    pub fn prefetch_encoding(&self, peer: usize, ssrc: Ssrc) {
        let bound = self.peers.get(peer).and_then(|peer| peer.binder.peek(ssrc));
        let Some(incoming) = bound else {
            return;
        };
        let publication = self.publications.get(incoming.publication);
        if let Some(encoding) =
            publication.and_then(|publication| publication.encodings.get(incoming.encoding))
        {
            prefetch(encoding, size_of::<Encoding>());
        }
    }
}
