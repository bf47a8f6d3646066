//! Unbound (unassociated, unsignaled) SSRCs: packet counts and the reason of each.

use core::time::Duration;

use wire::id::{PayloadType, Ssrc};
use wire::rtp::Header;
use wire::time::Time;

/// Unbound SSRCs that are listed for diagnosis.
const MAX_UNBOUND: usize = 16;
/// An SSRC is reported when unbound for this long: the description may arrive after packets.
const REPORT_AFTER: Duration = Duration::from_secs(1);
/// Minimum interval of reports, for any number of SSRCs.
const REPORT_SPACING: Duration = Duration::from_secs(1);

/// Why an SSRC is unbound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnboundReason {
    /// No m-line has the MID of the packet.
    MidUnknown,
    /// The m-line has no encoding of the packet's RID.
    RidUnknown,
    /// Two m-lines may use the same RID: without a MID it is ambiguous.
    RidWithoutMid,
    /// No m-line, or not that of the MID, has the payload type.
    PayloadTypeUnknown,
    /// Several encodings have the payload type, and the packet has no RID.
    EncodingAmbiguous,
    /// The SSRC declared for this encoding, or the one that replaced this SSRC, is active.
    OtherSsrcActive,
    /// RTX under another SSRC than the declared one, of media that is not bound.
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

/// An unbound SSRC.
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

/// The latest unbound SSRCs.
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

    /// Return the number of packets dropped without a bound SSRC.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// Return when the first unbound packet of the SSRC was received.
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

    /// Remove an SSRC that is bound now.
    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.known.retain(|unbound| unbound.ssrc != ssrc);
    }

    /// Return an SSRC that has been unbound for a second, once.
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
