//! The payload of probes: padding on the retransmission stream (RFC 4588, RFC 3550 section 5.1).
//!
//! It carries transport-wide numbers as all packets, is no media, and closes no gap: a receiver
//! drops a retransmission without payload. It bypasses the limits of repair.

use rtc::codec::Described;
use rtc::outbound::history::ForwardedExtensions;
use rtc::outbound::sequence::Shift;
use rtc::path::PathId;

use super::forward::{Outgoing, Round, SendTransport, send};
use super::subscription::Subscription;

/// Most padding of a packet: the last byte counts it, and receivers expect no more.
const PADDING_LEN: usize = 224;
/// Packets of one round at most: a late round does not become a burst.
const MAX_PACKETS: usize = 12;

/// Return whether a subscription can carry probes.
#[must_use]
pub fn can_probe(subscription: &Subscription) -> bool {
    let repair = subscription.repair.as_ref();
    repair.is_some_and(|it| it.stream.is_some() && it.template.has_transport_sequence())
}

/// Send padding until the ledger has `bytes` more.
pub fn send_padding(
    subscription: &mut Subscription,
    egress: &mut SendTransport,
    path: PathId,
    bytes: u64,
    round: &mut Round<'_>,
) {
    let end = egress.transport_wide.sent_bytes() + bytes;
    let timestamp = subscription.timeline.last();
    for _ in 0..MAX_PACKETS {
        if egress.transport_wide.sent_bytes() >= end {
            return;
        }
        let Some(repair) = subscription.repair.as_mut() else {
            return;
        };
        let packet = Outgoing {
            index: repair.next_index,
            timestamp,
            marker: false,
            carried: ForwardedExtensions::default(),
            described: Described::default(),
            original: None,
            payload: &[],
            padding: PADDING_LEN,
            shift: Shift::default(),
        };
        repair.next_index += 1;
        let Some(stream) = repair.stream.as_mut() else {
            return;
        };
        let Some(sent) = send(&repair.template, stream, &packet, egress, path, round) else {
            return;
        };
        // Padding of probes is counted apart from that of runs.
        round.counters.padding_bytes_sent -= PADDING_LEN as u64;
        round.counters.probe_packets_sent += 1;
        round.counters.probe_bytes_sent += sent as u64;
    }
}
