//! The checklist: candidate pairs, checked in order and at the pace of RFC 8445 section 6.1.4.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use wire::stun::TransactionId;
use wire::time::Time;

use super::check::{Check, INITIAL_RTO};
use super::random::Random;
use crate::path::PathId;

/// The pace of new checks, Ta (RFC 8445 section 14.2).
const PACE: Duration = Duration::from_millis(50);
/// Candidate pairs beyond this number are not checked: the peer decides how many it lists.
const MAX_PAIRS: usize = 32;
/// Wait before a candidate pair whose check failed is checked again.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// A base (RFC 8445 section 4): one local socket that checks are sent from.
///
/// The path of a received datagram must have the same local address, the wildcard where it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Index of the socket.
    pub socket: u8,
    /// Its local address.
    pub local: IpAddr,
}

/// The candidate pairs of one association and their states.
#[derive(Debug, Default)]
pub(super) struct Checklist {
    pairs: Vec<Pair>,
    next_start: Time,
}

#[derive(Debug)]
struct Pair {
    path: PathId,
    state: PairState,
}

#[derive(Debug)]
enum PairState {
    /// To be checked, no earlier than this.
    Waiting(Time),
    InProgress(Check),
}

impl Checklist {
    /// Pair every base with every remote candidate of its address family, in the peer's order.
    pub fn new(now: Time, bases: &[Base], candidates: &[SocketAddr]) -> Self {
        let paths = candidates.iter().flat_map(|remote| {
            let bases = bases.iter();
            let paths = bases.map(|base| PathId::udp(base.socket, base.local, *remote));
            paths.filter(|path| path.local.is_ipv4() == path.remote.is_ipv4())
        });
        Self {
            pairs: paths
                .take(MAX_PAIRS)
                .map(|path| Pair::new(path, now))
                .collect(),
            next_start: now,
        }
    }

    /// Pair every base with a candidate that was trickled (RFC 8838); known pairs stay as they are.
    pub fn add(&mut self, now: Time, bases: &[Base], candidate: SocketAddr) {
        for pair in Self::new(now, bases, &[candidate]).pairs {
            let is_known = self.pairs.iter().any(|known| known.path == pair.path);
            if !is_known && self.pairs.len() < MAX_PAIRS {
                self.pairs.push(pair);
            }
        }
    }

    /// Check all candidate pairs again.
    pub fn restart(&mut self, now: Time) {
        self.next_start = now;
        for pair in &mut self.pairs {
            pair.state = PairState::Waiting(now);
        }
    }

    /// Triggered check: check this path next, unless in progress (RFC 8445 section 7.3.1.4).
    pub fn trigger(&mut self, now: Time, path: PathId) {
        match self.pairs.iter().position(|pair| pair.path == path) {
            Some(index) if self.pairs[index].is_in_progress() => return,
            Some(index) => drop(self.pairs.remove(index)),
            None if self.pairs.len() >= MAX_PAIRS => return,
            None => {}
        }
        self.pairs.insert(0, Pair::new(path, now));
        self.next_start = now;
    }

    /// Return the next request to send now; call until `None`.
    pub fn poll_check(
        &mut self,
        now: Time,
        random: &mut Random,
    ) -> Option<(PathId, TransactionId)> {
        let retransmission = self
            .pairs
            .iter_mut()
            .find_map(|pair| pair.poll_retransmission(now));
        retransmission.or_else(|| self.start(now, random))
    }

    /// Return when [`poll_check`](Self::poll_check) has a request to send or to time out.
    pub fn next_timeout(&self) -> Option<Time> {
        let due = self.pairs.iter().map(|pair| match &pair.state {
            PairState::Waiting(not_before) => self.next_start.max(*not_before),
            PairState::InProgress(check) => check.due(),
        });
        due.min()
    }

    /// Return the path that a pending request was sent to.
    pub fn path_of(&self, transaction: TransactionId) -> Option<PathId> {
        let mut pairs = self.pairs.iter();
        let pair = pairs.find(|pair| pair.is_pending(transaction))?;
        Some(pair.path)
    }

    /// Delay the next check of the pair whose request got an error response.
    pub fn check_failed(&mut self, now: Time, transaction: TransactionId) {
        for pair in &mut self.pairs {
            if pair.is_pending(transaction) {
                pair.back_off(now);
            }
        }
    }

    fn start(&mut self, now: Time, random: &mut Random) -> Option<(PathId, TransactionId)> {
        if self.next_start > now {
            return None;
        }
        // RFC 8445 section 14.3.
        let rto = INITIAL_RTO.max(PACE * self.pairs.len() as u32);
        let pair = self.pairs.iter_mut().find(|pair| pair.may_start(now))?;
        let transaction = random.transaction();
        pair.state = PairState::InProgress(Check::sent(now, transaction, rto));
        self.next_start = now + PACE;
        Some((pair.path, transaction))
    }
}

impl Pair {
    fn new(path: PathId, not_before: Time) -> Self {
        let state = PairState::Waiting(not_before);
        Self { path, state }
    }

    fn back_off(&mut self, now: Time) {
        self.state = PairState::Waiting(now + RETRY_DELAY);
    }

    fn poll_retransmission(&mut self, now: Time) -> Option<(PathId, TransactionId)> {
        let PairState::InProgress(check) = &mut self.state else {
            return None;
        };
        if check.due() > now {
            return None;
        }
        if check.resend() {
            return Some((self.path, check.transaction));
        }
        self.back_off(now);
        None
    }

    fn may_start(&self, now: Time) -> bool {
        matches!(self.state, PairState::Waiting(not_before) if not_before <= now)
    }

    fn is_in_progress(&self) -> bool {
        matches!(self.state, PairState::InProgress(_))
    }

    fn is_pending(&self, transaction: TransactionId) -> bool {
        matches!(&self.state, PairState::InProgress(check) if check.transaction == transaction)
    }
}
