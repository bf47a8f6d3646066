//! When frames would be played out: two jitter buffers that are computed and hold no media.
//!
//! Both place a frame on a time line by its RTP timestamp: the fastest frame of the last one to two
//! seconds has a relative delay of 0, and each frame is due at the time of the fastest plus the
//! target delay. A frame that is complete later than that is late. The buffers differ in the target:
//! [`MovingAverage`] follows the delay variation between frames, [`RelativeDelays`] is the rule of
//! libwebrtc's NetEq.

mod fastest;
mod moving_average;
mod relative_delays;

use fastest::Fastest;
use moving_average::MovingAverage;
use relative_delays::RelativeDelays;
use std::time::Duration;
use wire::time::Time;

/// Two frames whose relative delays differ by more belong to different time lines.
const LONGEST_STEP_US: i64 = 10_000_000;

/// The playout of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playout {
    /// From the complete arrival to the playout; none left where the frame is late.
    pub delay: Duration,
    /// The frame was complete after it was due.
    pub late: bool,
}

/// The playout of one frame by both jitter buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playouts {
    /// By the moving average of the delay variation.
    pub average: Playout,
    /// By the histogram of relative delays.
    pub libwebrtc: Playout,
}

/// The jitter buffers of one stream, in constant memory.
#[derive(Clone, Debug)]
pub struct PlayoutMeter {
    clock_rate: u32,
    last: Option<Arrival>,
    fastest: Fastest,
    average: MovingAverage,
    relative: RelativeDelays,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    timestamp: u32,
    /// Unwrapped RTP timestamp.
    ticks: i64,
    transit_us: i64,
}

impl PlayoutMeter {
    /// Create the jitter buffers of a stream with this RTP clock rate.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: clock_rate.max(1),
            last: None,
            fastest: Fastest::default(),
            average: MovingAverage::default(),
            relative: RelativeDelays::default(),
        }
    }

    /// Start a new time line, since the SSRC changed; targets are kept.
    pub fn restart(&mut self) {
        self.last = None;
        self.fastest = Fastest::default();
    }

    /// Record a frame that is complete at `now`.
    ///
    /// Its playout follows from the targets before it: it cannot delay itself.
    pub fn frame(&mut self, now: Time, timestamp: u32) -> Playouts {
        let mut arrival = self.arrival(now, timestamp);
        let mut step_us = self.step_us(&arrival);
        if step_us.abs() > LONGEST_STEP_US {
            self.restart();
            arrival = self.arrival(now, timestamp);
            step_us = 0;
        }
        let is_first = self.last.replace(arrival).is_none();
        let delay = self.fastest.relative_delay(now, arrival.transit_us);
        let playouts = Playouts {
            average: playout(self.average.target(), delay),
            libwebrtc: playout(self.relative.target(), delay),
        };
        if !is_first {
            self.average.record(step_us.unsigned_abs());
        }
        self.relative.record(now, delay);
        playouts
    }

    fn arrival(&self, now: Time, timestamp: u32) -> Arrival {
        let ticks = self.last.map_or(0, |last| {
            let step = timestamp.wrapping_sub(last.timestamp) as i32;
            last.ticks + i64::from(step)
        });
        let media_us = ticks * 1_000_000 / i64::from(self.clock_rate);
        Arrival {
            timestamp,
            ticks,
            transit_us: now.as_micros() as i64 - media_us,
        }
    }

    /// Return the delay variation: the spacing of two arrivals minus that of their timestamps.
    fn step_us(&self, arrival: &Arrival) -> i64 {
        self.last
            .map_or(0, |last| arrival.transit_us - last.transit_us)
    }
}

fn playout(target: Duration, relative_delay: Duration) -> Playout {
    Playout {
        delay: target.saturating_sub(relative_delay),
        late: relative_delay > target,
    }
}
