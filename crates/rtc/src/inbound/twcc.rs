//! Transport-wide feedback to a publisher (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use core::time::Duration;
use std::collections::VecDeque;
use wire::id::{SequenceExtender, Ssrc};
use wire::rtcp::TwccBuilder;
use wire::time::Time;

/// Interval of feedback packets.
const INTERVAL: Duration = Duration::from_millis(100);
/// Arrivals kept for the next feedback; this many make it due at once.
const MAX_ARRIVALS: usize = 1024;
/// A larger gap is a restart of the numbers and is not reported as loss.
const MAX_GAP: u64 = 4_000;

#[derive(Clone, Copy, Debug)]
struct Arrived {
    index: u64,
    at: Time,
}

/// Arrivals of one transport that are not reported yet.
#[derive(Clone, Debug, Default)]
pub struct TwccReceiver {
    extender: SequenceExtender,
    /// Ordered by index.
    arrivals: VecDeque<Arrived>,
    /// First index not covered by a feedback.
    unreported: Option<u64>,
    due: Option<Time>,
    feedback_count: u8,
    builder: TwccBuilder,
    dropped: u64,
}

impl TwccReceiver {
    /// Create a receiver without arrivals.
    pub fn new() -> TwccReceiver {
        TwccReceiver::default()
    }

    /// Record the arrival of a packet of any stream, by its transport-wide sequence number.
    #[inline]
    pub fn received(&mut self, sequence: u16, now: Time) {
        let index = self.extender.extend(sequence);
        // A number before the first cycle has no index.
        if Some(index) > self.extender.highest() {
            self.dropped += 1;
            return;
        }
        self.unreported.get_or_insert(index);
        self.make_room();
        self.insert(Arrived { index, at: now });
        self.due.get_or_insert(now + INTERVAL);
        if self.arrivals.len() == MAX_ARRIVALS {
            self.due = Some(now);
        }
    }

    /// Return when feedback is due: 100 ms after its first arrival, or at once with 1024 arrivals.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.due
    }

    /// Append one feedback packet of at most 1000 bytes to `out`; call until false.
    ///
    /// A packet that arrives after it was reported as lost gets a feedback of its own.
    pub fn build_feedback(&mut self, out: &mut Vec<u8>, sender: Ssrc, media: Ssrc) -> bool {
        let Some(&first) = self.arrivals.front() else {
            self.due = None;
            return false;
        };
        let late = self.unreported.is_some_and(|next| first.index < next);
        self.builder.start(self.base(first) as u16, first.at);
        let mut end = first.index;
        while let Some(&arrived) = self.arrivals.front() {
            let gap = arrived.index > end;
            if late && gap || !self.builder.push(arrived.index as u16, arrived.at) {
                break;
            }
            end = arrived.index + 1;
            self.arrivals.pop_front();
        }
        self.unreported = self.unreported.max(Some(end));
        self.builder.write(out, sender, media, self.feedback_count);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        true
    }

    /// Return the number of arrivals that were never reported.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Return the base sequence number: next after the last feedback, so that losses in between are
    /// reported.
    fn base(&self, first: Arrived) -> u64 {
        match self.unreported {
            Some(next) if next <= first.index && first.index - next <= MAX_GAP => next,
            _ => first.index,
        }
    }

    fn make_room(&mut self) {
        if self.arrivals.len() == MAX_ARRIVALS {
            self.arrivals.pop_front();
            self.dropped += 1;
        }
    }

    fn insert(&mut self, arrived: Arrived) {
        let newest = self.arrivals.back().map(|last| last.index);
        if newest.is_none_or(|newest| newest < arrived.index) {
            self.arrivals.push_back(arrived);
            return;
        }
        let place = self
            .arrivals
            .binary_search_by_key(&arrived.index, |known| known.index);
        if let Err(at) = place {
            self.arrivals.insert(at, arrived);
        }
    }
}
