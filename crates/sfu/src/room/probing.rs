//! Bandwidth probes of a subscriber: when they begin, and their rounds.

use rtc::path::PathId;

use super::Room;
use crate::context::{Context, Timer};
use crate::egress::forward::Round;
use crate::egress::probe::{can_probe, send_padding};

impl Room {
    /// Start a probe where one is due and a subscription can carry it.
    pub(super) fn start_probe(&mut self, context: &mut Context<'_>, key: usize) {
        let peer = &mut self.peers[key];
        if peer.egress.is_probing || peer.sending_path().is_none() {
            return;
        }
        let Some(gcc) = peer.bandwidth.as_mut().and_then(|it| it.gcc()) else {
            return;
        };
        let subscriptions = &self.subscriptions;
        let carries = |key: &usize| can_probe(&subscriptions[*key]);
        if peer.subscriptions.iter().any(carries)
            && gcc.poll_probe(context.now, &mut peer.egress.transport_wide)
        {
            peer.egress.is_probing = true;
            self.schedule_probe(context, key);
        }
    }

    /// Send a round of the probe behind the media that was sent since `before`, which is part of it.
    pub(super) fn serve_probe(
        &mut self,
        key: usize,
        path: PathId,
        before: (u64, u64),
        round: &mut Round<'_>,
    ) {
        let peer = &mut self.peers[key];
        let Some(gcc) = peer.bandwidth.as_mut().and_then(|it| it.gcc()) else {
            peer.egress.is_probing = false;
            return;
        };
        let (packets_before, bytes_before) = before;
        let media_bytes = peer.egress.transport_wide.sent_bytes() - bytes_before;
        let missing = (gcc.probe_bytes(round.now) as u64).saturating_sub(media_bytes);
        let subscriptions = &mut self.subscriptions;
        let carrier = (peer.subscriptions.iter()).find(|key| can_probe(&subscriptions[**key]));
        if let Some(carrier) = carrier.filter(|_| missing > 0) {
            let subscription = &mut subscriptions[*carrier];
            send_padding(subscription, &mut peer.egress, path, missing, round);
        }
        let ledger = &mut peer.egress.transport_wide;
        let packets = (ledger.sent_packets() - packets_before) as u32;
        let bytes = ledger.sent_bytes() - bytes_before;
        gcc.probe_sent(round.now, ledger, packets, bytes);
        peer.egress.is_probing = gcc.is_probing();
    }

    /// Set the timer of the next round of a probe, or start the next one at once where it is due.
    pub(super) fn schedule_probe(&mut self, context: &mut Context<'_>, key: usize) {
        if !self.peers[key].egress.is_probing {
            return self.start_probe(context, key);
        }
        let peer = &mut self.peers[key];
        let Some(gcc) = peer.bandwidth.as_mut().and_then(|it| it.gcc()) else {
            return;
        };
        if peer.probe.is_set() {
            return;
        }
        if let Some(at) = gcc.next_probe_round() {
            peer.probe.set(at);
            context.set_timer(at, Timer::Probe(key));
        }
    }

    pub(super) fn resume_probe(&mut self, context: &Context<'_>, key: usize) {
        let peer = self.peers.get_mut(key);
        if peer.is_some_and(|peer| peer.probe.expired(context.now)) {
            self.queue_peer(key);
        }
    }
}
