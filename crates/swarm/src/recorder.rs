//! What all streams report to while they run.

use crate::figures::{Histograms, Totals};
use crate::measure::Histogram;
use crate::message::Event;
use std::time::Duration;
use wire::time::Time;

/// What all streams report to.
#[derive(Debug)]
pub struct Recorder {
    /// Within the window, or there is none.
    pub recording: bool,
    /// Distributions while recording.
    pub histograms: Histograms,
    /// Counts since the start.
    pub totals: Totals,
    /// What the control plane is told.
    pub events: Vec<Event>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            recording: true,
            histograms: Histograms {
                e2e_frame: Histogram::fine(),
                e2e_delta: Histogram::fine(),
                e2e_keyframe: Histogram::fine(),
                rtt: Histogram::fine(),
                lag: Histogram::fine(),
            },
            totals: Totals::default(),
            events: Vec::new(),
        }
    }
}

impl Recorder {
    /// Note the delay of a frame.
    pub fn frame_delay(&mut self, delay: Duration, keyframe: bool) {
        if !self.recording {
            return;
        }
        self.histograms.e2e_frame.record(delay);
        if keyframe {
            self.histograms.e2e_keyframe.record(delay);
        } else {
            self.histograms.e2e_delta.record(delay);
        }
    }

    /// Note a round trip.
    pub fn round_trip(&mut self, rtt: Duration) {
        if self.recording {
            self.histograms.rtt.record(rtt);
        }
    }

    /// Note that something scheduled for `due` is done at `now`.
    pub fn acted(&mut self, now: Time, due: Time) {
        if self.recording {
            self.histograms.lag.record(now.since(due));
        }
    }

    /// Forget the distributions.
    pub fn clear(&mut self) {
        let Histograms {
            e2e_frame,
            e2e_delta,
            e2e_keyframe,
            rtt,
            lag,
        } = &mut self.histograms;
        for histogram in [e2e_frame, e2e_delta, e2e_keyframe, rtt, lag] {
            histogram.clear();
        }
    }
}
