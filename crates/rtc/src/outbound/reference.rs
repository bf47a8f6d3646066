//! Echoes of the reference times that receivers send us (RFC 3611 section 4.5).

use crate::rtt::ReceivedMark;
use wire::id::Ssrc;
use wire::rtcp::DlrrEntry;
use wire::time::{NtpTime, Time};

/// Receivers of one transport that are echoed; a browser uses one SSRC for all its reports.
const MAX_RECEIVERS: usize = 4;

/// The reference times received last.
#[derive(Clone, Debug, Default)]
pub struct ReferenceEchoes {
    receivers: Vec<(Ssrc, ReceivedMark)>,
}

impl ReferenceEchoes {
    /// Make a record of nothing.
    pub fn new() -> ReferenceEchoes {
        ReferenceEchoes::default()
    }

    /// Note the reference time of `receiver`; beyond four the oldest receiver is forgotten.
    pub fn on_reference_time(&mut self, now: Time, receiver: Ssrc, ntp: NtpTime) {
        self.receivers.retain(|(known, _)| *known != receiver);
        if self.receivers.len() == MAX_RECEIVERS {
            self.receivers.remove(0);
        }
        let mut mark = ReceivedMark::default();
        mark.note(ntp.mid32(), now);
        self.receivers.push((receiver, mark));
    }

    /// List the echoes to send with the next report, and forget them.
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
