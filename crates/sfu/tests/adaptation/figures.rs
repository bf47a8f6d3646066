//! What a viewer received beside what its share of the capacity allows.

use std::fmt;

use swarm::figures::{LinkFigures, StreamFigures};
use swarm::message::{CommandResult, Event};

use serde_json::json;

use super::call::{Call, Viewer};

/// Bitrates of the encodings on the wire, headers included, bit/s.
const WIRE_BPS: [f64; 3] = [164_000.0, 540_000.0, 1_815_000.0];
const AUDIO_BPS: f64 = 57_600.0;
/// The largest encoding that fits this share of the capacity is the ideal one.
const USABLE: f64 = 0.85;
/// Estimates follow a change of the capacity within this.
const FOLLOWS_MS: u64 = 10_000;

/// Values from these milliseconds on.
type Steps<T> = Vec<(u64, T)>;

/// One video of a viewer over time.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Encodings received.
    received: Steps<usize>,
    /// Encodings that its share of the capacity allows.
    wanted: Steps<usize>,
    end_ms: u64,
}

/// The figures of one viewer.
#[derive(Clone, Debug)]
pub struct Figures {
    pub seen: Vec<Seen>,
    pub freeze_est: f64,
    pub longest_gap_ms: f64,
    pub lost_after_repair: f64,
    pub queue_p95_ms: f64,
    pub lost: f64,
    pub delivered_bytes: u64,
    /// Largest relative distance of the estimates to the share of the capacity.
    pub estimate_off: f64,
    estimates: Steps<u64>,
}

fn ideal(share_bps: f64, audio: bool) -> usize {
    let audio_bps = if audio { AUDIO_BPS } else { 0.0 };
    let fits = |bps: &f64| bps + audio_bps <= USABLE * share_bps;
    WIRE_BPS.iter().rposition(fits).unwrap_or(0)
}

fn at<T: Copy>(steps: &[(u64, T)], ms: u64) -> Option<T> {
    steps.iter().rev().find(|it| it.0 <= ms).map(|it| it.1)
}

impl Seen {
    /// Return the share of a time for which this holds of the encoding and the ideal one.
    pub fn share(&self, from_ms: u64, until_ms: u64, holds: impl Fn(usize, usize) -> bool) -> f64 {
        let pair = |ms: &u64| Some((at(&self.received, *ms)?, at(&self.wanted, *ms)?));
        let times = (from_ms..until_ms.min(self.end_ms)).step_by(10);
        let all = times.clone().count().max(1);
        times
            .filter_map(|ms| pair(&ms))
            .filter(|it| holds(it.0, it.1))
            .count() as f64
            / all as f64
    }

    /// Return the share of the time in the ideal encoding.
    pub fn ideal_share(&self, from_ms: u64) -> f64 {
        self.share(from_ms, self.end_ms, |is, ideal| is == ideal)
    }

    /// Return when the first frame came.
    pub fn first_ms(&self) -> u64 {
        self.received.first().expect("video").0
    }

    /// Return the time from an instant to the ideal encoding.
    pub fn settled_ms(&self, from_ms: u64) -> u64 {
        let is_ideal = |ms: &u64| {
            let is = at(&self.received, *ms);
            is.is_some() && is == at(&self.wanted, *ms)
        };
        let found = (from_ms..self.end_ms).find(is_ideal);
        found.map_or(u64::MAX, |ms| ms - from_ms)
    }

    /// Return the longest times to the ideal after its rises and after its drops, until it changes.
    pub fn slowest_ms(&self) -> (u64, u64) {
        let (mut rise, mut drop) = (0, 0);
        for (nth, change) in self.wanted.iter().enumerate().skip(1) {
            let before = self.wanted[nth - 1].1;
            let until = self.wanted.get(nth + 1).map_or(self.end_ms, |it| it.0);
            let waited = self.settled_ms(change.0).min(until - change.0);
            match change.1 > before {
                true => rise = waited.max(rise),
                false => drop = waited.max(drop),
            }
        }
        (rise, drop)
    }

    pub fn switches_per_10s(&self, from_ms: u64) -> f64 {
        let switches = self.received.iter().skip(1).filter(|it| it.0 >= from_ms);
        let seconds = self.end_ms.saturating_sub(from_ms) as f64 / 1_000.0;
        switches.count() as f64 * 10.0 / seconds
    }

    /// Return the encoding at an instant.
    pub fn encoding_at(&self, ms: u64) -> Option<usize> {
        at(&self.received, ms)
    }
}

