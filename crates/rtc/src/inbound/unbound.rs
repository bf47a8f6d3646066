//! SSRCs that have no stream: which, since when, how many packets, and why.

use core::time::Duration;

use wire::id::{PayloadType, Ssrc};
use wire::rtp::Header;
use wire::time::Time;

/// Unbound SSRCs that are remembered for diagnosis.
const MAX_UNBOUND: usize = 16;
/// An SSRC that is still unbound after this is worth a report: descriptions may follow packets.
const REPORT_AFTER: Duration = Duration::from_secs(1);
/// Reports are no closer together, however many SSRCs there are.
const REPORT_SPACING: Duration = Duration::from_secs(1);

/// Why an SSRC has no stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnboundReason {
    /// No m-line has the MID of the packet.
    MidUnknown,
    /// The m-line has no encoding of the packet's RID.
    RidUnknown,
    /// Two m-lines may use the same RID: without a MID it names nothing.
    RidWithoutMid,
    /// No m-line, or not the named one, takes the payload type.
    PayloadTypeUnknown,
    /// Several encodings take the payload type, and the packet names none of them.
    EncodingAmbiguous,
    /// The SSRC that was declared for this encoding, or that replaced this one, sends at present.
    OtherSsrcActive,
    /// Retransmissions under another SSRC than the declared one, of media that is not bound.
    RtxWithoutMedia,
}

impl UnboundReason {
    /// Return the reason code of logs and statistics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            UnboundReason::MidUnknown => "mid_unknown",
            UnboundReason::RidUnknown => "rid_unknown",
            UnboundReason::RidWithoutMid => "rid_without_mid",
            UnboundReason::PayloadTypeUnknown => "payload_type_unknown",
            UnboundReason::EncodingAmbiguous => "encoding_ambiguous",
            UnboundReason::OtherSsrcActive => "other_ssrc_active",
            UnboundReason::RtxWithoutMedia => "rtx_without_media",
        }
    }
}

/// An SSRC without a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnboundSsrc {
    /// The SSRC.
    pub ssrc: Ssrc,
    /// Payload type of its last packet.
    pub payload_type: PayloadType,
    /// Packets dropped.
    pub packets: u64,
    /// Why its last packet was dropped.
    pub reason: UnboundReason,
    since: Time,
    reported: bool,
}

/// The SSRCs without a stream that were seen last.
#[derive(Clone, Debug, Default)]
pub(super) struct UnboundSsrcs {
    known: Vec<UnboundSsrc>,
    packets: u64,
    last_report: Option<Time>,
}

impl UnboundSsrcs {
    pub(super) fn list(&self) -> &[UnboundSsrc] {
        &self.known
    }

    /// Count all packets dropped for want of a stream.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// Return when the SSRC was first seen without a stream.
    pub(super) fn since(&self, ssrc: Ssrc) -> Option<Time> {
        let known = self.known.iter().find(|it| it.ssrc == ssrc)?;
        Some(known.since)
    }

    pub(super) fn count(&mut self, now: Time, header: &Header, reason: UnboundReason) {
        self.packets += 1;
        let known = self.known.iter_mut().find(|it| it.ssrc == header.ssrc);
        if let Some(unbound) = known {
            unbound.packets += 1;
            unbound.payload_type = header.payload_type;
            unbound.reason = reason;
            return;
        }
        if self.known.len() == MAX_UNBOUND {
            self.known.remove(0);
        }
        self.known.push(UnboundSsrc {
            ssrc: header.ssrc,
            payload_type: header.payload_type,
            packets: 1,
            reason,
            since: now,
            reported: false,
        });
    }

    /// The SSRC has a stream now.
    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.known.retain(|unbound| unbound.ssrc != ssrc);
    }

    /// Return an SSRC, once, that has been without a stream for a second.
    pub(super) fn report(&mut self, now: Time, ssrc: Ssrc) -> Option<UnboundSsrc> {
        let is_due = |at: Time, after: Duration| now.since(at) >= after;
        if !self.last_report.is_none_or(|at| is_due(at, REPORT_SPACING)) {
            return None;
        }
        let waits = |it: &&mut UnboundSsrc| it.ssrc == ssrc && !it.reported;
        let unbound = self.known.iter_mut().find(waits)?;
        if !is_due(unbound.since, REPORT_AFTER) {
            return None;
        }
        unbound.reported = true;
        self.last_report = Some(now);
        Some(*unbound)
    }
}
