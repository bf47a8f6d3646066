//! Retransmissions: what subscribers request by NACK, and its sending.

use std::time::Duration;

use rtc::outbound::history::{History, Slot};
use rtc::outbound::sequence::Origin;
use wire::id::Ssrc;
use wire::rtcp::NackSequences;

use super::Egress;
use super::control::SendControl;
use super::copies::Resend;
use super::forward::{Round, resend, resend_inserted};
use super::repair::Resent;
use super::service::{Service, sent_encoding};
use super::sink::Output;
use super::subscription::Subscription;
use crate::context::Context;
use crate::ingress::Ingress;
use crate::keys::SubscriberKey;

/// Retransmissions that may wait for one subscriber; one that requests more has lost too much.
const MAX_RESENDS: usize = 512;
/// What was lost in a burst is sent once: the burst is over by then, and so many copies would queue.
const MOST_COPIED: usize = 3;
/// A packet is not resent more often than this, whatever the round trip.
const SHORTEST_RESEND: Duration = Duration::from_millis(10);
// Else a queued packet could be requested, and sent, a second time.
const _: () = assert!(MAX_RESENDS <= Resent::REMEMBERED);

impl Egress {
    /// Process a NACK: queue the packets that are still in a history.
    ///
    /// Packets that the publisher's stream lacks as well need no answer: they are requested from
    /// the publisher and forwarded to every subscriber in their place when they arrive.
    pub fn on_nack(
        &mut self,
        context: &mut Context<'_>,
        key: SubscriberKey,
        media: Ssrc,
        sequences: NackSequences<'_>,
        rtt: Option<Duration>,
    ) {
        let Some(subscription_key) = self.subscription_by_ssrc(key, media) else {
            return;
        };
        let (Some(subscriber), Some(subscription)) = (
            self.subscribers.get_mut(key),
            self.subscriptions.get_mut(subscription_key),
        ) else {
            return;
        };
        // Under a bandwidth limit lost packets of the previous encoding are not retransmitted: they
        // would take bandwidth from the present one, which started with a keyframe.
        let is_limited = subscriber.budget.allocator.is_limited();
        // A receiver repeats its NACK after its own estimate of the RTT, which differs from ours:
        // if the second were refused by a millisecond, the third would come a round trip later.
        let spacing = (rtt.unwrap_or_default() * 3 / 4).max(SHORTEST_RESEND);
        for sequence in sequences {
            context.counters.nacks_received += 1;
            subscription.counters.nacks += 1;
            let last_source = subscription.numbers.last_source.filter(|_| is_limited);
            let is_needed = |origin: &Origin| match origin {
                Origin::Source { source, .. } => last_source.is_none_or(|last| last == *source),
                Origin::Inserted(_) => true,
            };
            let origin = subscription.numbers.map.origin(sequence).filter(is_needed);
            let (Some(repair), Some(origin)) = (subscription.repair.as_mut(), origin) else {
                context.counters.nacks_unanswered += 1;
                continue;
            };
            let resends = &mut subscriber.pending.resends;
            let index = origin.placed().index;
            if resends.len() < MAX_RESENDS && repair.resent.allows(context.now, index, spacing) {
                resends.push_back(Resend {
                    subscription: subscription_key,
                    origin,
                });
            }
        }
        self.queue_subscriber(key);
    }
}

impl Service<'_> {
    /// Send retransmissions and their copies, as far as the pacer allows.
    pub fn serve_resends(&mut self, output: &mut impl Output, round: &mut Round<'_>) {
        let is_burst = self.pending.resends.len() > MOST_COPIED;
        while let Some(request) = self.pending.resends.pop_front() {
            if !self.control.may_send() {
                self.pending.resends.push_front(request);
                return;
            }
            match self.serve_resend(&request, output, round) {
                true if is_burst => {}
                true => self.pending.copies.plan(round.now, request),
                false => round.counters.nacks_unanswered += 1,
            }
        }
        while self.control.may_send()
            && let Some(copy) = self.pending.copies.take_due(round.now)
        {
            self.serve_resend(&copy, output, round);
        }
    }

    /// Send one retransmission; return whether it could be.
    fn serve_resend(
        &mut self,
        request: &Resend,
        output: &mut impl Output,
        round: &mut Round<'_>,
    ) -> bool {
        let subscription = self.subscriptions.get_mut(request.subscription);
        // A paused video resumes with a keyframe; until then its packets would take bandwidth from
        // what is sent.
        let Some(subscription) = subscription.filter(|it| !it.selection.is_paused) else {
            return false;
        };
        let (ingress, control) = (self.ingress, &mut *self.control);
        let sent = serve_resend(
            subscription,
            ingress,
            request.origin,
            control,
            output,
            round,
        );
        if let Some(bytes) = sent {
            self.control.resent(round.now, bytes);
        }
        sent.is_some()
    }
}

/// Send one retransmission, where the packet is still stored and the limit allows it.
fn serve_resend(
    subscription: &mut Subscription,
    ingress: &Ingress,
    origin: Origin,
    control: &mut SendControl,
    output: &mut impl Output,
    round: &mut Round<'_>,
) -> Option<usize> {
    let Origin::Source {
        source,
        index,
        placed,
    } = origin
    else {
        return resend_inserted(subscription, origin.placed(), control, output, round);
    };
    let publication = ingress.publications.get(subscription.publication)?;
    let history = &publication.encoding_by_source(source)?.history;
    let slot = find(history, index)?;
    let current = sent_encoding(ingress, subscription);
    let media_bps = current.map_or(0, |encoding| encoding.rates.paced_bps);
    let allowance = &mut subscription.repair.as_mut()?.allowance;
    match allowance.take(round.now, media_bps, slot.payload_len()) {
        true => resend(subscription, history, slot, placed, control, output, round),
        false => None,
    }
}

/// Return a packet of a stream, if it is still stored.
fn find(history: &History, index: u64) -> Option<&Slot> {
    history.slot(history.find(index)?)
}
