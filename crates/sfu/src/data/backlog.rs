//! What waits for one receiver: at most 1 MiB, by channel.
//!
//! SCTP cannot drop its oldest message, so little is given to it ahead. A lossy channel drops its
//! oldest message here. A reliable one that overflows takes no more: it is sent to the end of what
//! it had, or for [`SLOW_READER_TIMEOUT`], and then closed, so that a message is never left out in
//! its middle. Before that its sender is held back, where no other receiver could take more.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use rtc::sctp::{ChannelId, ChannelParameters, CloseReason, MAX_MESSAGE_BYTES, Reliability};
use wire::time::Time;

use crate::reasons;

/// Most bytes that wait for a receiver.
pub const BACKLOG_BYTES: usize = 1024 * 1024;
/// A receiver with so much waiting takes no more for the time being, if the sender can wait.
const FULL_BYTES: usize = BACKLOG_BYTES / 2;
/// How long a reliable channel may stay full.
pub const SLOW_READER_TIMEOUT: Duration = Duration::from_secs(5);
/// What a message counts beside its payload.
const MESSAGE_OVERHEAD: usize = 64;

/// A message on its way to receivers, which share it.
#[derive(Debug)]
pub struct DataMessage {
    /// Text, else binary.
    pub is_text: bool,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl DataMessage {
    fn cost(&self) -> usize {
        self.payload.len() + MESSAGE_OVERHEAD
    }
}

/// A channel to a receiver.
#[derive(Debug)]
pub struct Outgoing {
    /// Its label.
    pub label: Rc<str>,
    /// What it is opened with.
    pub parameters: Rc<ChannelParameters>,
    /// Its stream, once it is opened.
    pub id: Option<ChannelId>,
    /// The receiver has closed it and gets no more on it.
    pub is_declined: bool,
    /// It is closed when the receiver has what waits.
    pub is_ending: bool,
    /// It has to be closed, since a message did not fit, or is too large for the receiver.
    pub failed: Option<(Time, &'static str)>,
    /// A sender waits for it since then, and none of its messages has left.
    blocked: Option<Time>,
    queue: VecDeque<Rc<DataMessage>>,
}

impl Outgoing {
    fn new(label: Rc<str>, parameters: Rc<ChannelParameters>) -> Self {
        Self {
            label,
            parameters,
            id: None,
            is_declined: false,
            is_ending: false,
            failed: None,
            blocked: None,
            queue: VecDeque::new(),
        }
    }

    /// Return the next message.
    pub fn next(&self) -> Option<&Rc<DataMessage>> {
        self.queue.front()
    }

    /// Return whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn is_lossy(&self) -> bool {
        self.parameters.reliability != Reliability::Reliable
    }
}

/// What waits for one receiver.
#[derive(Debug)]
pub struct Backlog {
    channels: Vec<Outgoing>,
    bytes: usize,
    /// Longest message that the receiver takes, bytes.
    pub longest_message: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            bytes: 0,
            longest_message: MAX_MESSAGE_BYTES,
        }
    }
}

impl Backlog {
    /// Return the channel of a label, which is added where it is new.
    pub fn channel(&mut self, label: &Rc<str>, parameters: &Rc<ChannelParameters>) -> usize {
        let found = self.channels.iter().position(|it| it.label == *label);
        found.unwrap_or_else(|| {
            let channel = Outgoing::new(label.clone(), parameters.clone());
            self.channels.push(channel);
            self.channels.len() - 1
        })
    }

    /// List the channels.
    pub fn channels(&self) -> &[Outgoing] {
        &self.channels
    }

    /// Return the channel of this place, to change.
    pub fn at(&mut self, place: usize) -> Option<&mut Outgoing> {
        self.channels.get_mut(place)
    }

    /// Return the channel with this stream.
    pub fn by_id(&mut self, id: ChannelId) -> Option<&mut Outgoing> {
        self.channels.iter_mut().find(|it| it.id == Some(id))
    }

    /// Queue a message on a channel; return how many messages were dropped for it, or itself.
    pub fn push(&mut self, now: Time, place: usize, message: &Rc<DataMessage>) -> u64 {
        let Some(channel) = self.channels.get_mut(place) else {
            return 1;
        };
        if channel.is_declined || channel.failed.is_some() {
            return 1;
        }
        let (is_lossy, cost, mut dropped) = (channel.is_lossy(), message.cost(), 0);
        if message.payload.len() > self.longest_message {
            if !is_lossy {
                channel.failed = Some((now, CloseReason::MessageTooLarge.code()));
            }
            return 1;
        }
        while is_lossy && self.bytes + cost > BACKLOG_BYTES {
            let Some(oldest) = channel.queue.pop_front() else {
                return dropped + 1;
            };
            self.bytes -= oldest.cost();
            dropped += 1;
        }
        if self.bytes + cost > BACKLOG_BYTES {
            channel.failed = Some((now, reasons::SLOW_READER));
            return 1;
        }
        self.bytes += cost;
        channel.queue.push_back(message.clone());
        dropped
    }

    /// Return whether a channel should get no more for the time being; one that is to be closed,
    /// or is closed, gets none and is no reason to wait.
    pub fn is_full(&self, label: &str) -> bool {
        let channel = self.channels.iter().find(|it| *it.label == *label);
        let takes_more = |it: &Outgoing| it.failed.is_none() && !it.is_declined;
        self.bytes > FULL_BYTES && channel.is_some_and(takes_more)
    }

