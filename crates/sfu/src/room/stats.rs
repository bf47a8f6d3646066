//! Statistics of a room, with the names of webrtc-stats.

use rtc::inbound::report::InboundStats;
use rtc::inbound::unbound::UnboundSsrc;
use serde_json::{Value, json};
use wire::id::Rid;
use wire::time::Time;

use super::Room;
use super::connection::Connection;
use crate::bwe::control::Bandwidth;
use crate::egress::subscription::Subscription;
use crate::ingress::encoding::Encoding;
use crate::ingress::layer_rates::{LayerRates, Measured};
use crate::ingress::publication::Publication;

impl Room {
    /// Describe every transport, publication and subscription.
    pub(super) fn stats(&mut self, now: Time) -> Value {
        let connections = self.connections.iter();
        let transports: Vec<Value> = connections.map(|(_, it)| self.transport(it, now)).collect();
        let levels = self.ingress.audio_levels();
        let publications = self.ingress.publications.iter_mut();
        let publications: Vec<Value> = publications
            .map(|(_, track)| {
                let level = levels.iter().find(|level| level.publication == track.id);
                publication(track, now, level.map(|level| level.level_dbov))
            })
            .collect();
        let subscriptions = self.egress.subscriptions.iter();
        let subscriptions: Vec<Value> = subscriptions
            .filter_map(|(_, it)| {
                let publication = self.ingress.publications.get(it.publication)?;
                Some(subscription(it, publication))
            })
            .collect();
        json!({
            "transports": transports,
            "publications": publications,
            "subscriptions": subscriptions,
        })
    }

    fn transport(&self, connection: &Connection, now: Time) -> Value {
        let transport = &connection.transport;
        let path = transport.send_path();
        let publisher = self.ingress.publishers.get(connection.publisher);
        let unbound_ssrcs = publisher.map_or(&[][..], |it| it.binder.unbound());
        let subscriber = self.egress.subscribers.get(connection.subscriber);
        let estimator = subscriber.and_then(|it| it.budget.estimator.as_ref());
        let rtt = connection.round_trip.last;
        json!({
            "transport": connection.id,
            "connected": connection.connected,
            "srtp_profile": transport.srtp_profile().map(|profile| profile.name()),
            "local": path.map(|path| path.local.to_string()),
            "remote": path.map(|path| path.remote.to_string()),
            "rtt_ms": rtt.map(|rtt| rtt.as_secs_f64() * 1e3),
            "bwe": estimator.map(Bandwidth::name),
            "estimate_bps": estimator.and_then(Bandwidth::estimate_bps),
            "acknowledged_bps": estimator.and_then(Bandwidth::acknowledged_bps),
            "remb_bps": estimator.and_then(|it| it.remb_bps(now)),
            "budget_bps": subscriber.and_then(|subscriber| subscriber.budget.bps),
            "datagrams_dropped": transport.drops().total(),
            "ssrcs_unbound": unbound_ssrcs.iter().map(unbound).collect::<Vec<_>>(),
        })
    }
}

fn unbound(unbound: &UnboundSsrc) -> Value {
    json!({
        "ssrc": unbound.ssrc.0,
        "payload_type": unbound.payload_type.0,
        "packets": unbound.packets,
        "reason": unbound.reason.code(),
    })
}

fn publication(track: &mut Publication, now: Time, level_dbov: Option<i8>) -> Value {
    let encodings: Vec<Value> = track
        .encodings
        .iter_mut()
        .map(|stream| encoding(stream, now))
        .collect();
    json!({
        "publication": track.id,
        "codec": track.codec.name(),
        "muted": track.muted,
        "audio_level_dbov": level_dbov,
        "red": track.negotiated.red.is_some(),
        "encodings": encodings,
    })
}

fn encoding(encoding: &mut Encoding, now: Time) -> Value {
    let stream = &encoding.stream;
    let nack = stream.nack.counters();
    let jitter = stream.stats.as_ref().map(InboundStats::jitter);
    let bitrate_bps = encoding.rates.meter.bps(now);
    json!({
        "rid": encoding.rid.as_ref().map(Rid::as_str),
        "ssrc": stream.ssrc().map(|ssrc| ssrc.0),
        "active": encoding.active,
        "bitrate_bps": bitrate_bps,
        "layers": layers(&encoding.rates.layers, bitrate_bps),
        "wire_bps": encoding.rates.wire.bps(),
        "frame_width": encoding.frame_size.map(|(width, _)| width),
        "frame_height": encoding.frame_size.map(|(_, height)| height),
        "packets_received": encoding.counters.packets,
        "bytes_received": encoding.counters.bytes,
        "packets_lost": nack.given_up,
        "packets_recovered": encoding.counters.recovered,
        "jitter_ms": jitter.map(|jitter| jitter.as_secs_f64() * 1e3),
        "frames_received": encoding.counters.frames,
        "key_frames_received": encoding.counters.keyframes,
        "nack_count": nack.requested,
        "pli_count": encoding.counters.keyframe_requests,
        "history_bytes": encoding.history.memory_bytes(),
    })
}

/// List the layers of an encoding, each with those below that it needs.
fn layers(rates: &LayerRates, encoding_bps: u64) -> Vec<Value> {
    let layer = |it: &Measured| {
        json!({
            "spatial": it.layer.spatial,
            "temporal": it.layer.temporal,
            "active": it.is_active,
            "bitrate_bps": rates.bps(it, encoding_bps),
        })
    };
    rates.list().iter().map(layer).collect()
}

fn subscription(subscription: &Subscription, publication: &Publication) -> Value {
    let current = subscription.position.current;
    let rid = current.and_then(|nth| publication.encodings[nth].rid);
    let counters = &subscription.counters;
    let rtt = subscription.reports.sender.rtt();
    json!({
        "subscription": subscription.id,
        "publication": publication.id,
        "ssrc": subscription.stream.ssrc.0,
        "rid": rid.map(|rid| rid.to_string()),
        "sending": current.is_some(),
        "paused": subscription.selection.is_paused,
        "red": subscription.stream.red_block.is_some(),
        "packets_sent": counters.packets_sent,
        "bytes_sent": counters.bytes_sent,
        "retransmitted_packets": counters.retransmitted_packets,
        "nack_count": counters.nacks,
        "pli_count": counters.keyframe_requests,
        "pli_rate_limited": counters.keyframe_requests_rate_limited,
        "fraction_lost": f64::from(counters.fraction_lost) / 256.0,
        "rtt_ms": rtt.map(|rtt| rtt.as_secs_f64() * 1e3),
        "switches": counters.switches,
        "last_reason": subscription.selection.last_reason,
    })
}
