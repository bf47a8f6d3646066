//! Plain counters of one engine: copied as a whole, never read per packet.

use serde::Serialize;

/// Upper bounds of the forward latency histogram, microseconds; one more bucket lies above.
pub const LATENCY_BOUNDS_US: [u64; 10] = [
    250, 500, 1000, 2000, 3000, 5000, 10_000, 20_000, 40_000, 100_000,
];

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Counts since the engine started, and gauges of what lives now.
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
                for (mine, theirs) in self.forward_latency_us.iter_mut().zip(other.forward_latency_us) {
                    *mine += theirs;
                }
                self.forward_latency_sum_us += other.forward_latency_sum_us;
            }
        }
    };
}

counters! {
    /// RTP packets accepted.
    packets_received,
    /// Bytes of the datagrams they came in.
    bytes_received,
    /// RTP packets sent, retransmissions included.
    packets_sent,
    /// Bytes of the datagrams they left in.
    bytes_sent,
    /// Audio packets among those sent.
    audio_packets_sent,
    /// Audio packets among those received.
    audio_packets_received,
    /// Padding bytes added to join packets into runs.
    padding_bytes_sent,
    /// Retransmissions sent.
    retransmitted_packets_sent,
    /// Bytes of retransmitted payloads.
    retransmitted_bytes_sent,
    /// Publishers' packets that came back by retransmission.
    retransmitted_packets_received,
    /// Publishers' packets that never came.
    packets_lost,
    /// Sequence numbers asked for by subscribers.
    nacks_received,
    /// Sequence numbers asked of publishers.
    nacks_sent,
    /// Requests that could not be answered from the history.
    nacks_unanswered,
    /// Keyframe requests from subscribers.
    keyframe_requests_received,
    /// Keyframe requests from subscribers that came too soon after their last ones.
    keyframe_requests_rate_limited,
    /// Keyframe requests to publishers.
    keyframe_requests_sent,
    /// Transport-wide feedback packets from subscribers.
    transport_feedback_received,
    /// Transport-wide feedback packets to publishers.
    transport_feedback_sent,
    /// RTCP packets that could not be parsed.
    rtcp_malformed,
    /// Payloads that the codec's parser could not read; they are forwarded all the same.
    payloads_unreadable,
    /// RTP packets of streams that nothing names.
    packets_unbound,
    /// RTP packets of publishers above their bitrate.
    packets_over_bitrate,
    /// RTP packets not sent to a subscriber since its path's MTU is too small for them.
    packets_over_mtu,
    /// RTP packets that had been received before.
    packets_duplicate,
    /// Packets dropped since a subscriber's backlog grew too old.
    packets_dropped_backlog,
    /// Packets that the transport refused to seal: a number used before, or an address that has
    /// proved nothing and got three times what came from it.
    packets_refused_seal,
    /// Datagrams from nobody known.
    datagrams_unknown_path,
    /// Binding requests for an unknown username.
    stun_unknown_ufrag,
    /// Binding requests from a path that another transport is using.
    stun_path_in_use,
    /// Binding requests of strangers that were answered.
    stun_unauthenticated_answered,
    /// Datagrams that a transport dropped: bad integrity, replayed, malformed.
    datagrams_dropped,
    /// ICE sessions that got a validated path.
    ice_connected,
    /// ICE sessions that failed or fell silent.
    ice_failed,
    /// DTLS handshakes that ended with a verified peer.
    dtls_connected,
    /// DTLS handshakes that failed.
    dtls_failed,
    /// Switches of encoding.
    layer_switches,
    /// Rooms dropped because their code panicked.
    rooms_broken,
    /// Events dropped since nobody took them.
    events_dropped,
    /// Rooms that live.
    rooms,
    /// Transports that live.
    transports,
    /// Publications that live.
    publications,
    /// Subscriptions that live.
    subscriptions,
    /// Names, paths and username fragments that lead to something that lives.
    routes,
    /// Timers that are set, those of owners that are gone included until they ring.
    timers,
}

impl Counters {
    /// Note how long packets stood here.
    #[inline]
    pub fn note_latency(&mut self, micros: u64, packets: u64) {
        let bucket = LATENCY_BOUNDS_US.iter().position(|bound| micros <= *bound);
        self.forward_latency_us[bucket.unwrap_or(LATENCY_BOUNDS_US.len())] += packets;
        self.forward_latency_sum_us += micros * packets;
    }
}
