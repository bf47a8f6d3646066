//! Statistics of an inbound stream and its report blocks (RFC 3550 section 6.4.1).

use super::frames::FrameInterval;
use super::jitter::Jitter;
use super::loss::LossCounter;
use crate::rtt::ReceivedTimestamp;
use core::time::Duration;
use wire::id::Ssrc;
use wire::rtcp::{ReportBlock, SenderInfo};
use wire::time::Time;

/// Statistics of one bound SSRC.
///
/// Created with the binding: an unbound SSRC has no report blocks, so that its sender goes on
/// sending mid and rid.
#[derive(Clone, Copy, Debug)]
pub struct InboundStats {
    ssrc: Ssrc,
    loss: LossCounter,
    jitter: Jitter,
    frames: FrameInterval,
    last_sender_report: ReceivedTimestamp,
}

impl InboundStats {
    /// Create the statistics of a stream just bound; `clock_rate` is in Hz.
    pub fn new(ssrc: Ssrc, clock_rate: u32) -> InboundStats {
        InboundStats {
            ssrc,
            loss: LossCounter::default(),
            jitter: Jitter::new(clock_rate),
            frames: FrameInterval::new(clock_rate),
            last_sender_report: ReceivedTimestamp::default(),
        }
    }

    /// Count a packet of this SSRC, retransmissions excluded.
    #[inline]
    pub fn receive(&mut self, index: u64, timestamp: u32, arrival: Time) {
        self.loss.receive(index);
        self.jitter.receive(timestamp, arrival);
        self.frames.receive(timestamp);
    }

    /// Record the stream's sender report, for LSR and DLSR.
    pub fn on_sender_report(&mut self, now: Time, info: &SenderInfo) {
        self.last_sender_report.note(info.ntp.mid32(), now);
    }

    /// Build the report block of the interval since the last one; `None` before any packet.
    pub fn report_block(&mut self, now: Time) -> Option<ReportBlock> {
        let highest = self.loss.highest()?;
        let (last_sr, delay_since_last_sr) = self.last_sender_report.echo(now);
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: self.loss.take_fraction_lost(),
            cumulative_lost: saturating_i32(self.loss.lost()),
            highest_sequence: highest as u32,
            jitter: self.jitter.rtp(),
            last_sr,
            delay_since_last_sr,
        })
    }

    /// Return the SSRC reported on.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Return the loss counters.
    pub fn loss(&self) -> &LossCounter {
        &self.loss
    }

    /// Return the interarrival jitter.
    pub fn jitter(&self) -> Duration {
        self.jitter.span()
    }

    /// Return the mean frame interval, zero before the second frame.
    pub fn frame_interval(&self) -> Duration {
        self.frames.mean()
    }
}

fn saturating_i32(count: i64) -> i32 {
    count.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}
