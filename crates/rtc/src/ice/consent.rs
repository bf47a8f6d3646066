//! The selected path of a controlling agent: nomination, then consent freshness (RFC 7675).

use core::time::Duration;

use wire::stun::TransactionId;
use wire::time::Time;

use super::CONSENT_EXPIRY;
use super::check::INITIAL_RTO;
use super::random::Random;
use crate::path::PathId;

/// Mean time between two consent checks (RFC 7675 section 5.1).
const INTERVAL: Duration = Duration::from_secs(5);
/// Pending consent checks: 30 s hold at most 7.5 shortest intervals, and the quicker checks before
/// those may be dropped.
const MAX_PENDING: usize = 8;

/// Consent of the peer to receive on the selected path.
#[derive(Debug)]
pub(super) struct Consent {
    pub path: PathId,
    pending: [TransactionId; MAX_PENDING],
    sent: u32,
    is_confirmed: bool,
    due: Time,
    expires: Time,
}

impl Consent {
    /// Start on a path whose check just succeeded; the first consent check is due at once.
    pub fn new(now: Time, path: PathId) -> Self {
        Self {
            path,
            pending: Default::default(),
            sent: 0,
            is_confirmed: false,
            due: now,
            expires: now + CONSENT_EXPIRY,
        }
    }

    pub fn is_due(&self, now: Time) -> bool {
        self.due <= now
    }

    pub fn has_expired(&self, now: Time) -> bool {
        self.expires <= now
    }

    pub fn next_timeout(&self) -> Time {
        self.due.min(self.expires)
    }

    /// Record a consent check sent at `now`; return its transaction.
    ///
    /// Until the first response the peer may not know of the nomination, so checks follow at the
    /// pace of retransmissions. Each is a transaction of its own (RFC 7675 section 5.1).
    pub fn send(&mut self, now: Time, random: &mut Random) -> TransactionId {
        let transaction = random.transaction();
        self.pending[self.sent as usize % MAX_PENDING] = transaction;
        let wait = match self.is_confirmed {
            true => INTERVAL.mul_f64(random.between(0.8, 1.2)),
            false => INTERVAL.min(INITIAL_RTO * (1 << self.sent.min(8))),
        };
        self.sent += 1;
        self.due = now + wait;
        transaction
    }

    pub fn has_sent(&self, transaction: TransactionId) -> bool {
        let count = MAX_PENDING.min(self.sent as usize);
        self.pending[..count].contains(&transaction)
    }

    /// Renew the consent: a valid response was received.
    pub fn confirm(&mut self, now: Time, random: &mut Random) {
        self.expires = now + CONSENT_EXPIRY;
        if !self.is_confirmed {
            self.is_confirmed = true;
            self.due = now + INTERVAL.mul_f64(random.between(0.8, 1.2));
        }
    }
}
