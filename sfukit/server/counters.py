"""Counters of the engine, summed over its workers."""

import msgspec

# Upper bounds of the buckets of ``forward_latency_us``; the last bucket is +Inf.
LATENCY_BOUNDS_S = (250e-6, 500e-6, 1e-3, 2e-3, 3e-3, 5e-3, 10e-3, 20e-3, 40e-3, 100e-3)


class ServerCounters(msgspec.Struct):
    """Counts since the start of the engine, and its current numbers of objects."""

    packets_received: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0
    audio_packets_received: int = 0
    audio_packets_sent: int = 0
    padding_bytes_sent: int = 0
    probe_packets_sent: int = 0
    probe_bytes_sent: int = 0
    retransmitted_packets_sent: int = 0
    retransmitted_packets_received: int = 0
    packets_lost: int = 0
    audio_packets_recovered: int = 0
    nacks_received: int = 0
    nacks_sent: int = 0
    nacks_unanswered: int = 0
    keyframe_requests_received: int = 0
    keyframe_requests_rate_limited: int = 0
    keyframe_requests_sent: int = 0
    transport_feedback_received: int = 0
    transport_feedback_sent: int = 0
    rtcp_malformed: int = 0
    payloads_unreadable: int = 0
    packets_unbound: int = 0
    packets_over_bitrate: int = 0
    packets_over_mtu: int = 0
    packets_duplicate: int = 0
    packets_dropped_backlog: int = 0
    packets_refused_seal: int = 0
    datagrams_unknown_path: int = 0
    stun_unknown_ufrag: int = 0
    stun_path_in_use: int = 0
    stun_unauthenticated_answered: int = 0
    datagrams_dropped: int = 0
    ice_connected: int = 0
    ice_failed: int = 0
    dtls_connected: int = 0
    dtls_failed: int = 0
    data_messages_received: int = 0
    data_bytes_received: int = 0
    data_messages_sent: int = 0
    data_bytes_sent: int = 0
    data_messages_dropped: int = 0
    data_messages_refused: int = 0
    data_channels_refused: int = 0
    data_packets_refused: int = 0
    layer_switches: int = 0
    rooms_broken: int = 0
    events_dropped: int = 0
    rooms: int = 0
    transports: int = 0
    publications: int = 0
    subscriptions: int = 0
    data_associations: int = 0
    forward_latency_us: list[int] = []
    forward_latency_sum_us: int = 0
    worker_cpu_ns: int = 0
    socket_drops: int = 0
    send_calls: int = 0
    messages_sent: int = 0
    datagrams_sent: int = 0
    send_blocked: int = 0
    send_failed: int = 0

    @property
    def dropped(self) -> dict[str, int]:
        """Dropped datagrams and packets by reason."""
        return {
            "socket_full": self.socket_drops,
            "unknown_path": self.datagrams_unknown_path,
            "unknown_ufrag": self.stun_unknown_ufrag,
            "path_in_use": self.stun_path_in_use,
            "not_authentic": self.datagrams_dropped,
            "unbound": self.packets_unbound,
            "over_bitrate": self.packets_over_bitrate,
            "over_mtu": self.packets_over_mtu,
            "duplicate": self.packets_duplicate,
            "backlog": self.packets_dropped_backlog,
            "seal_refused": self.packets_refused_seal,
            "rtcp_malformed": self.rtcp_malformed,
            "no_data_channels": self.data_packets_refused,
            "send_failed": self.send_failed,
        }
