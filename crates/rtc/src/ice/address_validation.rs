//! Address validation of one path and its amplification limit (RFC 9000 section 8, RFC 7675).
//!
//! A participant can send an authenticated check with a forged source address, so a received check
//! does not prove that the peer receives at that address. The response to a check of this agent
//! does: its transaction id is unpredictable, known to the receiver of the check alone.

use core::time::Duration;

use wire::stun::TransactionId;
use wire::time::Time;

use super::CONSENT_EXPIRY;
use super::check::INITIAL_RTO;
use super::random::Random;

/// Mean time between two checks of the selected path (RFC 7675 section 5.1).
const INTERVAL: Duration = Duration::from_secs(5);
/// Checks of a path without a response, as RFC 8489 section 6.2.1 bounds retransmissions.
const MAX_ATTEMPTS: u32 = 7;
/// Pending checks: 30 s hold at most 7.5 shortest intervals.
const MAX_PENDING: usize = 8;
/// Amplification limit: bytes sent to an address that is not validated, in multiples of the bytes
/// received from it (RFC 9000 section 8).
const AMPLIFICATION: u64 = 3;
/// A path with an authenticated packet within this time is in use by its transport.
const IN_USE: Duration = Duration::from_secs(10);

/// Address validation of one path of a lite agent.
#[derive(Debug, Default)]
pub(super) struct AddressValidation {
    /// When the first check was received.
    path_validated: Option<Time>,
    received_bytes: u64,
    sent_bytes: u64,
    validated_by_handshake: bool,
    /// When the latest check with a response was sent.
    last_response: Option<Time>,
    /// The latest check of the peer used the current credentials.
    pub is_current: bool,
    pending: [Option<(TransactionId, Time)>; MAX_PENDING],
    sent_checks: usize,
    attempts: u32,
    next_check: Option<Time>,
}

impl AddressValidation {
    /// Record an authenticated check from the peer. The first one triggers a check of this agent;
    /// so does a later one where a response is overdue, as after an outage.
    pub fn received_request(&mut self, now: Time, is_current: bool) {
        let is_overdue = |sent: Time| {
            self.last_response.is_some_and(|at| at < sent) && sent + INITIAL_RTO <= now
        };
        if self.path_validated.is_none() || self.last_sent().is_some_and(is_overdue) {
            self.path_validated.get_or_insert(now);
            self.next_check = Some(now);
        }
        self.is_current = is_current;
    }

    #[inline]
    pub fn received_bytes(&mut self, len: usize) {
        self.received_bytes += len as u64;
    }

    /// Count bytes to send to an address that is not validated; false above the amplification
    /// limit.
    pub fn try_spend(&mut self, len: usize) -> bool {
        let sent_bytes = self.sent_bytes + len as u64;
        let allowed = sent_bytes <= AMPLIFICATION * self.received_bytes;
        if allowed {
            self.sent_bytes = sent_bytes;
        }
        allowed
    }

    /// Return whether the address is validated: the peer receives there.
    pub fn is_validated(&self, now: Time) -> bool {
        self.validated_by_handshake || self.has_responded(now)
    }

    /// Return when consent expires; `None` for a peer without a response since the handshake.
    pub fn consent_expiry(&self) -> Option<Time> {
        let last = self.last_response.filter(|_| !self.validated_by_handshake);
        last.map(|at| at + CONSENT_EXPIRY)
    }

    /// Return whether the path, whose last packet was at `last_seen`, is in use by this transport.
    /// The source address of checks is easily forged, so without validation a path counts for a
    /// short time only.
    pub fn is_in_use(&self, now: Time, last_seen: Time) -> bool {
        let is_recent = |at: Time| now.since(at) < IN_USE;
        is_recent(last_seen)
            && (self.is_validated(now) || self.path_validated.is_some_and(is_recent))
    }

    /// Validate the address by the DTLS handshake: all local flights were sent here, and no peer
    /// completes a handshake without them.
    pub fn validate_by_handshake(&mut self) {
        self.validated_by_handshake = true;
    }

    /// Record that the path is no longer selected: another peer may get this address.
    pub fn deselected(&mut self) {
        if std::mem::take(&mut self.validated_by_handshake) {
            self.reset_allowance();
        }
    }

    /// Record a nomination: restart the checks of this path where they timed out.
    pub fn nominated(&mut self, now: Time) {
        if self.next_check.is_none() && !self.is_validated(now) {
            self.attempts = 0;
            self.next_check = Some(now);
        }
    }

    /// Record that the path is selected; an expired validation is dropped.
    pub fn selected(&mut self, now: Time, random: &mut Random) {
        match self.is_validated(now) {
            true => self.next_check = Some(now + spread(random)),
            false if self.last_response.take().is_some() => self.reset_allowance(),
            false => {}
        }
    }

    pub fn next_check(&self) -> Option<Time> {
        self.next_check
    }

    /// Record a check sent, or held back by the amplification limit; set the time of the next.
    pub fn sent(
        &mut self,
        now: Time,
        transaction: TransactionId,
        is_selected: bool,
        random: &mut Random,
    ) {
        self.pending[self.sent_checks % MAX_PENDING] = Some((transaction, now));
        self.sent_checks += 1;
        self.next_check = match self.has_responded(now) {
            true => is_selected.then(|| now + spread(random)),
            false => self.next_attempt(now),
        };
    }

    pub fn is_pending(&self, transaction: TransactionId) -> bool {
        self.time_sent(transaction).is_some()
    }

    /// Record the response to a check; return when that check was sent. The validation counts from
    /// then: a replayed response renews nothing.
    pub fn received_response(
        &mut self,
        now: Time,
        transaction: TransactionId,
        is_selected: bool,
        random: &mut Random,
    ) -> Option<Time> {
        let was_validated = self.has_responded(now);
        let sent = self.time_sent(transaction);
        self.last_response = self.last_response.max(sent);
        self.attempts = 0;
        if !was_validated {
            self.next_check = is_selected.then(|| now + spread(random));
        }
        sent
    }

    /// Require consent from now on: the peer responds to checks while media flows.
    pub fn require_consent(&mut self) {
        self.validated_by_handshake = false;
    }

    /// Reset the amplification limit: bytes received while validated do not count afterwards.
    fn reset_allowance(&mut self) {
        (self.received_bytes, self.sent_bytes) = (0, 0);
    }

    /// Return whether a check of the last 30 s has a response.
    pub fn has_responded(&self, now: Time) -> bool {
        self.last_response
            .is_some_and(|at| now.since(at) < CONSENT_EXPIRY)
    }

    fn next_attempt(&mut self, now: Time) -> Option<Time> {
        self.attempts += 1;
        let wait = INTERVAL.min(INITIAL_RTO * (1 << (self.attempts - 1).min(8)));
        (self.attempts < MAX_ATTEMPTS).then(|| now + wait)
    }

    fn last_sent(&self) -> Option<Time> {
        self.pending.iter().flatten().map(|(_, at)| *at).max()
    }

    fn time_sent(&self, transaction: TransactionId) -> Option<Time> {
        let mut pending = self.pending.iter().flatten();
        let (_, at) = pending.find(|(id, _)| *id == transaction)?;
        Some(*at)
    }
}

/// Return a randomized interval, 0.8 to 1.2 times the mean (RFC 7675 section 5.1).
fn spread(random: &mut Random) -> Duration {
    INTERVAL.mul_f64(random.between(0.8, 1.2))
}
