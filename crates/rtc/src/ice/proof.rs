//! Whether a peer receives at an address: what proves it, and what may be sent there until then.
//!
//! Whoever owns a session can send a check with the source address of somebody else. So a check
//! from an address only shows that the peer wants to be sent to there. The proof is an answer to a
//! check of ours, whose transaction id nobody can know who did not receive it (RFC 7675).

use core::time::Duration;

use wire::stun::TransactionId;
use wire::time::Time;

use super::CONSENT_EXPIRY;
use super::check::INITIAL_RTO;
use super::random::Random;

/// Mean time between two checks of the selected path (RFC 7675 section 5.1).
const INTERVAL: Duration = Duration::from_secs(5);
/// Checks of a path that never answered, as RFC 8489 section 6.2.1 bounds retransmissions.
const MAX_ATTEMPTS: u32 = 7;
/// Checks whose answer is still awaited: 30 s hold at most 7.5 shortest intervals.
const MAX_UNDER_WAY: usize = 8;
/// What an address that proved nothing gets, in multiples of what came from it (RFC 9000 section 8).
const AMPLIFICATION: u64 = 3;
/// A path with an authenticated packet within this time belongs to its transport.
const HELD: Duration = Duration::from_secs(10);

/// What is known of one path of a lite agent.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// When the path was validated; not set before that.
    since: Option<Time>,
    received_bytes: u64,
    sent_bytes: u64,
    by_handshake: bool,
    /// When the latest check that was answered left.
    answered: Option<Time>,
    /// The peer's latest check used the present credentials.
    pub is_current: bool,
    under_way: [Option<(TransactionId, Time)>; MAX_UNDER_WAY],
    sent_checks: usize,
    attempts: u32,
    due: Option<Time>,
}

impl Proof {
    /// Note an authenticated check from the peer. The first one is followed by one of ours; so is a
    /// later one where an answer is overdue, as after an outage.
    pub fn checked(&mut self, now: Time, is_current: bool) {
        let is_overdue =
            |sent: Time| self.answered.is_some_and(|at| at < sent) && sent + INITIAL_RTO <= now;
        if self.since.is_none() || self.last_sent().is_some_and(is_overdue) {
            self.since.get_or_insert(now);
            self.due = Some(now);
        }
        self.is_current = is_current;
    }

    #[inline]
    pub fn received(&mut self, len: usize) {
        self.received_bytes += len as u64;
    }

    /// Count what is sent to an address without a proof, where that stays within the bound.
    pub fn spend(&mut self, len: usize) -> bool {
        let sent_bytes = self.sent_bytes + len as u64;
        let allowed = sent_bytes <= AMPLIFICATION * self.received_bytes;
        if allowed {
            self.sent_bytes = sent_bytes;
        }
        allowed
    }

    /// Say whether the peer is known to receive at this address.
    pub fn holds(&self, now: Time) -> bool {
        self.by_handshake || self.has_answered(now)
    }

    /// Return when consent ends. A peer that answered nothing since the handshake gives none that could.
    pub fn expiry(&self) -> Option<Time> {
        let answered = self.answered.filter(|_| !self.by_handshake);
        answered.map(|at| at + CONSENT_EXPIRY)
    }

    /// Say whether the path belongs to this transport, last seen then. Checks alone are easily
    /// forged, so without a proof it does for a short time only.
    pub fn is_held(&self, now: Time, last_seen: Time) -> bool {
        let is_recent = |at: Time| now.since(at) < HELD;
        is_recent(last_seen) && (self.holds(now) || self.since.is_some_and(is_recent))
    }

    /// Nobody without our flights could have finished the handshake, and all of them went here.
    pub fn prove_by_handshake(&mut self) {
        self.by_handshake = true;
    }

    /// The path is selected no longer: another peer may get this address.
    pub fn deselected(&mut self) {
        if std::mem::take(&mut self.by_handshake) {
            self.forget_bytes();
        }
    }

    /// The peer nominated this path: go on to check it where that was given up.
    pub fn nominated(&mut self, now: Time) {
        if self.due.is_none() && !self.holds(now) {
            self.attempts = 0;
            self.due = Some(now);
        }
    }

    /// The path is sent to from now on; what it proved too long ago counts no more.
    pub fn selected(&mut self, now: Time, random: &mut Random) {
        match self.holds(now) {
            true => self.due = Some(now + spread(random)),
            false if self.answered.take().is_some() => self.forget_bytes(),
            false => {}
        }
    }

    pub fn due(&self) -> Option<Time> {
        self.due
    }

    /// Note that a check leaves, or would if it were allowed; set the time of the next.
    pub fn sent(
        &mut self,
        now: Time,
        transaction: TransactionId,
        is_selected: bool,
        random: &mut Random,
    ) {
        self.under_way[self.sent_checks % MAX_UNDER_WAY] = Some((transaction, now));
        self.sent_checks += 1;
        self.due = match self.has_answered(now) {
            true => is_selected.then(|| now + spread(random)),
            false => self.next_attempt(now),
        };
    }

    pub fn awaits(&self, transaction: TransactionId) -> bool {
        self.sent_at(transaction).is_some()
    }

    /// Note the answer to a check of ours; return when that check left. It proves what was true then:
    /// an old one that is played again renews nothing.
    pub fn answered(
        &mut self,
        now: Time,
        transaction: TransactionId,
        is_selected: bool,
        random: &mut Random,
    ) -> Option<Time> {
        let was_answered = self.has_answered(now);
        let sent = self.sent_at(transaction);
        self.answered = self.answered.max(sent);
        self.attempts = 0;
        if !was_answered {
            self.due = is_selected.then(|| now + spread(random));
        }
        sent
    }

    /// The peer answers while media flows: from now on it has to.
    pub fn consented(&mut self) {
        self.by_handshake = false;
    }

    /// What came while there was a proof allows for nothing after it.
    fn forget_bytes(&mut self) {
        (self.received_bytes, self.sent_bytes) = (0, 0);
    }

    /// Say whether an answer shows that the peer received there within the last 30 s.
    pub fn has_answered(&self, now: Time) -> bool {
        self.answered
            .is_some_and(|at| now.since(at) < CONSENT_EXPIRY)
    }

    fn next_attempt(&mut self, now: Time) -> Option<Time> {
        self.attempts += 1;
        let wait = INTERVAL.min(INITIAL_RTO * (1 << (self.attempts - 1).min(8)));
        (self.attempts < MAX_ATTEMPTS).then(|| now + wait)
    }

    fn last_sent(&self) -> Option<Time> {
        self.under_way.iter().flatten().map(|(_, at)| *at).max()
    }

    fn sent_at(&self, transaction: TransactionId) -> Option<Time> {
        let mut known = self.under_way.iter().flatten();
        let (_, at) = known.find(|(known, _)| *known == transaction)?;
        Some(*at)
    }
}

/// RFC 7675 section 5.1: between 0.8 and 1.2 times the interval.
fn spread(random: &mut Random) -> Duration {
    INTERVAL.mul_f64(random.between(0.8, 1.2))
}
