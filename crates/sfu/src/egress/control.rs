//! What a subscriber may be sent now, and the record of what it was sent.
//!
//! Congestion control meets the packet path here alone: every packet gets its number and is taken
//! from the pacer through [`SendControl`].

use rtc::outbound::twcc::{Summary, TwccSender};
use rtc::pace::{DrainRate, Load, Pacer};
use wire::rtcp::TwccFeedback;
use wire::time::Time;

use super::allocation::Allocator;
use crate::bwe::loss_rtt::LossRtt;
use crate::deadline::Deadline;
use crate::ingress::meter::Meter;

/// Pacer and transport-wide sequence numbers of one subscriber.
#[derive(Debug)]
#[repr(C)]
pub struct SendControl {
    pacer: Pacer,
    transport_wide: TwccSender,
    resent: Meter,
}

/// The estimate of what a subscriber's transport carries.
#[derive(Debug, Default)]
pub struct Budget {
    /// Bandwidth estimator, if any.
    pub estimator: Option<LossRtt>,
    /// When the estimate is updated next.
    pub timer: Deadline,
    /// The budget, bit/s; `None`: unlimited.
    pub bps: Option<u64>,
    /// How it is divided.
    pub allocator: Allocator,
}

impl SendControl {
    /// Start with nothing sent.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            pacer: Pacer::new(now),
            transport_wide: TwccSender::new(),
            resent: Meter::default(),
        }
    }

    /// Start a round of sending with this load.
    pub fn open(&mut self, now: Time, load: Load) {
        self.pacer.open(now, &DrainRate, load);
    }

    /// Return whether another packet may be sent in this round.
    #[inline]
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.pacer.may_send()
    }

    /// Return the transport-wide number of a packet of `len_bytes` on the wire.
    #[inline]
    pub fn stamp(&mut self, now: Time, len_bytes: usize) -> u16 {
        self.transport_wide.stamp(now, len_bytes)
    }

    /// Note that a datagram was sent.
    #[inline]
    pub fn sent(&mut self, bytes: usize) {
        self.pacer.sent(bytes);
    }

    /// Note that a datagram of them was a retransmission.
    pub fn resent(&mut self, now: Time, bytes: usize) {
        self.resent.add(now, bytes);
    }

    /// Return the bitrate of retransmissions.
    pub fn resent_bps(&mut self, now: Time) -> u64 {
        self.resent.bps(now)
    }

    /// End a round in which every packet was sent.
    pub fn drained(&mut self) {
        self.pacer.drained();
    }

    /// Process transport-wide feedback.
    pub fn on_feedback(&mut self, now: Time, feedback: &TwccFeedback<'_>) -> Summary {
        self.transport_wide.on_feedback(now, feedback)
    }
}
