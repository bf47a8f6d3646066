//! A party that receives media of a room: what waits for it, what it may be sent, where it goes.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;
use wire::time::Time;

use super::control::{Budget, SendControl};
use super::copies::{Copies, Resend};
use super::sink::Drain;
use crate::deadline::Deadline;
use crate::keys::{SubscriptionKey, TransportKey};

/// What waits for a subscriber.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Pending {
    /// Audio subscriptions with packets to send.
    pub audio: Vec<SubscriptionKey>,
    /// Video subscriptions with packets to send.
    pub video: Vec<SubscriptionKey>,
    /// Retransmissions to send.
    pub resends: VecDeque<Resend>,
    /// Retransmissions to send a second time.
    pub copies: Copies,
}

/// A party that receives media of a room.
///
/// The fields that each round of sending uses come first: they have left the cache since the last.
#[repr(C)]
pub struct Subscriber {
    /// Whether it is in the queue of this round.
    pub queued: bool,
    /// Whether packets reach it: its transport is connected.
    pub connected: bool,
    /// Where its packets go.
    pub drain: Drain,
    /// Bitrate of the encodings that its subscriptions send, bit/s.
    pub media_bps: u64,
    /// What waits for it.
    pub pending: Pending,
    /// When the pacer allows more.
    pub pace: Deadline,
    /// What it may be sent now.
    pub control: SendControl,

    /// It gets the video of so many participants at most, those that spoke last.
    pub last_n: Option<u16>,
    /// All its subscriptions.
    pub subscriptions: Vec<SubscriptionKey>,
    /// What its transport carries.
    pub budget: Budget,
    /// Every SSRC that was ever sent to it.
    used_ssrcs: FxHashSet<u32>,
}

impl Subscriber {
    /// Make a subscriber without subscriptions; packets reach a sink at once.
    #[must_use]
    pub fn new(now: Time, drain: Drain) -> Self {
        Self {
            queued: false,
            connected: matches!(drain, Drain::Sink(_)),
            drain,
            media_bps: 0,
            pending: Pending::default(),
            pace: Deadline::default(),
            control: SendControl::new(now),
            last_n: None,
            subscriptions: Vec::new(),
            budget: Budget::default(),
            used_ssrcs: FxHashSet::default(),
        }
    }

    /// Return whether its videos are allocated together, by an estimate or by last-N.
    #[must_use]
    pub fn is_allocated(&self) -> bool {
        self.budget.bps.is_some() || self.last_n.is_some()
    }

    /// Return its transport, if it has one in this room.
    #[must_use]
    pub fn transport(&self) -> Option<TransportKey> {
        match self.drain {
            Drain::Transport(key) => Some(key),
            Drain::Sink(_) => None,
        }
    }

    /// Reserve the SSRCs of a subscription, all or none: on one transport no SSRC is used by two
    /// streams (it is part of the AES-GCM nonce).
    ///
    /// # Errors
    /// The SSRC that was used before.
    pub fn reserve_ssrcs(&mut self, ssrc: u32, rtx_ssrc: Option<u32>) -> Result<(), u32> {
        let requested = [ssrc].into_iter().chain(rtx_ssrc);
        let is_used = |ssrc: &u32| self.used_ssrcs.contains(ssrc);
        let used = requested.clone().find(is_used);
        match used.or(rtx_ssrc.filter(|rtx_ssrc| *rtx_ssrc == ssrc)) {
            Some(used) => Err(used),
            None => {
                self.used_ssrcs.extend(requested);
                Ok(())
            }
        }
    }

    /// Remove all references to a subscription.
    pub fn remove_subscription(&mut self, key: SubscriptionKey) {
        self.subscriptions.retain(|other| *other != key);
        self.pending.audio.retain(|other| *other != key);
        self.pending.video.retain(|other| *other != key);
        self.pending
            .resends
            .retain(|resend| resend.subscription != key);
        self.pending
            .copies
            .retain(|resend| resend.subscription != key);
    }
}
