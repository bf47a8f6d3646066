//! Bandwidth probes of a subscriber: when they begin, their rounds and their payload.
//!
//! The payload is padding on a retransmission stream (RFC 4588, RFC 3550 section 5.1): it carries
//! transport-wide numbers as all packets and leaves no gap in the media, since a receiver drops a
//! retransmission without payload. It bypasses pacer and limits of repair.

use super::Egress;
use super::control::SendControl;
use super::forward::{Outgoing, Round, send};
use super::service::Service;
use super::sink::Output;
use super::subscription::Subscription;
use crate::bwe::control::Bandwidth;
use crate::context::{Context, Timer};
use crate::keys::{SubscriberKey, SubscriptionKey};

/// Most padding of a packet: its last byte counts it, and libwebrtc sends no more either.
const PADDING_LEN: usize = 224;
/// Packets of one round at most: a late round does not become a burst.
const MAX_PACKETS: usize = 12;

impl Egress {
    /// Start a probe where one is due and a subscription can carry it.
    pub fn start_probe(&mut self, context: &mut Context<'_>, key: SubscriberKey) {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        if subscriber.control.is_probing || !subscriber.connected {
            return;
        }
        let estimator = subscriber.budget.estimator.as_mut();
        let Some(gcc) = estimator.and_then(Bandwidth::gcc) else {
            return;
        };
        if !gcc.may_probe(context.now) {
            return;
        }
        let subscriptions = &self.subscriptions;
        let mut carriers = subscriber.subscriptions.iter();
        if !carriers.any(|key| subscriptions.get(*key).is_some_and(can_probe)) {
            gcc.poll_trial(context.now);
        } else if gcc.poll_probe(context.now, &mut subscriber.control.ledger) {
            subscriber.control.is_probing = true;
            self.schedule_probe(context, key);
        }
    }

    /// Set the timer of the next round of a probe, or start the next one where it is due at once.
    pub(super) fn schedule_probe(&mut self, context: &mut Context<'_>, key: SubscriberKey) {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        if !subscriber.control.is_probing {
            return self.start_probe(context, key);
        }
        let budget = &mut subscriber.budget;
        let gcc = budget.estimator.as_mut().and_then(Bandwidth::gcc);
        if let Some(at) = gcc.and_then(|gcc| gcc.next_probe_round())
            && !budget.probe.is_set()
        {
            budget.probe.set(at);
            context.set_timer(at, Timer::Probe(key));
        }
    }

    /// Send the next round of a probe, at the instant that its timer is set to.
    pub fn resume_probe(&mut self, context: &Context<'_>, key: SubscriberKey) {
        let subscriber = self.subscribers.get_mut(key);
        if subscriber.is_some_and(|it| it.budget.probe.expired(context.now)) {
            self.queue_subscriber(key);
        }
    }
}

impl Service<'_> {
    /// Send a round of the probe behind the media of this round, which is part of it; `before` is
    /// what the ledger had before the round.
    pub fn serve_probe(
        &mut self,
        before: (u64, u64),
        output: &mut impl Output,
        round: &mut Round<'_>,
    ) {
        let (packets_before, bytes_before) = before;
        let estimator = self.budget.estimator.as_mut();
        let Some(gcc) = estimator.and_then(Bandwidth::gcc) else {
            self.control.is_probing = false;
            return;
        };
        let media_bytes = self.control.ledger.sent_bytes() - bytes_before;
        let missing = (gcc.probe_bytes(round.now) as u64).saturating_sub(media_bytes);
        if missing > 0 {
            let subscriptions = &mut *self.subscriptions;
            let carries = |key: &&SubscriptionKey| subscriptions.get(**key).is_some_and(can_probe);
            let carrier = self.carriers.iter().find(carries).copied();
            if let Some(carrier) = carrier.and_then(|key| subscriptions.get_mut(key)) {
                send_padding(carrier, self.control, missing, output, round);
            }
        }
        let (packets, bytes) = self.control.ledger.sent_total();
        let packets = (packets - packets_before) as u32;
        let ledger = &mut self.control.ledger;
        gcc.probe_sent(round.now, ledger, packets, bytes - bytes_before);
        self.control.is_probing = gcc.is_probing();
    }
}

/// Return whether a subscription can carry probes.
fn can_probe(subscription: &Subscription) -> bool {
    let repair = subscription.repair.as_ref();
    repair.is_some_and(|it| it.stream.is_some() && it.template.has_transport_sequence())
}

/// Send padding until the ledger has `bytes` more.
fn send_padding(
    subscription: &mut Subscription,
    control: &mut SendControl,
    bytes: u64,
    output: &mut impl Output,
    round: &mut Round<'_>,
) {
    let end = control.ledger.sent_bytes() + bytes;
    let timestamp = subscription.numbers.timeline.last();
    let Some(repair) = subscription.repair.as_mut() else {
        return;
    };
    for _ in 0..MAX_PACKETS {
        if control.ledger.sent_bytes() >= end {
            return;
        }
        let packet = Outgoing::bare(repair.next_index, timestamp, &[], PADDING_LEN);
        repair.next_index += 1;
        let stream = &mut repair.stream;
        let Some(sent) = send(&repair.template, stream, &packet, control, output, round) else {
            return;
        };
        // Padding of probes is counted apart from that of runs.
        round.counters.padding_bytes_sent -= PADDING_LEN as u64;
        round.counters.probe_packets_sent += 1;
        round.counters.probe_bytes_sent += sent as u64;
    }
}
