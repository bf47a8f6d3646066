//! Rounds of sending: which encodings have something new, and every subscriber of them in turn.

use rtc::outbound::history::{History, Slot};
use rtc::outbound::sequence::Origin;
use rtc::pace::{DrainRate, Load, QUANTUM};
use rtc::path::PathId;
use slab::Slab;

use super::{Peer, Room};
use crate::context::{Context, Timer};
use crate::forward::{Leg, Progress, Round, forward, resend, resend_inserted};
use crate::publication::Publication;
use crate::subscription::Subscription;

/// Retransmissions that may wait for one peer; a receiver that asks for more has lost too much.
pub(super) const MOST_RESENDS: usize = 512;
/// What a packet that waits is taken for when the backlog is estimated.
const TYPICAL_PACKET_BYTES: u64 = 1200;

impl Room {
    /// Something new stands in the history of an encoding: decide when it leaves.
    ///
    /// A send call costs more than the packets in it. So the first packet opens a window for the
    /// whole room, and what arrives in it, of all its streams, leaves together: each subscriber is
    /// served once, with runs as long as they can be.
    pub(super) fn note_arrival(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        if context.window.is_zero() {
            return self.make_ready(publication, encoding);
        }
        let of = &mut self.publications[publication].encodings[encoding];
        if !of.ready {
            of.ready = true;
            self.waiting.push((publication, encoding));
        }
        if !self.window.is_set() {
            let at = context.now + context.window;
            self.window.set(at);
            context.set_timer(at, Timer::Window);
        }
    }

    pub(super) fn end_window(&mut self, context: &Context<'_>) {
        if self.window.rings(context.now) && !self.waiting.is_empty() {
            self.ready.append(&mut self.waiting);
            self.want_round();
        }
    }

    pub(super) fn resume_paced(&mut self, context: &Context<'_>, key: usize) {
        let peer = self.peers.get_mut(key);
        if peer.is_some_and(|peer| peer.pace.rings(context.now)) {
            self.touch(key);
        }
    }

    pub(super) fn make_ready(&mut self, publication: usize, encoding: usize) {
        let of = &mut self.publications[publication].encodings[encoding];
        if !of.ready {
            of.ready = true;
            self.ready.push((publication, encoding));
            self.want_round();
        }
    }

    /// Let a peer have its turn in the next round.
    pub(super) fn touch(&mut self, peer: usize) {
        let Some(of) = self.peers.get_mut(peer) else {
            return;
        };
        if !of.touched {
            of.touched = true;
            self.touched.push_back(peer);
            self.want_round();
        }
    }

    /// Send what is ready until the outbox holds `most_bytes`; say whether all of it is done.
    pub fn flush(&mut self, context: &mut Context<'_>, most_bytes: usize) -> bool {
        #[cfg(feature = "fault-injection")]
        self.break_at(super::Fault::Flush);
        while let Some((publication, encoding)) = self.ready.pop() {
            self.queue_subscribers(context, publication, encoding);
        }
        let mut ahead = 0;
        while context.out.len_bytes() < most_bytes {
            if ahead == 0 {
                ahead = self.prefetch_touched();
            }
            let Some(peer) = self.touched.pop_front() else {
                self.marked = false;
                return true;
            };
            self.serve(context, peer);
            ahead -= 1;
        }
        false
    }

    /// Note at every subscriber's peer that this stream has something to send.
    fn queue_subscribers(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        let Some(of) = self.encoding_mut(publication, encoding) else {
            return;
        };
        of.ready = false;
        let subscribers = std::mem::take(&mut of.subscribers);
        self.prefetch_subscriptions(&subscribers);
        for key in &subscribers {
            self.switch_if_possible(context, *key, encoding);
            self.queue(*key, encoding);
        }
        // A switch changes the lists of other encodings only: here it stays on the list.
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
        if !peer.touched {
            peer.touched = true;
            self.touched.push_back(subscription.peer);
        }
    }

