//! Rounds of sending: the encodings with new packets, and their subscribers one by one.

use rtc::outbound::history::{History, Slot};
use rtc::outbound::sequence::Origin;
use rtc::pace::{DrainRate, Load, QUANTUM};
use rtc::path::PathId;
use slab::Slab;

use super::{PeerConnection, Room};
use crate::context::{Context, Timer};
use crate::egress::forward::{
    Progress, Round, SendTransport, forward, max_rtp_len, resend, resend_inserted,
};
use crate::egress::subscription::Subscription;
use crate::ingress::publication::Publication;

/// Retransmissions that may wait for one peer; a receiver that requests more has lost too much.
pub(super) const MAX_RESENDS: usize = 512;
/// Assumed length of a queued packet in the estimate of the backlog.
const TYPICAL_PACKET_BYTES: u64 = 1200;

impl Room {
    /// Queue an encoding with a new packet, or open the batching window (egress batching).
    ///
    /// A send call costs more than the packets in it. So the first packet opens a window for the
    /// whole room, and the packets of all its streams that arrive in it are sent together: each
    /// subscriber is served once, with runs as long as possible.
    pub(super) fn note_arrival(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        if context.window.is_zero() {
            return self.make_ready(publication, encoding);
        }
        let stream = &mut self.publications[publication].encodings[encoding];
        if !stream.ready {
            stream.ready = true;
            self.waiting.push((publication, encoding));
        }
        if !self.window.is_set() {
            let at = context.now + context.window;
            self.window.set(at);
            context.set_timer(at, Timer::Batching);
        }
    }

    pub(super) fn end_batching(&mut self, context: &Context<'_>) {
        if self.window.expired(context.now) && !self.waiting.is_empty() {
            self.ready.append(&mut self.waiting);
            self.request_round();
        }
    }

    pub(super) fn resume_paced(&mut self, context: &Context<'_>, key: usize) {
        let peer = self.peers.get_mut(key);
        if peer.is_some_and(|peer| peer.pace.expired(context.now)) {
            self.queue_peer(key);
        }
    }

    pub(super) fn make_ready(&mut self, publication: usize, encoding: usize) {
        let stream = &mut self.publications[publication].encodings[encoding];
        if !stream.ready {
            stream.ready = true;
            self.ready.push((publication, encoding));
            self.request_round();
        }
    }

    /// Queue a peer connection for the next round.
    pub(super) fn queue_peer(&mut self, peer: usize) {
        let Some(connection) = self.peers.get_mut(peer) else {
            return;
        };
        if !connection.queued {
            connection.queued = true;
            self.queued_peers.push_back(peer);
            self.request_round();
        }
    }

    /// Send queued packets until the outbox holds `most_bytes`; return whether all are sent.
    pub fn flush(&mut self, context: &mut Context<'_>, most_bytes: usize) -> bool {
        #[cfg(feature = "fault-injection")]
        self.panic_if(super::Fault::Flush);
        while let Some((publication, encoding)) = self.ready.pop() {
            self.queue_subscribers(context, publication, encoding);
        }
        let mut ahead = 0;
        while context.out.len_bytes() < most_bytes {
            if ahead == 0 {
                ahead = self.prefetch_queued();
            }
            let Some(peer) = self.queued_peers.pop_front() else {
                self.round_scheduled = false;
                return true;
            };
            self.serve(context, peer);
            ahead -= 1;
        }
        false
    }

    /// Queue the subscriptions of an encoding at their peer connections.
    fn queue_subscribers(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        let Some(stream) = self.encoding_mut(publication, encoding) else {
            return;
        };
        stream.ready = false;
        let subscribers = std::mem::take(&mut stream.subscribers);
        self.prefetch_subscriptions(&subscribers);
        for key in &subscribers {
            self.switch_if_possible(context, *key, encoding);
            self.queue(*key, encoding);
        }
        // A switch changes the lists of other encodings only.
        self.publications[publication].encodings[encoding].subscribers = subscribers;
    }