impl Call {
    /// Return the figures of a viewer; those of frames and packets are since the last
    /// [`Call::measure`].
    pub fn figures(&mut self, viewer: &Viewer, audio: bool) -> Figures {
        let now = self.net.now;
        let figures = self.net.bots.figures(now, true);
        let streams: Vec<_> = figures.streams.iter().collect();
        let streams = streams
            .into_iter()
            .filter(|it| viewer.videos.contains(&it.stream));
        let streams: Vec<StreamFigures> = streams.cloned().collect();
        let link = self.link(viewer.bot);
        let sum = |value: fn(&StreamFigures) -> f64| streams.iter().map(value).sum::<f64>();
        let most = |value: fn(&StreamFigures) -> f64| streams.iter().map(value).fold(0.0, f64::max);
        let estimates = self.estimates.iter().filter(|it| it.0 == viewer.bot);
        let estimates: Steps<u64> = estimates.map(|it| (it.1, it.2)).collect();
        let sent = link.datagrams.max(1) as f64;
        Figures {
            seen: viewer
                .videos
                .iter()
                .map(|it| self.seen(*it, audio))
                .collect(),
            freeze_est: sum(|it| it.frozen_ms) / sum(|it| it.playing_ms),
            longest_gap_ms: most(|it| it.longest_gap_ms),
            lost_after_repair: sum(|it| it.packets_lost_after_rtx as f64)
                / sum(|it| it.packets_expected as f64),
            queue_p95_ms: link.queue_wait.quantile_ms(0.95).unwrap_or(0.0),
            lost: (link.queue_drops + link.losses) as f64 / sent,
            delivered_bytes: link.bytes_delivered,
            estimate_off: self.estimate_off(&estimates),
            estimates,
        }
    }

    fn link(&mut self, bot: u32) -> LinkFigures {
        let snapshot = json!({"type": "snapshot", "links": true});
        let Some(CommandResult::Figures(figures)) = self.net.bot_command(snapshot) else {
            panic!("no figures");
        };
        let is_down =
            |it: &&LinkFigures| it.bot == bot && it.direction == swarm::figures::Direction::Down;
        figures.links.iter().find(is_down).expect("a link").clone()
    }

    fn seen(&self, video: u32, audio: bool) -> Seen {
        let received = self.net.bot_events.iter().filter_map(|event| match event {
            Event::FirstFrame {
                stream,
                encoding_index: Some(encoding),
                at_ns,
            }
            | Event::EncodingChanged {
                stream,
                encoding_index: encoding,
                at_ns,
            } if *stream == video => Some((
                at_ns / 1_000_000 - self.start.as_millis(),
                usize::from(*encoding),
            )),
            _ => None,
        });
        let mut wanted: Steps<usize> = Vec::new();
        for (ms, share_bps) in &self.capacities {
            let encoding = ideal(*share_bps, audio);
            if wanted.last().is_none_or(|it| it.1 != encoding) {
                wanted.push((*ms, encoding));
            }
        }
        Seen {
            received: received.collect(),
            wanted,
            end_ms: self.ms(self.net.now),
        }
    }

    fn estimate_off(&self, estimates: &[(u64, u64)]) -> f64 {
        let mut worst: f64 = 0.0;
        for (nth, (from_ms, share_bps)) in self.capacities.iter().enumerate() {
            let until_ms = self.capacities.get(nth + 1).map_or(u64::MAX, |it| it.0);
            let span = from_ms + FOLLOWS_MS..until_ms;
            let inside = estimates.iter().filter(|it| span.contains(&it.0));
            let (count, sum) = inside.fold((0, 0.0), |it, one| (it.0 + 1, it.1 + one.1 as f64));
            if count > 0 {
                worst = worst.max((sum / f64::from(count) - share_bps).abs() / share_bps);
            }
        }
        worst
    }
}

impl Figures {
    /// Print what happened where that is requested.
    pub fn print(&self, case: &str, from_ms: u64) -> &Self {
        if let Some(level) = std::env::var_os("ADAPTATION_TRACE") {
            println!("{case}: {self}");
            if level == "2" {
                println!("{:?}", self.estimates);
            }
            for seen in &self.seen {
                let (rise, drop) = seen.slowest_ms();
                println!(
                    "  ideal {:.3}, rise {rise} drop {drop}, {:.2} switches in 10 s: {:?}",
                    seen.ideal_share(from_ms),
                    seen.switches_per_10s(from_ms),
                    seen.received,
                );
            }
        }
        self
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "frozen {:.2} %, gap {:.0} ms, lost {:.2} %, after repair {:.3} %, queue p95 {:.0} ms, \
             {:.0} kB, estimate off {:.2}",
            self.freeze_est * 100.0,
            self.longest_gap_ms,
            self.lost * 100.0,
            self.lost_after_repair * 100.0,
            self.queue_p95_ms,
            self.delivered_bytes as f64 / 1_000.0,
            self.estimate_off,
        )
    }
}
