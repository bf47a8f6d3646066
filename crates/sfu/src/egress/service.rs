//! One subscriber being served: what waits for it, and where that is.

use rtc::outbound::history::Slot;

use super::Subscriptions;
use super::control::{Budget, SendControl};
use super::subscriber::Pending;
use super::subscription::Subscription;
use crate::ingress::Ingress;
use crate::ingress::encoding::Encoding;
use crate::keys::{EncodingKey, SubscriptionKey};

/// A stream and the length of its next payload.
pub type NextLen = (usize, SubscriptionKey);

/// One subscriber being served.
pub struct Service<'a> {
    /// What waits for it.
    pub pending: &'a mut Pending,
    /// What it may be sent now.
    pub control: &'a mut SendControl,
    /// What its transport carries.
    pub budget: &'a mut Budget,
    /// All its subscriptions.
    pub carriers: &'a [SubscriptionKey],
    /// Bitrate of the encodings that its subscriptions send, bit/s.
    pub media_bps: u64,
    /// The subscriptions of the room.
    pub subscriptions: &'a mut Subscriptions,
    /// What has arrived.
    pub ingress: &'a Ingress,
    /// Memory for sorting.
    pub lens: &'a mut Vec<NextLen>,
}

impl Service<'_> {
    /// Sort the audio that waits, the longest packet first; return the longest payload of speech,
    /// to which the others are padded.
    pub fn order_audio(&mut self) -> usize {
        if self.pending.audio.len() < 2 {
            return 0;
        }
        let mut longest = 0;
        self.lens.clear();
        for key in &self.pending.audio {
            let next = self.next_slot(*key);
            let len = next.map_or(0, |(_, slot)| slot.payload_len());
            if next.is_some_and(|(_, slot)| !slot.described.dtx) {
                longest = longest.max(len);
            }
            self.lens.push((len, *key));
        }
        longest_first(self.lens, &mut self.pending.audio);
        longest
    }

    /// Sort the video that waits, the longest packet first; return how many packets wait.
    pub fn order_video(&mut self) -> u64 {
        if self.pending.video.is_empty() {
            return 0;
        }
        let mut waiting = 0;
        self.lens.clear();
        for key in &self.pending.video {
            let next = self.next_slot(*key);
            waiting += next.map_or(0, |(waiting, _)| waiting);
            let len = next.map_or(0, |(_, slot)| slot.payload_len());
            self.lens.push((len, *key));
        }
        longest_first(self.lens, &mut self.pending.video);
        waiting
    }

    /// Return how many packets of a stream wait, and the first of them.
    #[inline]
    fn next_slot(&self, key: SubscriptionKey) -> Option<(u64, &Slot)> {
        let subscription = self.subscriptions.get(key)?;
        let history = &sent_encoding(self.ingress, subscription)?.history;
        let cursor = subscription.position.cursor;
        let slot = history.slot(cursor)?;
        Some((history.end().saturating_sub(cursor), slot))
    }
}

/// Sort by length: a run may end in a shorter packet, so longest first makes the fewest runs.
fn longest_first(lens: &mut [NextLen], pending: &mut [SubscriptionKey]) {
    if lens.len() < 2 {
        return;
    }
    lens.sort_unstable_by_key(|(len, _)| std::cmp::Reverse(*len));
    for (place, (_, key)) in pending.iter_mut().zip(lens) {
        *place = *key;
    }
}

/// Return the encoding that a subscription sends.
#[inline]
pub fn sent_encoding<'a>(
    ingress: &'a Ingress,
    subscription: &Subscription,
) -> Option<&'a Encoding> {
    ingress.encoding(EncodingKey {
        publication: subscription.publication,
        encoding: subscription.position.current?,
    })
}
