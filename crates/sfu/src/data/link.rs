//! The data channels of one transport: its association, and what waits for its peer.

use std::rc::Rc;

use rtc::dtls::Role;
use rtc::pace::QUANTUM;
use rtc::sctp::{Association, AssociationEvent, ChannelId, CloseReason};
use rustc_hash::FxHashMap;
use wire::time::Time;

use super::backlog::{Backlog, DataMessage, SLOW_READER_TIMEOUT};
use super::labels::MESSAGES;
use super::limit::SendLimit;
use super::pacing::Pacing;
use crate::deadline::Deadline;
use crate::keys::SubscriberKey;
use crate::message::DataParameters;

/// Most channels that a peer opens on one transport.
const MAX_OPENED: usize = 32;
/// Bytes given to SCTP ahead: what it holds cannot be dropped any more.
const AHEAD_BYTES: usize = 64 * 1024;
/// Most bytes on their way: SCTP keeps them until they are acknowledged.
const IN_FLIGHT_BYTES: usize = 1024 * 1024;

/// The data channels of one transport.
#[derive(Debug)]
pub struct Link {
    /// Whose it is, and what it may do.
    pub parameters: DataParameters,
    /// What media its peer gets.
    pub subscriber: SubscriberKey,
    /// Labels of the channels that its peer has opened.
    opened: FxHashMap<ChannelId, Rc<str>>,
    /// What waits for its peer.
    pub backlog: Backlog,
    /// A message of its peer that all receivers are too full for, and its label.
    pub held: Option<(Rc<str>, DataMessage)>,
    /// How much its peer may have delivered.
    pub limit: SendLimit,
    /// Its bitrate beside media.
    pub pacing: Pacing,
    /// When its association, or anything else of it, is due.
    pub timer: Deadline,
    /// It waits for the next round of sending.
    pub is_ready: bool,
    association: Option<Box<Association>>,
}

impl Link {
    /// Make a link without an association.
    pub fn new(now: Time, subscriber: SubscriberKey, parameters: DataParameters) -> Self {
        let mut backlog = Backlog::default();
        backlog.longest_message = parameters.max_message_bytes;
        Self {
            parameters,
            subscriber,
            pacing: Pacing::new(now),
            opened: FxHashMap::default(),
            backlog,
            held: None,
            limit: SendLimit::new(now),
            timer: Deadline::default(),
            is_ready: false,
            association: None,
        }
    }

    /// Change whose it is, or what it may do.
    pub fn update(&mut self, parameters: DataParameters) {
        self.backlog.longest_message = parameters.max_message_bytes;
        self.parameters = parameters;
    }

    /// Return whether there is an association.
    pub fn has_association(&self) -> bool {
        self.association.is_some()
    }

    /// Handle a packet of the peer, whose first one makes the association.
    pub fn receive(&mut self, now: Time, role: Role, packet: &[u8]) {
        self.associate(now, role).receive(now, packet);
    }

