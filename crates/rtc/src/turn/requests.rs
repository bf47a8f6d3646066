//! Pending requests: retransmission and timeout (RFC 8489 section 6.2.1).

use core::net::IpAddr;
use core::time::Duration;

use wire::stun::TransactionId;
use wire::time::Time;

const RTO: Duration = Duration::from_millis(500);
/// Transmissions over UDP. The RFC has seven and waits 39.5 s; a bot has joined by then, or failed.
const MAX_SENDS: u32 = 4;
/// Time until a request without response fails.
const TIMEOUT: Duration = Duration::from_millis(7_500);
/// Nonces that may be stale in a row.
pub const MAX_STALE: u8 = 3;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Allocate,
    Refresh,
    /// CreatePermission for an address.
    Permit(IpAddr),
    /// ChannelBind of the peer with this index.
    Bind(usize),
}

/// A request without a response so far.
#[derive(Debug)]
pub struct Request {
    pub kind: Kind,
    pub transaction: TransactionId,
    pub bytes: Vec<u8>,
    /// Whether it has credentials.
    pub is_authenticated: bool,
    /// Stale nonces so far.
    pub stale: u8,
    sends: u32,
    resend_at: Time,
    fails_at: Time,
}

impl Request {
    /// Record a request that is sent now; over a stream it is not repeated.
    pub fn sent(now: Time, kind: Kind, transaction: TransactionId, is_stream: bool) -> Self {
        Self {
            kind,
            transaction,
            bytes: Vec::new(),
            is_authenticated: false,
            stale: 0,
            sends: 1,
            resend_at: if is_stream { Time::FAR } else { now + RTO },
            fails_at: now + TIMEOUT,
        }
    }

    pub fn due(&self) -> Time {
        self.resend_at.min(self.fails_at)
    }

    pub fn has_failed(&self, now: Time) -> bool {
        self.fails_at <= now
    }

    /// Return whether the request has to be repeated now.
    pub fn poll_resend(&mut self, now: Time) -> bool {
        if self.resend_at > now {
            return false;
        }
        self.sends += 1;
        self.resend_at = match self.sends < MAX_SENDS {
            true => now + RTO * (1 << (self.sends - 1)),
            false => Time::FAR,
        };
        true
    }
}
