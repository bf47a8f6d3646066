//! The quality score of a received stream, 0 to 100: docs/quality.md has its definition.
//!
//! Every second the score is the least of three, each 100 minus what it misses: delay and loss of
//! the packets, bitrate, distance to the wanted simulcast encoding. The idea is that of LiveKit's
//! connection quality; delay is the term of the simplified E-model. The score follows a worse second
//! faster than a better one.

use crate::figures::{Points, QualityFigures, StreamCounts};
use crate::message::Wanted;
use std::time::Duration;
use wire::time::Time;

const INTERVAL: Duration = Duration::from_secs(1);
const BEST: f64 = 100.0;
/// Share of the difference that the score takes over in an interval.
const RISE: f64 = 0.4;
const FALL: f64 = 0.7;
/// Points lost per percent of lost packets.
const VIDEO_LOSS: f64 = 10.0;
const AUDIO_LOSS: f64 = 2.5;
/// Points lost per encoding below the wanted one.
const ENCODING_DISTANCE: f64 = 35.0;
/// Points lost where the bitrate is the e-th part of the expected one.
const BITRATE: f64 = 20.0;

/// Facts about a stream that its counts do not have.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Video, which needs every packet for all frames up to the next key frame.
    pub video: bool,
    /// Index of the received encoding, as published.
    pub encoding: Option<u8>,
    /// Round-trip time of the transport.
    pub round_trip: Option<Duration>,
}

/// Scores one stream every second, in constant memory.
#[derive(Clone, Debug, Default)]
pub struct QualityMeter {
    wanted: Option<Wanted>,
    /// Start of the interval.
    mark: Option<(Time, StreamCounts)>,
    delays: u32,
    delay_sum: Duration,
    score: Option<f64>,
    scores: u32,
    sum: f64,
    least: f64,
    lost: Points,
}

impl QualityMeter {
    /// Create a meter; without `wanted` bitrate and encoding are not judged.
    #[must_use]
    pub fn new(wanted: Option<Wanted>) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// Set the wanted encoding, where one was wanted at the start.
    pub fn set_wanted(&mut self, encoding_index: u8) {
        if let Some(wanted) = &mut self.wanted {
            wanted.encoding_index = encoding_index;
        }
    }

    /// Record the delay of a frame from its capture.
    pub fn frame(&mut self, delay: Duration) {
        self.delays += 1;
        self.delay_sum += delay;
    }

    /// Start the measurement window; the score goes on.
    pub fn count_from_now(&mut self) {
        (self.scores, self.sum, self.least) = (0, 0.0, 0.0);
        self.lost = Points::default();
    }

    /// Score the interval where a second has passed; the window counts it if it is `recording`.
    pub fn update(
        &mut self,
        now: Time,
        counts: &StreamCounts,
        observed: &Observed,
        recording: bool,
    ) {
        if counts.packets == 0 {
            return;
        }
        let Some((since, before)) = self.mark else {
            self.mark = Some((now, *counts));
            return;
        };
        let elapsed = now.since(since);
        if elapsed < INTERVAL {
            return;
        }
        let points = self.points(elapsed, &counts.since(&before), observed);
        let score = self.smoothed(score(&points));
        if recording {
            self.least = if self.scores == 0 {
                score
            } else {
                self.least.min(score)
            };
            self.scores += 1;
            self.sum += score;
            self.lost = self.lost.plus(&points);
        }
        self.mark = Some((now, *counts));
        (self.delays, self.delay_sum) = (0, Duration::ZERO);
    }

    /// Return the figures of the measurement window; none before the first interval.
    #[must_use]
    pub fn figures(&self) -> Option<QualityFigures> {
        let count = f64::from(self.scores);
        (self.scores > 0).then(|| QualityFigures {
            score: self.sum / count,
            least: self.least,
            lost: self.lost.times(1.0 / count),
        })
    }

    fn smoothed(&mut self, score: f64) -> f64 {
        let before = self.score.unwrap_or(score);
        let share = if score < before { FALL } else { RISE };
        let smoothed = before + share * (score - before);
        self.score = Some(smoothed);
        smoothed
    }

    fn points(&self, elapsed: Duration, counts: &StreamCounts, observed: &Observed) -> Points {
        if counts.packets == 0 {
            return Points {
                loss: BEST,
                ..Points::default()
            };
        }
        let lost = counts.loss.lost_after_rtx() as f64 / counts.loss.expected.max(1) as f64;
        let weight = if observed.video {
            VIDEO_LOSS
        } else {
            AUDIO_LOSS
        };
        Points {
            delay: delay_points(self.delay_ms(counts, observed)),
            loss: (lost * 100.0 * weight).min(BEST),
            bitrate: self.bitrate_points(elapsed, counts, observed),
            layer: self.layer_points(observed),
        }
    }

    /// Return the mean time from capture to playout: by frame ids, else by the round trip of the
    /// transport, as if the publisher's were as long.
    fn delay_ms(&self, counts: &StreamCounts, observed: &Observed) -> f64 {
        let one_way = match self.delays {
            0 => observed.round_trip.unwrap_or_default(),
            delays => self.delay_sum / delays,
        };
        let playout_ms = counts.mean_ms(counts.playout_us).unwrap_or_default();
        one_way.as_secs_f64() * 1_000.0 + playout_ms
    }

    fn bitrate_points(&self, elapsed: Duration, counts: &StreamCounts, observed: &Observed) -> f64 {
        let wanted = self.wanted.as_ref().zip(observed.encoding);
        let expected = wanted.and_then(|(wanted, index)| wanted.bitrate_bps(index));
        let Some(expected) = expected.filter(|expected| *expected > 0) else {
            return 0.0;
        };
        let actual = counts.bytes as f64 * 8.0 / elapsed.as_secs_f64();
        (BITRATE * (expected as f64 / actual.max(1.0)).ln()).clamp(0.0, BEST)
    }

    fn layer_points(&self, observed: &Observed) -> f64 {
        let wanted = self.wanted.as_ref().zip(observed.encoding);
        wanted.map_or(0.0, |(wanted, index)| {
            let distance = wanted.encoding_index.saturating_sub(index);
            (ENCODING_DISTANCE * f64::from(distance)).min(BEST)
        })
    }
}

/// Return the points that a delay costs: a fortieth of it up to 160 ms, a tenth of it beyond, which
/// is the delay impairment of the simplified E-model (ITU-T G.107) in its usual two straight lines.
fn delay_points(delay_ms: f64) -> f64 {
    let points = match delay_ms < 160.0 {
        true => delay_ms / 40.0,
        false => (delay_ms - 120.0) / 10.0,
    };
    points.clamp(0.0, BEST)
}

/// Return the score of one interval.
fn score(points: &Points) -> f64 {
    let packets = points.delay + points.loss;
    (BEST - packets.max(points.bitrate).max(points.layer)).clamp(0.0, BEST)
}