    /// Do what is due in the association.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Some(association) = &mut self.association {
            association.handle_timeout(now);
        }
    }

    /// Return the next event; messages as far as the peer may send them.
    pub fn next_event(&mut self, now: Time) -> Option<AssociationEvent> {
        let association = self.association.as_mut()?;
        loop {
            if let Some(event) = association.poll_event() {
                return Some(event);
            }
            if self.held.is_some() || !self.limit.allows(now) || !association.poll_message() {
                return None;
            }
        }
    }

    /// Return when something of it is due.
    pub fn poll_timeout(&self, now: Time) -> Option<Time> {
        let association = self.association.as_ref();
        let held_back = self.held.is_none() && association.is_some_and(|it| it.has_messages());
        let timers = [
            association.and_then(|it| it.poll_timeout()),
            held_back.then(|| self.limit.next(now)),
            self.backlog.deadline(),
            association
                .filter(|it| it.has_packets())
                .map(|_| now + QUANTUM),
        ];
        timers.into_iter().flatten().min()
    }

    /// Return the next packet for the peer.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.association.as_mut()?.poll_transmit()
    }

    /// Return the label of a channel.
    pub fn label(&mut self, id: ChannelId) -> Option<Rc<str>> {
        let outgoing = self.backlog.by_id(id).map(|it| it.label.clone());
        outgoing.or_else(|| self.opened.get(&id).cloned())
    }

    /// Return whether the peer has a channel for messages of the control plane.
    pub fn has_messages_channel(&self) -> bool {
        self.opened.values().any(|label| **label == *MESSAGES)
    }

    /// Return whether the peer may open another channel.
    pub fn may_open(&self) -> bool {
        self.opened.len() < MAX_OPENED
    }

    /// Note a channel that the peer has opened: what goes to it under that label takes it.
    pub fn add_opened(&mut self, id: ChannelId, label: &Rc<str>) {
        self.opened.insert(id, label.clone());
        let place = self
            .backlog
            .channels()
            .iter()
            .position(|it| it.label == *label);
        if let Some(channel) = place.and_then(|place| self.backlog.at(place)) {
            channel.is_declined = false;
            channel.id = channel.id.or(Some(id));
        }
    }

    /// Close a channel of the association.
    pub fn close(&mut self, now: Time, id: ChannelId) {
        if let Some(association) = &mut self.association {
            association.close(now, id, CloseReason::Closed);
        }
    }

    /// Note a closed channel; return its label where the peer had opened it, and how many messages
    /// are dropped that waited for it.
    pub fn on_closed(&mut self, id: ChannelId, reason: CloseReason) -> (Option<Rc<str>>, u64) {
        let place = self
            .backlog
            .channels()
            .iter()
            .position(|it| it.id == Some(id));
        let mut dropped = 0;
        if let Some(place) = place {
            dropped = self.backlog.clear(place);
            if let Some(channel) = self.backlog.at(place) {
                channel.id = None;
                channel.failed = None;
                channel.is_declined = reason == CloseReason::ClosedByPeer;
            }
        }
        self.backlog.remove_ended();
        (self.opened.remove(&id), dropped)
    }

    /// Drop the association, which has ended; return the labels of all channels that the peer had
    /// opened, and how many messages are dropped. Another one begins with a packet of the peer.
    pub fn on_ended(&mut self) -> (Vec<Rc<str>>, u64) {
        self.association = None;
        self.parameters.negotiated = false;
        let mut dropped = 0;
        for place in 0..self.backlog.channels().len() {
            dropped += self.backlog.clear(place);
            if let Some(channel) = self.backlog.at(place) {
                channel.id = None;
                channel.failed = None;
                channel.is_declined = false;
            }
        }
        self.backlog.remove_ended();
        (self.take_opened(), dropped)
    }

    /// Take the labels of all channels that the peer has opened.
    pub fn take_opened(&mut self) -> Vec<Rc<str>> {
        self.opened.drain().map(|(_, label)| label).collect()
    }

    /// Pass on to the association what it takes now; return the bytes of each message.
    pub fn feed(&mut self, now: Time, role: Role, mut sent: impl FnMut(usize)) {
        if !self.parameters.negotiated || self.backlog.channels().is_empty() {
            return;
        }
        self.associate(now, role);
        self.open_channels(now);
        let Some(association) = &mut self.association else {
            return;
        };
        if association.has_packets() || association.unacknowledged_bytes() > IN_FLIGHT_BYTES {
            return;
        }
        let ids = self.backlog.channels().iter().filter_map(|it| it.id);
        let mut ahead: usize = ids.map(|id| association.buffered_bytes(id)).sum();
        let mut goes_on = true;
        while std::mem::take(&mut goes_on) {
            for place in 0..self.backlog.channels().len() {
                let channel = &self.backlog.channels()[place];
                let Some((message, id)) = channel.next().zip(channel.id) else {
                    continue;
                };
                let len = message.payload.len();
                if ahead > 0 && ahead + len > AHEAD_BYTES {
                    continue;
                }
                let result = association.send(now, id, message.is_text, &message.payload);
                if result.is_ok() {
                    sent(len);
                }
                self.backlog.pop(place);
                ahead += len;
                goes_on = true;
            }
        }
        self.close_ended(now);
    }

    /// Close the channels that have been full for too long, or that have delivered what they had
    /// before they failed; return their labels and reasons, and how many messages are dropped.
    pub fn close_failed(&mut self, now: Time) -> (Vec<(Rc<str>, &'static str)>, u64) {
        self.backlog.fail_blocked(now);
        let (mut closed, mut dropped) = (Vec::new(), 0);
        for place in 0..self.backlog.channels().len() {
            let channel = &self.backlog.channels()[place];
            let Some((since, reason)) = channel.failed else {
                continue;
            };
            if !channel.is_empty() && now < since + SLOW_READER_TIMEOUT {
                continue;
            }
            closed.push((channel.label.clone(), reason));
            dropped += self.backlog.clear(place);
            let channel = self.backlog.at(place);
            let id = channel.and_then(|channel| {
                channel.failed = None;
                channel.id.take()
            });
            if let (Some(id), Some(association)) = (id, &mut self.association) {
                association.close(now, id, CloseReason::Closed);
            }
        }
        (closed, dropped)
    }

    fn associate(&mut self, now: Time, role: Role) -> &mut Association {
        self.parameters.negotiated = true;
        self.association.get_or_insert_with(|| {
            let mut association = Association::new(now, role);
            association.connect(now);
            Box::new(association)
        })
    }

    /// Open the channels that are not open yet.
    fn open_channels(&mut self, now: Time) {
        let Some(association) = &mut self.association else {
            return;
        };
        for place in 0..self.backlog.channels().len() {
            let Some(channel) = self.backlog.at(place) else {
                continue;
            };
            if channel.id.is_some() || channel.is_declined || channel.is_ending {
                continue;
            }
            let own = self
                .opened
                .iter()
                .find(|(_, label)| **label == channel.label);
            channel.id = match own {
                Some((id, _)) => Some(*id),
                None => association.open(now, (*channel.parameters).clone()),
            };
        }
    }

    /// Close the channels whose label has ended, once all is sent.
    fn close_ended(&mut self, now: Time) {
        let Some(association) = &mut self.association else {
            return;
        };
        for place in 0..self.backlog.channels().len() {
            let Some(channel) = self.backlog.at(place).filter(|it| it.is_ending) else {
                continue;
            };
            if channel.is_empty()
                && let Some(id) = channel.id
                && association.buffered_bytes(id) == 0
            {
                channel.id = None;
                association.close(now, id, CloseReason::Closed);
            }
        }
        self.backlog.remove_ended();
    }
}
