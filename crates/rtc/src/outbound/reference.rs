//! DLRR: echoes of the reference times received from receivers (RFC 3611 section 4.5).

use crate::rtt::ReceivedTimestamp;
use wire::id::Ssrc;
use wire::rtcp::DlrrEntry;
use wire::time::{NtpTime, Time};

/// Receivers per transport; a browser uses one SSRC for all its reports.
const MAX_RECEIVERS: usize = 4;

/// The latest reference time of each receiver.
#[derive(Clone, Debug, Default)]
pub struct ReferenceEchoes {
    receivers: Vec<(Ssrc, ReceivedTimestamp)>,
}

impl ReferenceEchoes {
    /// Create a record without reference times.
    pub fn new() -> ReferenceEchoes {
        ReferenceEchoes::default()
    }

    /// Record the reference time of `receiver`; beyond four the oldest receiver is dropped.
    pub fn on_reference_time(&mut self, now: Time, receiver: Ssrc, ntp: NtpTime) {
        self.receivers.retain(|(known, _)| *known != receiver);
        if self.receivers.len() == MAX_RECEIVERS {
            self.receivers.remove(0);
        }
        let mut mark = ReceivedTimestamp::default();
        mark.note(ntp.mid32(), now);
        self.receivers.push((receiver, mark));
    }

    /// Remove and return the DLRR entries for the next report.
    pub fn take(&mut self, now: Time) -> impl Iterator<Item = DlrrEntry> {
        self.receivers.drain(..).map(move |(ssrc, mark)| {
            let (last_rr, delay_since_last_rr) = mark.echo(now);
            DlrrEntry {
                ssrc,
                last_rr,
                delay_since_last_rr,
            }
        })
    }
}
