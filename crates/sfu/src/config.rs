//! Configuration of an engine.

use std::time::Duration;

use serde::Deserialize;

use crate::message::SrtpChoice;

/// How subscribers' bandwidth is estimated.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Bwe {
    /// No estimation: the requested encoding is sent.
    None,
    /// From loss and round-trip time in receiver reports.
    LossRtt,
    /// From the receiver's own estimate (REMB), else as [`Bwe::LossRtt`].
    Remb,
    /// From transport-wide feedback, else as [`Bwe::Remb`].
    #[default]
    Gcc,
}

/// Settings of one engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Egress batching: how long the first packet of a room waits for others under low load, ms; 0
    /// disables batching.
    pub coalesce_ms: u64,
    /// Lengthen packets by RTP padding where that joins them into one run.
    pub pad: bool,
    /// How long packets stay for retransmission, ms; absent: max(1 s, 4 x RTT).
    pub nack_ttl_ms: Option<u64>,
    /// Most payload bytes kept for each encoding.
    pub history_bytes: usize,
    /// Answer Binding requests of unauthenticated peers on the media port.
    pub stun: bool,
    /// How subscribers' bandwidth is estimated.
    pub bwe: Bwe,
    /// Upper bound of an estimate, bit/s; absent: 2.5 times the bitrate of the target encodings.
    pub max_subscription_bitrate_bps: Option<u64>,
    /// Bitrate signaled to publishers, bit/s; packets above one and a half times of it are dropped.
    pub max_publish_bitrate_bps: Option<u64>,
    /// Last-N: a subscriber gets the video of so many participants at most; absent: of all.
    pub last_n: Option<u16>,
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
            bwe: Bwe::Gcc,
            max_subscription_bitrate_bps: None,
            max_publish_bitrate_bps: None,
            last_n: None,
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

    /// Return the batching window under low load.
    #[must_use]
    pub fn base_window(&self) -> Duration {
        Duration::from_millis(self.coalesce_ms)
    }
}
