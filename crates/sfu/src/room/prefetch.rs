//! Prefetch of the state that an incoming packet needs, a pointer at a time.

use rtc::prefetch::prefetch;
use wire::id::Ssrc;

use super::Room;
use super::connection::Connection;
use crate::keys::TransportKey;

impl Room {
    /// Load the connection of an incoming packet.
    pub fn prefetch_connection(&self, key: TransportKey, _: Ssrc) {
        if let Some(connection) = self.connections.get(key) {
            prefetch(connection, size_of::<Connection>());
        }
    }

    /// Load the SRTP state and the subscriber of incoming RTCP.
    pub fn prefetch_subscriber(&self, key: TransportKey, _: Ssrc) {
        if let Some(connection) = self.connections.get(key) {
            connection.transport.prefetch_opening();
            self.egress.prefetch_subscriber(connection.subscriber);
        }
    }

    /// Load its estimator.
    pub fn prefetch_estimator(&self, key: TransportKey, _: Ssrc) {
        if let Some(connection) = self.connections.get(key) {
            self.egress.prefetch_estimator(connection.subscriber);
        }
    }

    /// Load what its estimator compares the arrivals with.
    pub fn prefetch_arrivals(&self, key: TransportKey, _: Ssrc) {
        if let Some(connection) = self.connections.get(key) {
            self.egress.prefetch_arrivals(connection.subscriber);
        }
    }

    /// Load its SRTP state and its publisher.
    pub fn prefetch_publisher(&self, key: TransportKey, _: Ssrc) {
        if let Some(connection) = self.connections.get(key) {
            connection.transport.prefetch_opening();
            self.ingress.prefetch_publisher(connection.publisher);
        }
    }

    /// Load the SSRC table of the publisher.
    pub fn prefetch_binder(&self, key: TransportKey, _: Ssrc) {
        if let Some(connection) = self.connections.get(key) {
            self.ingress.prefetch_binder(connection.publisher);
        }
    }

    /// Load the encoding of an incoming packet.
    pub fn prefetch_encoding(&self, key: TransportKey, ssrc: Ssrc) {
        if let Some(connection) = self.connections.get(key) {
            self.ingress.prefetch_encoding(connection.publisher, ssrc);
        }
    }
}
