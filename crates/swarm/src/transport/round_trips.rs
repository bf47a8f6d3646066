//! Round-trip times of one transport, by direction of its media.

use crate::figures::TransportFigures;
use crate::measure::Histogram;
use crate::message::{BotId, TransportId};
use std::time::Duration;

/// Round-trip times of one transport, and the reports that they are measured by.
#[derive(Clone, Debug)]
pub struct RoundTrips {
    outbound: Histogram,
    inbound: Histogram,
    report_blocks: u64,
    reference_times: u64,
}

impl Default for RoundTrips {
    fn default() -> Self {
        Self {
            outbound: Histogram::fine(),
            inbound: Histogram::fine(),
            report_blocks: 0,
            reference_times: 0,
        }
    }
}

impl RoundTrips {
    /// Count a report block on an outbound stream, with the RTT of its LSR and DLSR.
    pub fn on_report_block(&mut self, rtt: Option<Duration>, recording: bool) {
        self.report_blocks += 1;
        record(&mut self.outbound, rtt, recording);
    }

    /// Record the RTT of a DLRR entry.
    pub fn on_echo(&mut self, rtt: Duration, recording: bool) {
        record(&mut self.inbound, Some(rtt), recording);
    }

    /// Count a receiver reference time sent.
    pub fn on_reference_time(&mut self) {
        self.reference_times += 1;
    }

    /// Open the measurement window.
    pub fn open_window(&mut self) {
        self.outbound.clear();
        self.inbound.clear();
    }

    /// Return the figures of the measurement window; reports are counted since the start.
    #[must_use]
    pub fn figures(&self, transport: TransportId, bot: BotId) -> TransportFigures {
        TransportFigures {
            transport,
            bot,
            rtt_outbound: self.outbound.clone(),
            rtt_inbound: self.inbound.clone(),
            report_blocks_received: self.report_blocks,
            reference_times_sent: self.reference_times,
        }
    }
}

fn record(histogram: &mut Histogram, rtt: Option<Duration>, recording: bool) {
    if let Some(rtt) = rtt.filter(|_| recording) {
        histogram.record(rtt);
    }
}
