//! What a room tells of itself on request, in the words of webrtc-stats.

use rtc::inbound::unbound::UnboundSsrc;
use serde_json::{Value, json};
use slab::Slab;
use wire::id::Rid;
use wire::time::Time;

use super::{Peer, Room};
use crate::publication::{Encoding, Publication};
use crate::subscription::Subscription;

impl Room {
    /// Describe every transport, publication and subscription.
    pub(super) fn stats(&mut self, now: Time) -> Value {
        let transports: Vec<Value> = self.peers.iter().map(|(_, peer)| transport(peer)).collect();
        let publications: Vec<Value> = self
            .publications
            .iter_mut()
            .map(|(_, of)| publication(of, now))
            .collect();
        let subscriptions: Vec<Value> = self
            .subscriptions
            .iter()
            .map(|(_, of)| subscription(of, &self.publications))
            .collect();
        json!({
            "transports": transports,
            "publications": publications,
            "subscriptions": subscriptions,
        })
    }
}

fn transport(peer: &Peer) -> Value {
    let path = peer.leg.transport.send_path();
    json!({
        "transport": peer.id,
        "connected": peer.connected,
        "srtp_profile": peer.leg.transport.srtp_profile().map(|profile| profile.name()),
        "local": path.map(|path| path.local.to_string()),
        "remote": path.map(|path| path.remote.to_string()),
        "rtt_ms": peer.rtt.map(|rtt| rtt.as_secs_f64() * 1e3),
        "budget_bps": peer.budget_bps,
        "datagrams_dropped": peer.leg.transport.drops().total(),
        "ssrcs_unbound": peer.binder.unbound().iter().map(unbound).collect::<Vec<_>>(),
    })
}

fn unbound(of: &UnboundSsrc) -> Value {
    json!({
        "ssrc": of.ssrc.0,
        "payload_type": of.payload_type.0,
        "packets": of.packets,
        "reason": of.reason.code(),
    })
}

fn publication(of: &mut Publication, now: Time) -> Value {
    let encodings: Vec<Value> = of
        .encodings
        .iter_mut()
        .map(|of| encoding(of, now))
        .collect();
    json!({
        "publication": of.id,
        "codec": of.codec.name(),
        "muted": of.muted,
        "encodings": encodings,
    })
}

fn encoding(of: &mut Encoding, now: Time) -> Value {
    let nack = of.nack.counters();
    json!({
        "rid": of.rid.as_ref().map(Rid::as_str),
        "ssrc": of.stats.as_ref().map(|stats| stats.ssrc().0),
        "active": of.active,
        "bitrate_bps": of.meter.bps(now),
        "packets_received": of.counters.packets,
        "bytes_received": of.counters.bytes,
        "packets_lost": nack.given_up,
        "packets_recovered": of.counters.recovered,
        "jitter_ms": of.stats.as_ref().map(|stats| stats.jitter().as_secs_f64() * 1e3),
        "frames_received": of.counters.frames,
        "key_frames_received": of.counters.keyframes,
        "nack_count": nack.requested,
        "pli_count": of.counters.keyframe_requests,
        "history_bytes": of.history.memory_bytes(),
    })
}

fn subscription(of: &Subscription, publications: &Slab<Publication>) -> Value {
    let publication = &publications[of.publication];
    let rid = of.current.and_then(|nth| publication.encodings[nth].rid);
    json!({
        "subscription": of.id,
        "publication": publication.id,
        "ssrc": of.ssrc.0,
        "rid": rid.map(|rid| rid.to_string()),
        "sending": of.current.is_some(),
        "packets_sent": of.counters.packets_sent,
        "bytes_sent": of.counters.bytes_sent,
        "retransmitted_packets": of.counters.retransmitted_packets,
        "nack_count": of.counters.nacks,
        "pli_count": of.counters.keyframe_requests,
        "pli_rate_limited": of.counters.keyframe_requests_rate_limited,
        "fraction_lost": f64::from(of.counters.fraction_lost) / 256.0,
        "rtt_ms": of.reports.rtt().map(|rtt| rtt.as_secs_f64() * 1e3),
        "switches": of.counters.switches,
        "last_reason": of.last_reason,
    })
}
