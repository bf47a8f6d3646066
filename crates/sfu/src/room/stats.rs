//! Statistics of a room, with the names of webrtc-stats.

use rtc::inbound::unbound::UnboundSsrc;
use serde_json::{Value, json};
use slab::Slab;
use wire::id::Rid;
use wire::time::Time;

use super::{PeerConnection, Room};
use crate::egress::subscription::Subscription;
use crate::ingress::encoding::Encoding;
use crate::ingress::publication::Publication;

impl Room {
    /// Describe every transport, publication and subscription.
    pub(super) fn stats(&mut self, now: Time) -> Value {
        let transports: Vec<Value> = self.peers.iter().map(|(_, peer)| transport(peer)).collect();
        let publications: Vec<Value> = self
            .publications
            .iter_mut()
            .map(|(_, track)| publication(track, now))
            .collect();
        let subscriptions: Vec<Value> = self
            .subscriptions
            .iter()
            .map(|(_, subscriber)| subscription(subscriber, &self.publications))
            .collect();
        json!({
            "transports": transports,
            "publications": publications,
            "subscriptions": subscriptions,
        })
    }
}

fn transport(peer: &PeerConnection) -> Value {
    let path = peer.egress.transport.send_path();
    json!({
        "transport": peer.id,
        "connected": peer.connected,
        "srtp_profile": peer.egress.transport.srtp_profile().map(|profile| profile.name()),
        "local": path.map(|path| path.local.to_string()),
        "remote": path.map(|path| path.remote.to_string()),
        "rtt_ms": peer.rtt.map(|rtt| rtt.as_secs_f64() * 1e3),
        "budget_bps": peer.budget_bps,
        "datagrams_dropped": peer.egress.transport.drops().total(),
        "ssrcs_unbound": peer.binder.unbound().iter().map(unbound).collect::<Vec<_>>(),
    })
}

fn unbound(unbound: &UnboundSsrc) -> Value {
    json!({
        "ssrc": unbound.ssrc.0,
        "payload_type": unbound.payload_type.0,
        "packets": unbound.packets,
        "reason": unbound.reason.code(),
    })
}

fn publication(track: &mut Publication, now: Time) -> Value {
    let encodings: Vec<Value> = track
        .encodings
        .iter_mut()
        .map(|stream| encoding(stream, now))
        .collect();
    json!({
        "publication": track.id,
        "codec": track.codec.name(),
        "muted": track.muted,
        "encodings": encodings,
    })
}

fn encoding(stream: &mut Encoding, now: Time) -> Value {
    let nack = stream.nack.counters();
    json!({
        "rid": stream.rid.as_ref().map(Rid::as_str),
        "ssrc": stream.stats.as_ref().map(|stats| stats.ssrc().0),
        "active": stream.active,
        "bitrate_bps": stream.meter.bps(now),
        "packets_received": stream.counters.packets,
        "bytes_received": stream.counters.bytes,
        "packets_lost": nack.given_up,
        "packets_recovered": stream.counters.recovered,
        "jitter_ms": stream.stats.as_ref().map(|stats| stats.jitter().as_secs_f64() * 1e3),
        "frames_received": stream.counters.frames,
        "key_frames_received": stream.counters.keyframes,
        "nack_count": nack.requested,
        "pli_count": stream.counters.keyframe_requests,
        "history_bytes": stream.history.memory_bytes(),
    })
}

fn subscription(subscriber: &Subscription, publications: &Slab<Publication>) -> Value {
    let publication = &publications[subscriber.publication];
    let rid = subscriber
        .current
        .and_then(|nth| publication.encodings[nth].rid);
    json!({
        "subscription": subscriber.id,
        "publication": publication.id,
        "ssrc": subscriber.ssrc.0,
        "rid": rid.map(|rid| rid.to_string()),
        "sending": subscriber.current.is_some(),
        "packets_sent": subscriber.counters.packets_sent,
        "bytes_sent": subscriber.counters.bytes_sent,
        "retransmitted_packets": subscriber.counters.retransmitted_packets,
        "nack_count": subscriber.counters.nacks,
        "pli_count": subscriber.counters.keyframe_requests,
        "pli_rate_limited": subscriber.counters.keyframe_requests_rate_limited,
        "fraction_lost": f64::from(subscriber.counters.fraction_lost) / 256.0,
        "rtt_ms": subscriber.reports.rtt().map(|rtt| rtt.as_secs_f64() * 1e3),
        "switches": subscriber.counters.switches,
        "last_reason": subscriber.last_reason,
    })
}
