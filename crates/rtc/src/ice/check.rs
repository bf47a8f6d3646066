//! Retransmission and timeout of one connectivity check (RFC 8489 section 6.2.1).

use core::time::Duration;

use wire::stun::TransactionId;
use wire::time::Time;

/// Initial retransmission timeout, RTO; the minimum of RFC 8445 section 14.3.
pub(super) const INITIAL_RTO: Duration = Duration::from_millis(500);
/// Transmissions of one request, Rc.
const MAX_SENDS: u32 = 7;
/// Wait after the last transmission, Rm, in multiples of the initial RTO.
const FINAL_WAIT: u32 = 16;

/// A pending request: no response so far.
#[derive(Debug)]
pub(super) struct Check {
    pub transaction: TransactionId,
    rto: Duration,
    sends: u32,
    due: Time,
}

impl Check {
    /// Record a request sent at `now` with this initial RTO.
    pub fn sent(now: Time, transaction: TransactionId, rto: Duration) -> Self {
        Self {
            transaction,
            rto,
            sends: 1,
            due: now + rto,
        }
    }

    /// Time of the next retransmission, or of the timeout.
    pub fn due(&self) -> Time {
        self.due
    }

    /// Count a retransmission; false where the request has timed out instead.
    pub fn resend(&mut self) -> bool {
        if self.sends == MAX_SENDS {
            return false;
        }
        let factor = match self.sends + 1 {
            MAX_SENDS => FINAL_WAIT,
            sends => 1 << (sends - 1),
        };
        self.sends += 1;
        self.due = self.due + self.rto * factor;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8489 section 6.2.1: "requests will be sent at times 0 ms, 500 ms, 1500 ms, 3500 ms,
    /// 7500 ms, 15500 ms, and 31500 ms. [...] the client will consider the transaction to have
    /// timed out" after 39500 ms.
    #[test]
    fn requests_are_repeated_at_the_times_of_the_rfc() {
        let mut check = Check::sent(Time::ZERO, TransactionId::default(), INITIAL_RTO);
        let mut times = Vec::new();
        loop {
            times.push(check.due().as_millis());
            if !check.resend() {
                break;
            }
        }
        assert_eq!(times, [500, 1500, 3500, 7500, 15_500, 31_500, 39_500]);
    }
}
