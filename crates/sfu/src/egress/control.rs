//! What a subscriber may be sent now, and the record of what it was sent.
//!
//! Congestion control meets the packet path here alone: every packet gets its number and is taken
//! from the pacer through [`SendControl`].

use rtc::pace::{DrainRate, EstimateRate, Load, Pacer};
use wire::time::Time;

use super::allocation::Allocator;
use crate::bwe::control::Bandwidth;
use crate::bwe::ledger::Ledger;
use crate::deadline::Deadline;
use crate::ingress::meter::Meter;

/// Pacer of one subscriber, and the ledger of what it was sent.
#[derive(Debug)]
#[repr(C)]
pub struct SendControl {
    pacer: Pacer,
    /// What the pacer follows, where there is an estimate.
    pub rate: Option<EstimateRate>,
    /// A probe cluster is being sent.
    pub is_probing: bool,
    /// Transport-wide numbers, send times and sizes.
    pub ledger: Ledger,
    /// Retransmissions of the last second.
    resent: Meter,
}

/// The estimate of what a subscriber's transport carries.
#[derive(Debug, Default)]
pub struct Budget {
    /// Bandwidth estimator, if any.
    pub estimator: Option<Bandwidth>,
    /// When the estimate is updated next.
    pub timer: Deadline,
    /// The budget, bit/s; `None`: unlimited.
    pub bps: Option<u64>,
    /// How it is divided.
    pub allocator: Allocator,
    /// The estimate is updated more often until then.
    pub settled: Time,
    /// When the next round of a probe is due.
    pub probe: Deadline,
}

impl SendControl {
    /// Start with nothing sent.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            pacer: Pacer::new(now),
            rate: None,
            is_probing: false,
            ledger: Ledger::new(),
            resent: Meter::default(),
        }
    }

    /// Start a round of sending with this load: at the estimate, or as fast as frames need where
    /// there is none.
    pub fn open(&mut self, now: Time, load: Load) {
        match self.rate {
            Some(rate) => self.pacer.open(now, &rate, load),
            None => self.pacer.open(now, &DrainRate, load),
        }
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
        self.ledger.sent(now, len_bytes)
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
}
