//! RTP timestamps of one subscription, continuous over switches of source.
//!
//! A [`Timeline`] adds one offset to the timestamps of the current source. Where the source
//! changes, the offset is computed once, from the best clock data of both sources at that time;
//! later sender reports never move a running timeline.

use core::time::Duration;

use wire::time::{NtpTime, Time};

/// How long a switch may wait for the sender reports that would align it exactly.
pub const REPORT_WAIT: Duration = Duration::from_millis(500);

/// Clock of one encoding: clock rate, abs-capture-time and sender report.
#[derive(Clone, Copy, Debug)]
pub struct SourceClock {
    clock_rate: u32,
    capture: Option<Anchor>,
    report: Option<Anchor>,
}

/// An RTP timestamp and the sender's wall clock at it.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    timestamp: u32,
    ntp: NtpTime,
}

/// How the timestamps of a new source were aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// First source.
    First,
    /// By abs-capture-time of both encodings.
    CaptureTime,
    /// By the sender reports of both encodings.
    SenderReports,
    /// By arrival time, between one tick and one second after the last timestamp.
    Estimated,
}

/// The outgoing timestamps of one subscription.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    clock_rate: u32,
    shift: u32,
    newest: Option<Sent>,
}

/// The newest timestamp sent, and when its first packet had arrived.
#[derive(Clone, Copy, Debug)]
struct Sent {
    timestamp: u32,
    arrival: Time,
}

impl SourceClock {
    /// Create a clock with its rate, in Hz.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            capture: None,
            report: None,
        }
    }

    /// Record an abs-capture-time, sent on or extrapolated to this RTP timestamp.
    pub fn on_capture_time(&mut self, timestamp: u32, ntp: NtpTime) {
        self.capture = Some(Anchor { timestamp, ntp });
    }

    /// Record the sender report of the encoding.
    ///
    /// A sender without a wall clock reports an NTP time of zero (RFC 3550 section 6.4.1).
    pub fn on_sender_report(&mut self, timestamp: u32, ntp: NtpTime) {
        if ntp != NtpTime::default() {
            self.report = Some(Anchor { timestamp, ntp });
        }
    }

    /// Return when the frame of this RTP timestamp was captured, `None` without abs-capture-time.
    #[inline]
    pub fn captured_at(&self, timestamp: u32) -> Option<NtpTime> {
        let anchor = self.capture?;
        Some(NtpTime(anchor.at(timestamp, self.clock_rate)))
    }

    /// Return whether a switch between the two can be aligned without an estimate.
    pub fn aligns_with(&self, other: &Self) -> bool {
        self.capture.and(other.capture).is_some() || self.report.and(other.report).is_some()
    }
}

impl Alignment {
    /// Return the reason code to report, where the result is not exact.
    pub fn reason(self) -> Option<&'static str> {
        (self == Self::Estimated).then_some("timestamp_estimated")
    }
}

impl Timeline {
    /// Start at the random timestamp `first` (RFC 3550 section 5.1); `clock_rate` in Hz.
    pub fn new(clock_rate: u32, first: u32) -> Self {
        Self {
            clock_rate,
            shift: first,
            newest: None,
        }
    }

    /// Continue with another source, whose first packet has `timestamp`.
    ///
    /// `arrival` is that of the packet and `from` the clock of the source before. Not for a source
    /// that resumes: its timestamps went on meanwhile, and so does the timeline.
    pub fn switch(
        &mut self,
        arrival: Time,
        from: &SourceClock,
        to: &SourceClock,
        timestamp: u32,
    ) -> Alignment {
        let Some(newest) = self.newest else {
            self.shift = self.shift.wrapping_sub(timestamp);
            return Alignment::First;
        };
        let elapsed = arrival.since(newest.arrival);
        let last_in = newest.timestamp.wrapping_sub(self.shift);
        let (step, alignment) = aligned_step(from, last_in, to, timestamp, elapsed)
            .unwrap_or_else(|| (self.estimated_step(elapsed), Alignment::Estimated));
        self.shift = newest.timestamp.wrapping_add(step).wrapping_sub(timestamp);
        alignment
    }

    /// Record a packet that was forwarded; `arrival` and `timestamp` are the incoming ones.
    #[inline]
    pub fn sent(&mut self, arrival: Time, timestamp: u32) {
        let timestamp = self.at(timestamp);
        let is_newer = self
            .newest
            .is_none_or(|newest| timestamp.wrapping_sub(newest.timestamp) as i32 > 0);
        if is_newer {
            self.newest = Some(Sent { timestamp, arrival });
        }
    }

    /// Return the outgoing timestamp for one of the current source.
    #[inline]
    pub fn at(&self, timestamp: u32) -> u32 {
        timestamp.wrapping_add(self.shift)
    }

    /// Return the newest outgoing timestamp, the first one before any packet was sent.
    pub fn last(&self) -> u32 {
        self.newest.map_or(self.shift, |newest| newest.timestamp)
    }

    /// Return what is added to the timestamps of the current source.
    pub fn shift(&self) -> u32 {
        self.shift
    }

    fn estimated_step(&self, elapsed: Duration) -> u32 {
        ticks(elapsed.min(Duration::from_secs(1)), self.clock_rate).max(1)
    }
}

/// The step from the last timestamp to the first of the new source, in ticks, at least one.
fn aligned_step(
    from: &SourceClock,
    last: u32,
    to: &SourceClock,
    first: u32,
    elapsed: Duration,
) -> Option<(u32, Alignment)> {
    let step_by = |from_anchor: Option<Anchor>, to_anchor: Option<Anchor>| {
        let captured_last = from_anchor?.at(last, from.clock_rate);
        let captured_first = to_anchor?.at(first, to.clock_rate);
        plausible_step(
            captured_first.wrapping_sub(captured_last) as i64,
            elapsed,
            to.clock_rate,
        )
    };
    step_by(from.capture, to.capture)
        .map(|step| (step, Alignment::CaptureTime))
        .or_else(|| step_by(from.report, to.report).map(|step| (step, Alignment::SenderReports)))
}

/// Convert a span between two captures (NTP units, 2^-32 s) to ticks, `None` where implausible.
///
/// The new source may be behind the old one (the same frame in another size): timestamps still
/// increase.
fn plausible_step(captured: i64, elapsed: Duration, clock_rate: u32) -> Option<u32> {
    let elapsed = ((elapsed.as_nanos() << 32) / 1_000_000_000) as i128;
    if (i128::from(captured) - elapsed).abs() > MAX_SKEW {
        return None;
    }
    let ticks = (i128::from(captured) * i128::from(clock_rate) + HALF) >> 32;
    Some(ticks.max(1) as u32)
}

impl Anchor {
    /// The sender's wall clock at a timestamp, in NTP units.
    fn at(self, timestamp: u32, clock_rate: u32) -> u64 {
        let ticks = i64::from(timestamp.wrapping_sub(self.timestamp) as i32);
        let span = (ticks << 32) / i64::from(clock_rate.max(1));
        self.ntp.0.wrapping_add(span as u64)
    }
}

fn ticks(span: Duration, clock_rate: u32) -> u32 {
    (span.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32
}

/// Capture times further than five seconds from their arrivals are ignored.
const MAX_SKEW: i128 = 5 << 32;

/// Rounds to the nearest tick.
const HALF: i128 = 1 << 31;