    fn queue(&mut self, key: usize, encoding: usize) {
        let subscription = &mut self.subscriptions[key];
        if subscription.current != Some(encoding) || subscription.queued {
            return;
        }
        subscription.queued = true;
        let peer = &mut self.peers[subscription.peer];
        match subscription.audio {
            true => peer.pending_audio.push(key),
            false => peer.pending_video.push(key),
        }
        if !peer.queued {
            peer.queued = true;
            self.queued_peers.push_back(subscription.peer);
        }
    }

    /// Send the packets of one peer connection: audio, then retransmissions, then video.
    fn serve(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.queued = false;
        let Some(path) = peer.sending_path() else {
            return self.skip_pending(key);
        };
        let queued_packets =
            queued_video(peer, &self.subscriptions, &self.publications) + peer.resends.len() as u64;
        let load = Load {
            media_bps: peer.media_bps,
            queued_bytes: (queued_packets * TYPICAL_PACKET_BYTES) as usize,
        };
        peer.egress.pacer.open(context.now, &DrainRate, load);
        let mut round = Round {
            now: context.now,
            abs_send_time: context.wall.ntp(context.now).abs_send_time(),
            pad: context.config.pad,
            max_rtp_len: max_rtp_len(&peer.egress.transport, &path),
            out: context.out,
            counters: context.counters,
        };
        self.serve_audio(key, path, &mut round);
        self.serve_resends(key, path, &mut round);
        self.serve_video(key, path, &mut round);
        self.schedule_paced(context, key);
    }

    fn serve_audio(&mut self, key: usize, path: PathId, round: &mut Round<'_>) {
        let mut pending = std::mem::take(&mut self.peers[key].pending_audio);
        let pad_to = match pending.len() {
            0 | 1 => 0,
            _ => longest_audio(&pending, &self.subscriptions, &self.publications),
        };
        self.longest_first(&mut pending);
        for subscription in pending.drain(..) {
            self.serve_stream(key, subscription, path, pad_to, round);
        }
        self.peers[key].pending_audio = pending;
    }

    fn serve_video(&mut self, key: usize, path: PathId, round: &mut Round<'_>) {
        let mut pending = std::mem::take(&mut self.peers[key].pending_video);
        self.longest_first(&mut pending);
        pending.retain(|subscription| {
            self.serve_stream(key, *subscription, path, 0, round) == Progress::Paced
        });
        self.peers[key].pending_video = pending;
    }

    /// Sort by length: a run may end in a shorter packet, so longest first makes the fewest runs.
    fn longest_first(&self, pending: &mut [usize]) {
        pending.sort_unstable_by_key(|key| {
            std::cmp::Reverse(next_len(*key, &self.subscriptions, &self.publications))
        });
    }

