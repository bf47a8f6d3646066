//! Send-side bandwidth estimation: how much a transport may send.
//!
//! [`control`] selects the estimator by what the receiver has feedback for. [`loss_rtt`] follows
//! receiver reports, [`remb`] the receiver's own estimate. All the rest is Google congestion control as libwebrtc
//! does it today, for the transport of a subscriber that negotiates transport-wide feedback.
//! Nothing here reads a clock, allocates per packet or knows what a packet carries.
//!
//! | part | question | source |
//! |---|---|---|
//! | [`ledger`] | which packets were sent, and when? | draft-holmer-rmcat-transport-wide-cc-extensions-01 |
//! | [`groups`] | how much longer did a group take than the one before? | draft-ietf-rmcat-gcc-02, 4.2 |
//! | [`trendline`] | does the queue of the bottleneck grow? | 4.3, 4.4; libwebrtc's trendline |
//! | [`queue`] | how long may it be? | several transports of one bottleneck |
//! | [`acknowledged`] | what arrives? | libwebrtc |
//! | [`link_capacity`] | at which rate was the link full? | libwebrtc |
//! | [`aimd`] | how does the rate follow? | 4.5 |
//! | [`loss`] | how does the rate follow losses? | 5 |
//! | [`probe`] | does more fit? | libwebrtc, towards the steps of an SFU |
//! | [`gcc`] | all of it together, silence of the receiver, path changes | |
//!
//! What differs from a sender with an encoder: an SFU sends the encodings that it has. Between two
//! of them it cannot send a little more to see whether that fits. So while less is sent than the
//! estimate allows (application-limited), the estimate neither grows nor decays; probes towards the
//! next step raise it, and one overuse does not take it below the capacity that was seen before.

pub mod acknowledged;
pub mod aimd;
pub mod control;
pub mod gcc;
pub mod groups;
pub mod ledger;
pub mod link_capacity;
pub mod loss;
pub mod loss_rtt;
pub mod probe;
pub mod queue;
mod reference;
pub mod remb;
mod sent_rate;
mod silence;
pub mod trendline;
mod trial;

use std::time::Duration;

/// A report block of a receiver report about one outgoing stream.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// RFC 3550 fraction lost, in 256ths.
    pub fraction_lost: u8,
    /// Round-trip time, where the block refers to a sender report.
    pub rtt: Option<Duration>,
}
