//! The selected path of a controlling agent: its nomination, then its consent (RFC 7675).

use core::time::Duration;

use wire::stun::TransactionId;
use wire::time::Time;

use super::CONSENT_EXPIRY;
use super::check::INITIAL_RTO;
use super::random::Random;
use crate::path::PathId;

/// Mean time between two consent checks (RFC 7675 section 5.1).
const INTERVAL: Duration = Duration::from_secs(5);
/// More checks are never under way: 30 s hold at most 7.5 shortest intervals, and a few of the
/// quicker ones before them are forgotten.
const MAX_UNDER_WAY: usize = 8;

/// Ask again and again whether the peer still wants what we send.
#[derive(Debug)]
pub(super) struct Consent {
    pub path: PathId,
    under_way: [TransactionId; MAX_UNDER_WAY],
    sent: u32,
    is_confirmed: bool,
    due: Time,
    expires: Time,
}

impl Consent {
    /// Begin on a path whose check has just succeeded; the first request is due at once.
    pub fn new(now: Time, path: PathId) -> Self {
        Self {
            path,
            under_way: Default::default(),
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

    /// Note that a request leaves now; return its transaction.
    ///
    /// Until the peer answered the first one it may not know of the nomination, so these follow
    /// like retransmissions. Each is a transaction of its own (RFC 7675 section 5.1).
    pub fn send(&mut self, now: Time, random: &mut Random) -> TransactionId {
        let transaction = random.transaction();
        self.under_way[self.sent as usize % MAX_UNDER_WAY] = transaction;
        let pause = match self.is_confirmed {
            true => INTERVAL.mul_f64(random.between(0.8, 1.2)),
            false => INTERVAL.min(INITIAL_RTO * (1 << self.sent.min(8))),
        };
        self.sent += 1;
        self.due = now + pause;
        transaction
    }

    pub fn has_sent(&self, transaction: TransactionId) -> bool {
        let known = MAX_UNDER_WAY.min(self.sent as usize);
        self.under_way[..known].contains(&transaction)
    }

    /// Note a valid response.
    pub fn confirm(&mut self, now: Time, random: &mut Random) {
        self.expires = now + CONSENT_EXPIRY;
        if !self.is_confirmed {
            self.is_confirmed = true;
            self.due = now + INTERVAL.mul_f64(random.between(0.8, 1.2));
        }
    }
}
