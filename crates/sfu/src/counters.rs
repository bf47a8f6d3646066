//! Plain counters of one engine: copied as a whole, never read per packet.

use serde::Serialize;

/// Upper bounds of the forward latency histogram, microseconds; one more bucket lies above.
pub const LATENCY_BOUNDS_US: [u64; 10] = [
    250, 500, 1000, 2000, 3000, 5000, 10_000, 20_000, 40_000, 100_000,
];

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Counts since the engine started, and gauges of the present state.
        #[derive(Clone, Copy, Debug, Default, Serialize)]
        pub struct Counters {
            $($(#[$doc])+ pub $name: u64,)+
            /// Packets by time between arrival and hand-over to the socket.
            pub forward_latency_us: [u64; LATENCY_BOUNDS_US.len() + 1],
            /// Sum of those times, microseconds.
            pub forward_latency_sum_us: u64,
        }

        impl Counters {
            /// Add the counts of another engine.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
                for (sum, add) in self.forward_latency_us.iter_mut().zip(other.forward_latency_us) {
                    *sum += add;
                }
                self.forward_latency_sum_us += other.forward_latency_sum_us;
            }
        }
    };
}

counters! {
    /// RTP packets accepted.
    packets_received,
    /// Bytes of the datagrams of packets received.
    bytes_received,
    /// RTP packets sent, retransmissions included.
    packets_sent,
    /// Bytes of the datagrams of packets sent.
    bytes_sent,
    /// Audio packets among those sent.
    audio_packets_sent,
    /// Audio packets among those received.
    audio_packets_received,
    /// Lost audio packets of publishers whose payload a later packet had too (RED).
    audio_packets_recovered,
    /// Padding bytes added to join packets into runs.
    padding_bytes_sent,
    /// Packets of padding sent by bandwidth probes.
    probe_packets_sent,
    /// Bytes of their datagrams.
    probe_bytes_sent,
    /// Retransmissions sent.
    retransmitted_packets_sent,
    /// Bytes of retransmitted payloads.
    retransmitted_bytes_sent,
    /// Publishers' packets that were recovered by retransmission.
    retransmitted_packets_received,
    /// Publishers' packets that never arrived.
    packets_lost,
    /// Sequence numbers in NACKs of subscribers.
    nacks_received,
    /// Sequence numbers in NACKs to publishers.
    nacks_sent,
    /// Sequence numbers in NACKs that could not be answered from the history.
    nacks_unanswered,
    /// Keyframe requests from subscribers.
    keyframe_requests_received,
    /// Keyframe requests from subscribers above their rate limit.
    keyframe_requests_rate_limited,
    /// Keyframe requests to publishers.
    keyframe_requests_sent,
    /// Transport-wide feedback packets from subscribers.
    transport_feedback_received,
    /// Transport-wide feedback packets to publishers.
    transport_feedback_sent,
    /// RTCP packets that could not be parsed.
    rtcp_malformed,
    /// Payloads that the codec's parser rejects; they are forwarded all the same.
    payloads_unreadable,
    /// RTP packets of unassociated SSRCs.
    packets_unbound,
    /// RTP packets of publishers above their bitrate.
    packets_over_bitrate,
    /// RTP packets not sent to a subscriber since its path's MTU is too small for them.
    packets_over_mtu,
    /// Duplicate RTP packets.
    packets_duplicate,
    /// Packets dropped since a subscriber's backlog grew too old.
    packets_dropped_backlog,
    /// Packets that the transport refused to seal: an index used before, or an unvalidated address
    /// that has been sent three times the bytes received from it.
    packets_refused_seal,
    /// Datagrams from an unknown path.
    datagrams_unknown_path,
    /// Binding requests for an unknown username.
    stun_unknown_ufrag,
    /// Binding requests from a path that another transport is using.
    stun_path_in_use,
    /// Binding requests of unauthenticated peers that were answered.
    stun_unauthenticated_answered,
    /// Datagrams that a transport dropped: bad integrity, replayed, malformed.
    datagrams_dropped,
    /// ICE sessions that validated a path.
    ice_connected,
    /// ICE sessions that failed or disconnected.
    ice_failed,
    /// DTLS handshakes that ended with a verified peer.
    dtls_connected,
    /// DTLS handshakes that failed.
    dtls_failed,
    /// Messages received on data channels.
    data_messages_received,
    /// Bytes of those messages.
    data_bytes_received,
    /// Messages passed on to receivers of data channels.
    data_messages_sent,
    /// Bytes of those messages.
    data_bytes_sent,
    /// Messages that a receiver did not get, since it reads too slowly or its channel closed.
    data_messages_dropped,
    /// Messages that were not passed on: on no channel, without the right, text that is no UTF-8.
    data_messages_refused,
    /// Data channels that the server closed, each with its reason in an event.
    data_channels_refused,
    /// SCTP packets of transports without data channels.
    data_packets_refused,
    /// Switches of encoding.
    layer_switches,
    /// Rooms dropped because their code panicked.
    rooms_broken,
    /// Events dropped since they were not read in time.
    events_dropped,
    /// Open rooms.
    rooms,
    /// Open transports.
    transports,
    /// Publications.
    publications,
    /// Subscriptions.
    subscriptions,
    /// SCTP associations.
    data_associations,
    /// Routes: identifiers, paths and username fragments of open transports.
    routes,
    /// Pending timers, those of removed owners included until they fire.
    timers,
}

impl Counters {
    /// Note the forward latency of packets.
    #[inline]
    pub fn note_latency(&mut self, micros: u64, packets: u64) {
        let bucket = LATENCY_BOUNDS_US.iter().position(|bound| micros <= *bound);
        self.forward_latency_us[bucket.unwrap_or(LATENCY_BOUNDS_US.len())] += packets;
        self.forward_latency_sum_us += micros * packets;
    }
}
