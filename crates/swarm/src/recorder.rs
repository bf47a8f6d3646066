//! Measurements and events of all streams of an engine.

use crate::assemble::Frame;
use crate::figures::{Histograms, Totals};
use crate::frame_id::FrameId;
use crate::measure::Histogram;
use crate::message::{Event, FrameTiming};
use crate::playout::Playouts;
use std::time::Duration;
use wire::time::Time;

/// Measurements and events of all streams of an engine.
#[derive(Debug)]
pub struct Recorder {
    /// The time is within the measurement window, or no window is set.
    pub recording: bool,
    /// Histograms of the recorded time.
    pub histograms: Histograms,
    /// Counts since the start.
    pub totals: Totals,
    /// Events for the control plane.
    pub events: Vec<Event>,
    /// The clock of the frame ids minus the clock of this swarm: 0 for frames of its own bots.
    pub frame_clock_offset_ns: i64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            recording: true,
            histograms: Histograms {
                e2e_frame: Histogram::fine(),
                e2e_delta: Histogram::fine(),
                e2e_keyframe: Histogram::fine(),
                playout_delay: Histogram::fine(),
                playout_delay_libwebrtc: Histogram::fine(),
                rtt: Histogram::fine(),
                lag: Histogram::fine(),
            },
            totals: Totals::default(),
            events: Vec::new(),
            frame_clock_offset_ns: 0,
        }
    }
}

impl Recorder {
    /// Return the frame id or capture time that the delay of a frame is measured by, and count it.
    pub fn timed(&mut self, timing: FrameTiming, frame: &Frame) -> Option<FrameId> {
        let in_band = frame.id.filter(|_| timing != FrameTiming::CaptureTime);
        let extension = frame.captured.filter(|_| timing != FrameTiming::FrameId);
        self.totals.frames_by_id += u64::from(in_band.is_some());
        self.totals.frames_by_capture_time += u64::from(in_band.is_none() && extension.is_some());
        self.totals.frames_untimed += u64::from(in_band.is_none() && extension.is_none());
        in_band.or(extension)
    }

    /// Return the delay of a frame that is complete at `now`; 0 where its capture seems later.
    pub fn frame_delay(&mut self, now: Time, id: &FrameId) -> Duration {
        let nanos = now.as_nanos();
        let now = Time::from_nanos(nanos.saturating_add_signed(self.frame_clock_offset_ns));
        let captured = id.captured(now);
        self.totals.frames_early += u64::from(captured > now);
        now.since(captured)
    }

    /// Record the end-to-end delay of a frame.
    pub fn record_frame_delay(&mut self, delay: Duration, keyframe: bool) {
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

    /// Record the playout of a video frame by both jitter buffers.
    pub fn record_playouts(&mut self, playouts: &Playouts) {
        if self.recording {
            let Histograms {
                playout_delay,
                playout_delay_libwebrtc,
                ..
            } = &mut self.histograms;
            playout_delay.record(playouts.average.delay);
            playout_delay_libwebrtc.record(playouts.libwebrtc.delay);
        }
    }

    /// Record a round-trip time.
    pub fn record_rtt(&mut self, rtt: Duration) {
        if self.recording {
            self.histograms.rtt.record(rtt);
        }
    }

    /// Record the lag of an action that was scheduled for `due`.
    pub fn record_lag(&mut self, now: Time, due: Time) {
        if self.recording {
            self.histograms.lag.record(now.since(due));
        }
    }

    /// Reset the histograms.
    pub fn clear(&mut self) {
        let Histograms {
            e2e_frame,
            e2e_delta,
            e2e_keyframe,
            playout_delay,
            playout_delay_libwebrtc,
            rtt,
            lag,
        } = &mut self.histograms;
        for histogram in [
            e2e_frame,
            e2e_delta,
            e2e_keyframe,
            playout_delay,
            playout_delay_libwebrtc,
            rtt,
            lag,
        ] {
            histogram.clear();
        }
    }
}
