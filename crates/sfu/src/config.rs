//! What an engine is told once, at its start.

use std::time::Duration;

use serde::Deserialize;

use crate::message::SrtpChoice;

/// How subscribers' bandwidth is estimated.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Bwe {
    /// Not at all: requests alone decide.
    None,
    /// From loss and round-trip time in receiver reports.
    #[default]
    LossRtt,
}

/// Settings of one engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How long what arrives in a room waits for more while there is little to do, ms; 0 sends at
    /// once, always.
    pub coalesce_ms: u64,
    /// Lengthen packets by RTP padding where that joins them into one run.
    pub pad: bool,
    /// How long packets stay for retransmission, ms; absent: max(1 s, 4 x RTT).
    pub nack_ttl_ms: Option<u64>,
    /// Most payload bytes kept for each encoding.
    pub history_bytes: usize,
    /// Answer Binding requests of strangers on the media port.
    pub stun: bool,
    /// How subscribers' bandwidth is estimated.
    pub bwe: Bwe,
    /// Where an estimate starts and ends, bit/s; absent: what the subscriptions could use.
    pub max_subscription_bitrate_bps: Option<u64>,
    /// What publishers are told, and held to one and a half times of, bit/s.
    pub max_publish_bitrate_bps: Option<u64>,
    /// Which SRTP profiles may be negotiated.
    pub srtp: SrtpChoice,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            coalesce_ms: 5,
            pad: true,
            nack_ttl_ms: None,
            history_bytes: 512 * 1024,
            stun: false,
            bwe: Bwe::LossRtt,
            max_subscription_bitrate_bps: None,
            max_publish_bitrate_bps: None,
            srtp: SrtpChoice::Auto,
        }
    }
}

impl Config {
    /// Return how long packets are kept for a subscriber at this round-trip time.
    #[must_use]
    pub fn keep(&self, rtt: Duration) -> Duration {
        const LONGEST: Duration = Duration::from_secs(3);
        match self.nack_ttl_ms {
            Some(ms) => Duration::from_millis(ms),
            None => (rtt * 4).clamp(Duration::from_secs(1), LONGEST),
        }
    }

    /// Return the window in which a room's packets wait for each other while there is little to do.
    #[must_use]
    pub fn calm_window(&self) -> Duration {
        Duration::from_millis(self.coalesce_ms)
    }
}