    fn serve_stream(
        &mut self,
        peer: usize,
        key: usize,
        path: PathId,
        pad_to: usize,
        round: &mut Round<'_>,
    ) -> Progress {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return Progress::Done;
        };
        let encodings = &self.publications[subscription.publication].encodings;
        let progress = match subscription.current.and_then(|nth| encodings.get(nth)) {
            Some(encoding) => {
                let egress = &mut self.peers[peer].egress;
                forward(subscription, &encoding.history, egress, path, pad_to, round)
            }
            None => Progress::Done,
        };
        subscription.queued = progress == Progress::Paced;
        progress
    }

    /// Send retransmissions, as far as the pacer allows.
    fn serve_resends(&mut self, key: usize, path: PathId, round: &mut Round<'_>) {
        while let Some(request) = self.peers[key].resends.pop_front() {
            let peer = &mut self.peers[key];
            if !peer.egress.pacer.may_send() {
                peer.resends.push_front(request);
                return;
            }
            let Some(subscription) = self.subscriptions.get_mut(request.subscription) else {
                continue;
            };
            let publication = &self.publications[subscription.publication];
            let egress = &mut peer.egress;
            let sent = serve_resend(
                subscription,
                publication,
                request.origin,
                egress,
                path,
                round,
            );
            round.counters.nacks_unanswered += u64::from(sent.is_none());
        }
    }

    /// Resume after a quantum where the pacer holds packets back.
    fn schedule_paced(&mut self, context: &mut Context<'_>, key: usize) {
        let peer = &mut self.peers[key];
        if peer.pending_video.is_empty() && peer.resends.is_empty() {
            return peer.egress.pacer.drained();
        }
        if peer.pace.is_set() {
            return;
        }
        let at = context.now + QUANTUM;
        peer.pace.set(at);
        context.set_timer(at, Timer::Pace(key));
    }

    /// Drop the queue of a peer connection without a path; it resumes with later packets.
    fn skip_pending(&mut self, key: usize) {
        let peer = &mut self.peers[key];
        peer.resends.clear();
        for subscription in peer
            .pending_audio
            .drain(..)
            .chain(peer.pending_video.drain(..))
        {
            if let Some(subscriber) = self.subscriptions.get_mut(subscription) {
                subscriber.queued = false;
            }
        }
    }
}

/// Send one retransmission, where the packet is still stored and the limit allows it.
fn serve_resend(
    subscription: &mut Subscription,
    publication: &Publication,
    origin: Origin,
    egress: &mut SendTransport,
    path: PathId,
    round: &mut Round<'_>,
) -> Option<usize> {
    let Origin::Source {
        source,
        index,
        placed,
    } = origin
    else {
        return resend_inserted(subscription, origin.placed(), egress, path, round);
    };
    let (history, slot) = find(publication, source, index)?;
    let current = subscription.current.map(|nth| &publication.encodings[nth]);
    let media_bps = current.map_or(0, |encoding| encoding.paced_bps);
    let allowance = &mut subscription.repair.as_mut()?.allowance;
    match allowance.take(round.now, media_bps, slot.payload_len()) {
        true => resend(subscription, history, slot, placed, egress, path, round),
        false => None,
    }
}

/// Return a packet of a stream, if it is still stored.
fn find(publication: &Publication, source: u16, index: u64) -> Option<(&History, &Slot)> {
    let history = &publication.encoding_by_source(source)?.history;
    Some((history, history.slot(history.find(index)?)?))
}

/// Count the video packets that wait for a peer.
fn queued_video(
    peer: &PeerConnection,
    subscriptions: &Slab<Subscription>,
    publications: &Slab<Publication>,
) -> u64 {
    let waiting = |key: &usize| {
        let subscription = subscriptions.get(*key)?;
        let encoding = &publications[subscription.publication].encodings[subscription.current?];
        Some(encoding.history.end().saturating_sub(subscription.cursor))
    };
    peer.pending_video.iter().filter_map(waiting).sum()
}

/// Return the longest payload among the audio that waits for a peer.
fn longest_audio(
    pending: &[usize],
    subscriptions: &Slab<Subscription>,
    publications: &Slab<Publication>,
) -> usize {
    let voiced = |key: &usize| {
        let slot = next_slot(*key, subscriptions, publications)?;
        (!slot.described.dtx).then(|| slot.payload_len())
    };
    pending.iter().filter_map(voiced).max().unwrap_or(0)
}

/// Return the payload length of the next packet of a subscription.
fn next_len(
    key: usize,
    subscriptions: &Slab<Subscription>,
    publications: &Slab<Publication>,
) -> usize {
    next_slot(key, subscriptions, publications).map_or(0, Slot::payload_len)
}

fn next_slot<'a>(
    key: usize,
    subscriptions: &Slab<Subscription>,
    publications: &'a Slab<Publication>,
) -> Option<&'a Slot> {
    let subscription = subscriptions.get(key)?;
    let encoding = &publications[subscription.publication].encodings[subscription.current?];
    encoding.history.slot(subscription.cursor)
}
