//! Rounds of sending: the encodings with new packets, and their subscribers one by one.

use rtc::pace::{Load, QUANTUM};

use super::Egress;
use super::forward::{Progress, Round, forward};
use super::service::{Service, sent_encoding};
use super::sink::{Drain, Output, Plain, Sealed, Transports};
use super::subscriber::Subscriber;
use crate::context::{Context, Timer};
use crate::ingress::Ingress;
use crate::keys::{EncodingKey, SubscriberKey, SubscriptionKey};

/// Assumed length of a queued packet in the estimate of the backlog.
const TYPICAL_PACKET_BYTES: u64 = 1200;

impl Egress {
    /// Send queued packets until the outbox holds `most_bytes`; return whether all are sent.
    pub fn flush(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        transports: &mut impl Transports,
        most_bytes: usize,
    ) -> bool {
        while let Some(key) = self.schedule.ready.pop() {
            self.queue_subscribers(context, ingress, key);
        }
        let mut ahead = 0;
        while context.out.len_bytes() < most_bytes {
            if ahead == 0 {
                ahead = self.prefetch_queued(transports);
            }
            let Some(key) = self.schedule.queue.pop_front() else {
                self.schedule.end_round();
                return true;
            };
            self.serve(context, ingress, transports, key);
            ahead -= 1;
        }
        false
    }

    /// Queue the subscriptions of an encoding at their subscribers.
    fn queue_subscribers(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: EncodingKey,
    ) {
        let Some(subscribers) = self.subscribers_of_mut(key) else {
            return;
        };
        subscribers.ready = false;
        let keys = std::mem::take(&mut subscribers.keys);
        self.prefetch_subscriptions(&keys);
        for subscription in &keys {
            self.switch_if_possible(context, ingress, *subscription, key);
            self.queue(*subscription, key.encoding);
        }
        // A switch changes the lists of other encodings only.
        if let Some(subscribers) = self.subscribers_of_mut(key) {
            subscribers.keys = keys;
        }
    }

    fn queue(&mut self, key: SubscriptionKey, encoding: usize) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        if subscription.position.current != Some(encoding) || subscription.queued {
            return;
        }
        let Some(subscriber) = self.subscribers.get_mut(subscription.subscriber) else {
            return;
        };
        subscription.queued = true;
        match subscription.audio {
            true => subscriber.pending.audio.push(key),
            false => subscriber.pending.video.push(key),
        }
        if !subscriber.queued {
            subscriber.queued = true;
            self.schedule.queue.push_back(subscription.subscriber);
        }
    }

    /// Send the packets of one subscriber: audio, then retransmissions, then video.
    fn serve(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        transports: &mut impl Transports,
        key: SubscriberKey,
    ) {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        subscriber.queued = false;
        let is_probing = subscriber.control.is_probing;
        let mut service = Service {
            pending: &mut subscriber.pending,
            control: &mut subscriber.control,
            budget: &mut subscriber.budget,
            carriers: &subscriber.subscriptions,
            media_bps: subscriber.media_bps,
            subscriptions: &mut self.subscriptions,
            ingress,
            lens: &mut self.lens,
        };
        let mut round = Round {
            now: context.now,
            abs_send_time: context.wall.ntp(context.now).abs_send_time(),
            pad: context.config.pad,
            max_rtp_len: 0,
            counters: context.counters,
        };
        match &mut subscriber.drain {
            Drain::Transport(transport) => match transports.sending(*transport) {
                Some((transport, path)) if subscriber.connected => {
                    let out = &mut *context.out;
                    let mut output = Sealed {
                        transport,
                        path,
                        out,
                    };
                    service.run(&mut output, &mut round);
                }
                _ => return service.skip(),
            },
            Drain::Sink(sink) => {
                let mut output = Plain {
                    now: context.now,
                    sink: &mut **sink,
                    buffer: &mut self.buffer,
                };
                service.run(&mut output, &mut round);
            }
        }
        schedule_paced(context, subscriber, key);
        if is_probing {
            self.schedule_probe(context, key);
        }
    }
}

/// Resume after a quantum where the pacer holds packets back, else when a copy is due.
fn schedule_paced(context: &mut Context<'_>, subscriber: &mut Subscriber, key: SubscriberKey) {
    let pending = &subscriber.pending;
    let is_paced = !pending.video.is_empty() || !pending.resends.is_empty();
    if !is_paced {
        subscriber.control.drained();
    }
    let quantum = context.now + QUANTUM;
    let at = match (is_paced, pending.copies.due()) {
        (true, _) => quantum,
        (false, Some(due)) => due.max(quantum),
        (false, None) => return,
    };
    if !subscriber.pace.is_set_by(at) {
        subscriber.pace.set(at);
        context.set_timer(at, Timer::Pace(key));
    }
}

impl Service<'_> {
    /// Send what waits, as far as the pacer allows.
    fn run(&mut self, output: &mut impl Output, round: &mut Round<'_>) {
        let queued_packets = self.order_video() + self.pending.resends.len() as u64;
        let pad_to = self.order_audio();
        let load = Load {
            media_bps: self.media_bps,
            queued_bytes: (queued_packets * TYPICAL_PACKET_BYTES) as usize,
        };
        self.control.open(round.now, load);
        let before = self.control.ledger.sent_total();
        round.max_rtp_len = output.max_rtp_len();
        self.serve_audio(pad_to, output, round);
        self.serve_resends(output, round);
        self.serve_video(output, round);
        if self.control.is_probing {
            self.serve_probe(before, output, round);
        }
    }

    fn serve_audio(&mut self, pad_to: usize, output: &mut impl Output, round: &mut Round<'_>) {
        let mut pending = std::mem::take(&mut self.pending.audio);
        for key in pending.drain(..) {
            self.serve_stream(key, pad_to, output, round);
        }
        self.pending.audio = pending;
    }

    fn serve_video(&mut self, output: &mut impl Output, round: &mut Round<'_>) {
        let mut pending = std::mem::take(&mut self.pending.video);
        pending.retain(|key| self.serve_stream(*key, 0, output, round) == Progress::Paced);
        self.pending.video = pending;
    }

    #[inline]
    fn serve_stream(
        &mut self,
        key: SubscriptionKey,
        pad_to: usize,
        output: &mut impl Output,
        round: &mut Round<'_>,
    ) -> Progress {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return Progress::Done;
        };
        let progress = match sent_encoding(self.ingress, subscription) {
            Some(encoding) => forward(subscription, encoding, self.control, output, pad_to, round),
            None => Progress::Done,
        };
        subscription.queued = progress == Progress::Paced;
        progress
    }

    /// Drop what waits for a subscriber without a path; it resumes with later packets.
    fn skip(&mut self) {
        self.pending.resends.clear();
        self.pending.copies.retain(|_| false);
        let audio = self.pending.audio.drain(..);
        for key in audio.chain(self.pending.video.drain(..)) {
            if let Some(subscription) = self.subscriptions.get_mut(key) {
                subscription.queued = false;
            }
        }
    }
}