    /// Note that a sender waits for a channel.
    pub fn block(&mut self, now: Time, label: &str) {
        if let Some(channel) = self.channels.iter_mut().find(|it| *it.label == *label) {
            channel.blocked.get_or_insert(now);
        }
    }

    /// Let the channels fail that a sender has waited for too long.
    pub fn fail_blocked(&mut self, now: Time) {
        for channel in &mut self.channels {
            let is_late = |since: &mut Time| now >= *since + SLOW_READER_TIMEOUT;
            if let Some(since) = channel.blocked.take_if(is_late) {
                channel.failed.get_or_insert((since, reasons::SLOW_READER));
            }
        }
    }

    /// Remove the next message of a channel, which was sent.
    pub fn pop(&mut self, place: usize) {
        let channel = self.channels.get_mut(place);
        if let Some(channel) = channel
            && let Some(message) = channel.queue.pop_front()
        {
            channel.blocked = None;
            self.bytes -= message.cost();
        }
    }

    /// Drop all messages of a channel; return how many.
    pub fn clear(&mut self, place: usize) -> u64 {
        let mut dropped = 0;
        while self.channels.get(place).is_some_and(|it| !it.is_empty()) {
            self.pop(place);
            dropped += 1;
        }
        dropped
    }

    /// Remove the channels of which nothing is left.
    pub fn remove_ended(&mut self) {
        self.channels
            .retain(|it| !(it.is_ending && it.id.is_none() && it.is_empty()));
    }

    /// Return when the first channel has been full for too long.
    pub fn deadline(&self) -> Option<Time> {
        let channels = self.channels.iter();
        let since = channels.filter_map(|it| it.failed.map(|(since, _)| since).or(it.blocked));
        since.min().map(|since| since + SLOW_READER_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(9);

    fn message(len: usize, first: u8) -> Rc<DataMessage> {
        let mut payload = vec![0; len];
        payload[0] = first;
        Rc::new(DataMessage {
            is_text: false,
            payload,
        })
    }

    fn backlog(reliability: Reliability) -> Backlog {
        let mut backlog = Backlog::default();
        let parameters = ChannelParameters {
            reliability,
            ..ChannelParameters::default()
        };
        backlog.channel(&"label".into(), &Rc::new(parameters));
        backlog
    }

    #[test]
    fn a_lossy_channel_drops_its_oldest() {
        let mut backlog = backlog(Reliability::Retransmits(0));
        let dropped: u64 = (0..20)
            .map(|nth| backlog.push(NOW, 0, &message(100_000, nth)))
            .sum();
        assert_eq!(dropped, 10);
        assert!(backlog.bytes <= BACKLOG_BYTES);
        assert_eq!(backlog.at(0).unwrap().next().unwrap().payload[0], 10);
        assert_eq!(backlog.deadline(), None);
    }

    #[test]
    fn a_reliable_channel_keeps_what_it_has_and_takes_no_more() {
        let mut backlog = backlog(Reliability::Reliable);
        let dropped: u64 = (0..20)
            .map(|nth| backlog.push(NOW, 0, &message(100_000, nth)))
            .sum();
        assert_eq!(dropped, 10);
        assert_eq!(backlog.deadline(), Some(NOW + SLOW_READER_TIMEOUT));
        backlog.pop(0);
        // Room again, but a message is missing already.
        assert_eq!(backlog.push(NOW, 0, &message(1, 99)), 1);
        assert_eq!(backlog.clear(0), 9);
        assert_eq!(backlog.bytes, 0);
    }

    #[test]
    fn a_message_that_the_receiver_does_not_take_ends_a_reliable_channel_only() {
        for reliability in [Reliability::Reliable, Reliability::Retransmits(0)] {
            let mut backlog = backlog(reliability);
            backlog.longest_message = 1_000;
            assert_eq!(backlog.push(NOW, 0, &message(1_001, 0)), 1);
            let is_reliable = reliability == Reliability::Reliable;
            let failed = backlog.at(0).unwrap().failed;
            assert_eq!(failed, is_reliable.then_some((NOW, "message_too_large")));
            let dropped = backlog.push(NOW, 0, &message(1_000, 0));
            assert_eq!(dropped, u64::from(is_reliable));
        }
    }

    #[test]
    fn small_messages_are_bounded_too() {
        let mut backlog = backlog(Reliability::Retransmits(0));
        let dropped: u64 = (0..100_000)
            .map(|_| backlog.push(NOW, 0, &message(1, 0)))
            .sum();
        assert_eq!(
            100_000 - dropped,
            (BACKLOG_BYTES / (1 + MESSAGE_OVERHEAD)) as u64
        );
    }

    #[test]
    fn a_message_that_never_fits_leaves_the_others() {
        let mut backlog = backlog(Reliability::Reliable);
        let lossy = ChannelParameters {
            reliability: Reliability::Retransmits(0),
            ..ChannelParameters::default()
        };
        let place = backlog.channel(&"lossy".into(), &Rc::new(lossy));
        (0..10).for_each(|nth| assert_eq!(backlog.push(NOW, 0, &message(100_000, nth)), 0));
        assert_eq!(backlog.push(NOW, place, &message(100_000, 0)), 1);
        assert_eq!(backlog.push(NOW, place, &message(10, 0)), 0);
    }
}