    /// Send what waits for one peer: sound first, then what was lost, then pictures.
    fn serve(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.touched = false;
        let Some(path) = peer.sending_path() else {
            return self.skip_pending(key);
        };
        let queued_packets =
            queued_video(peer, &self.subscriptions, &self.publications) + peer.resends.len() as u64;
        let load = Load {
            media_bps: peer.media_bps,
            queued_bytes: (queued_packets * TYPICAL_PACKET_BYTES) as usize,
        };
        peer.leg.pacer.open(context.now, &DrainRate, load);
        let mut round = Round {
            now: context.now,
            abs_send_time: context.wall.ntp(context.now).abs_send_time(),
            pad: context.config.pad,
            out: context.out,
            counters: context.counters,
        };
        self.serve_audio(key, path, &mut round);
        self.serve_resends(key, path, &mut round);
        self.serve_video(key, path, &mut round);
        self.set_pace(context, key);
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

    /// A run may end in a shorter packet: the longest first make the fewest runs.
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
                let leg = &mut self.peers[peer].leg;
                forward(subscription, &encoding.history, leg, path, pad_to, round)
            }
            None => Progress::Done,
        };
        subscription.queued = progress == Progress::Paced;
        progress
    }

    /// Send again what was asked for, as far as the pacer allows.
    fn serve_resends(&mut self, key: usize, path: PathId, round: &mut Round<'_>) {
        while let Some(wanted) = self.peers[key].resends.pop_front() {
            let peer = &mut self.peers[key];
            if !peer.leg.pacer.may_send() {
                peer.resends.push_front(wanted);
                return;
            }
            let Some(subscription) = self.subscriptions.get_mut(wanted.subscription) else {
                continue;
            };
            let publication = &self.publications[subscription.publication];
            let leg = &mut peer.leg;
            let sent = serve_resend(subscription, publication, wanted.origin, leg, path, round);
            round.counters.nacks_unanswered += u64::from(sent.is_none());
        }
    }

    /// What the pacer holds back goes on after a quantum.
    fn set_pace(&mut self, context: &mut Context<'_>, key: usize) {
        let peer = &mut self.peers[key];
        if peer.pending_video.is_empty() && peer.resends.is_empty() {
            return peer.leg.pacer.drained();
        }
        if peer.pace.is_set() {
            return;
        }
        let at = context.now + QUANTUM;
        peer.pace.set(at);
        context.set_timer(at, Timer::Pace(key));
    }

    /// A peer that cannot be sent to yet starts later with what is new then.
    fn skip_pending(&mut self, key: usize) {
        let peer = &mut self.peers[key];
        peer.resends.clear();
        for subscription in peer
            .pending_audio
            .drain(..)
            .chain(peer.pending_video.drain(..))
        {
            if let Some(of) = self.subscriptions.get_mut(subscription) {
                of.queued = false;
            }
        }
    }
}

/// Send one packet again, where it is still kept and not too much was asked for.
fn serve_resend(
    subscription: &mut Subscription,
    publication: &Publication,
    wanted: Origin,
    leg: &mut Leg,
    path: PathId,
    round: &mut Round<'_>,
) -> Option<usize> {
    let Origin::Source {
        source,
        index,
        placed,
    } = wanted
    else {
        return resend_inserted(subscription, wanted.placed(), leg, path, round);
    };
    let (history, slot) = find(publication, source, index)?;
    let current = subscription.current.map(|nth| &publication.encodings[nth]);
    let media_bps = current.map_or(0, |encoding| encoding.paced_bps);
    let allowance = &mut subscription.repair.as_mut()?.allowance;
    match allowance.take(round.now, media_bps, slot.payload_len()) {
        true => resend(subscription, history, slot, placed, leg, path, round),
        false => None,
    }
}

/// Find a packet of a run of incoming numbers, if it is still kept.
fn find(publication: &Publication, source: u16, index: u64) -> Option<(&History, &Slot)> {
    let history = &publication.of_source(source)?.history;
    Some((history, history.slot(history.find(index)?)?))
}

/// Count the video packets that wait for a peer.
fn queued_video(
    peer: &Peer,
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
    let spoken = |key: &usize| {
        let slot = next_slot(*key, subscriptions, publications)?;
        (!slot.described.dtx).then(|| slot.payload_len())
    };
    pending.iter().filter_map(spoken).max().unwrap_or(0)
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
