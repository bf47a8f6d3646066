//! The figures of an inbound track in the measurement window.

use super::InboundStream;
use crate::figures::{StreamCounts, StreamFigures, Summary};
use crate::measure::Loss;
use std::time::Duration;
use wire::time::Time;

impl InboundStream {
    /// Open the measurement window.
    pub fn open_window(&mut self, now: Time) {
        self.freeze.count_from(now);
        self.window_start = self.counts(now);
        self.window_end = None;
        self.e2e.clear();
        self.quality.count_from_now();
        if let Some(sampler) = &mut self.sampler {
            sampler.restart();
        }
    }

    /// Close the measurement window.
    pub fn close_window(&mut self, now: Time) {
        self.window_end = Some(self.counts(now));
    }

    /// Return the figures of the measurement window, or since the start where none was opened.
    #[must_use]
    pub fn figures(&self, now: Time) -> StreamFigures {
        let counts = self.window_counts(now);
        StreamFigures {
            stream: self.id,
            bot: self.bot,
            source: self.source_name.clone(),
            kind: self.kind(),
            decrypted: self.decrypted,
            packets_expected: counts.loss.expected,
            packets_lost_raw: counts.loss.lost_raw(),
            packets_lost_after_rtx: counts.loss.lost_after_rtx(),
            packets_received: counts.packets,
            bytes_received: counts.bytes,
            frames: counts.frames,
            keyframes: counts.keyframes,
            frames_skipped: counts.skipped,
            nacks_sent: counts.nacks,
            plis_sent: counts.plis,
            freezes: counts.freezes,
            frozen_ms: ms(counts.frozen),
            playing_ms: ms(counts.playing),
            longest_gap_ms: ms(self.freeze.longest_gap(self.ended.unwrap_or(now))),
            jitter_ms: self.source.as_ref().map(|source| ms(source.stats.jitter())),
            frames_late: counts.late,
            frames_late_libwebrtc: counts.late_libwebrtc,
            playout_delay_ms: counts.mean_ms(counts.playout_us),
            playout_delay_libwebrtc_ms: counts.mean_ms(counts.playout_libwebrtc_us),
            quality: self.quality.figures(),
            e2e_frame: Summary::from(&self.e2e),
            e2e_histogram: self.e2e.clone(),
            first_frame_ns: self.first_frame.map(Time::as_nanos),
            encoding_index: self.encoding,
        }
    }

    /// Return the loss in the measurement window, or since the start where none was opened.
    #[must_use]
    pub fn loss(&self, now: Time) -> Loss {
        self.window_counts(now).loss
    }

    fn window_counts(&self, now: Time) -> StreamCounts {
        let end = self.window_end.unwrap_or_else(|| self.counts(now));
        end.since(&self.window_start)
    }

    pub(super) fn counts(&self, now: Time) -> StreamCounts {
        let now = self.ended.map_or(now, |ended| ended.min(now));
        let (loss, skipped) = self
            .source
            .as_ref()
            .map_or_else(Default::default, |source| {
                (source.loss.loss(), source.assembler.skipped())
            });
        StreamCounts {
            loss: self.earlier.plus(&loss),
            skipped: self.earlier_skipped + skipped,
            freezes: self.freeze.freezes(now),
            frozen: self.freeze.frozen(now),
            playing: self.freeze.playing(now),
            ..self.counts
        }
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
