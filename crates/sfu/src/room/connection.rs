//! A transport of the room: ICE, DTLS and SRTP, its paths, and the parties at its other end.

use std::time::Duration;

use rtc::inbound::reference::ReferenceTimes;
use rtc::outbound::reference::ReferenceEchoes;
use rtc::path::PathId;
use rtc::prefetch::prefetch;
use rtc::transport::Transport;
use wire::time::Time;

use crate::counters::Counters;
use crate::deadline::Deadline;
use crate::egress::sink::Transports;
use crate::ingress::OUR_SSRC;
use crate::keys::{PublisherKey, SubscriberKey, TransportKey};
use crate::message::TransportId;
use crate::slab::Slab;

/// Bytes of a transport that sending uses.
const HOT_TRANSPORT_BYTES: usize = 640;

/// How long a packet and its answer take, measured by reports.
pub struct RoundTrip {
    /// The last one.
    pub last: Option<Duration>,
    /// Reference times of the peer, to be echoed.
    pub references: ReferenceEchoes,
    /// Reference times that the peer may echo, where it only publishes.
    pub reference_times: ReferenceTimes,
}

/// A transport of the room.
///
/// The first field also tells an empty place of the slab from a full one: else that were a field
/// that has left the cache.
#[repr(C, align(64))]
pub struct Connection {
    /// When the timer of ICE and DTLS fires.
    pub transport_at: Option<Time>,
    /// What its peer sends.
    pub publisher: PublisherKey,
    /// What its peer receives.
    pub subscriber: SubscriberKey,
    /// Whether ICE and DTLS are connected.
    pub connected: bool,
    /// ICE, DTLS and SRTP.
    pub transport: Transport,
    /// Its identifier.
    pub id: TransportId,
    /// Its username fragments, the newest last.
    pub ufrags: Vec<String>,
    /// Its validated paths.
    pub paths: Vec<PathId>,
    /// Datagrams dropped by the transport that are counted already.
    drops_counted: u64,
    /// When the next reports are due.
    pub reports: Deadline,
    /// Round-trip time.
    pub round_trip: RoundTrip,
}

impl Connection {
    /// Make a connection whose transport is not connected yet.
    #[must_use]
    pub fn new(
        id: TransportId,
        transport: Transport,
        ufrag: String,
        publisher: PublisherKey,
        subscriber: SubscriberKey,
    ) -> Self {
        Self {
            transport,
            publisher,
            subscriber,
            connected: false,
            id,
            ufrags: vec![ufrag],
            paths: Vec::new(),
            drops_counted: 0,
            transport_at: None,
            reports: Deadline::default(),
            round_trip: RoundTrip {
                last: None,
                references: ReferenceEchoes::new(),
                reference_times: ReferenceTimes::new(OUR_SSRC),
            },
        }
    }

    /// Count the datagrams that the transport has dropped since the last call.
    pub fn count_drops(&mut self, counters: &mut Counters) {
        let total = self.transport.drops().total();
        counters.datagrams_dropped += total - self.drops_counted;
        self.drops_counted = total;
    }
}

/// The transports of a room.
pub type Connections = Slab<TransportKey, Connection>;

impl Transports for Connections {
    fn sending(&mut self, key: TransportKey) -> Option<(&mut Transport, PathId)> {
        let transport = &mut self.get_mut(key)?.transport;
        let path = transport.send_path()?;
        Some((transport, path))
    }

    fn prefetch(&self, key: TransportKey) {
        if let Some(connection) = self.get(key) {
            prefetch(connection, HOT_TRANSPORT_BYTES);
        }
    }

    fn prefetch_sealing(&self, key: TransportKey) {
        if let Some(connection) = self.get(key) {
            connection.transport.prefetch_sealing();
        }
    }
}
