//! Prefetch of the state that an incoming packet needs.

use rtc::prefetch::prefetch;
use wire::id::Ssrc;

use super::Ingress;
use super::encoding::Encoding;
use super::publisher::Publisher;
use crate::keys::PublisherKey;

impl Ingress {
    /// Load a publisher.
    pub fn prefetch_publisher(&self, key: PublisherKey) {
        if let Some(publisher) = self.publishers.get(key) {
            prefetch(publisher, size_of::<Publisher>());
        }
    }

    /// Load the SSRC table of a publisher.
    pub fn prefetch_binder(&self, key: PublisherKey) {
        if let Some(publisher) = self.publishers.get(key) {
            publisher.binder.prefetch();
        }
    }

    /// Load the encoding of a packet.
    pub fn prefetch_encoding(&self, key: PublisherKey, ssrc: Ssrc) {
        let publisher = self.publishers.get(key);
        let bound = publisher.and_then(|publisher| publisher.binder.peek(ssrc));
        if let Some(encoding) = bound.and_then(|bound| self.encoding(bound)) {
            prefetch(encoding, size_of::<Encoding>());
        }
    }
}
