//! Allocation: which layer each video subscription of a transport gets within an estimate. Pure.
//!
//! 1. [`ladder`](self): the candidates of a subscription that its request admits, from the lowest
//!    to the highest, are the levels that it may get.
//! 2. [`order`](self): the steps from level to level of all subscriptions, in the order in which
//!    they are granted. It does not depend on the estimate.
//! 3. [`allocate`] grants, in that order, each step that fits.
//!
//! Since the order is fixed, the granted steps with a higher estimate are lexicographically at
//! least those with a lower one. The subscription of the highest priority gets a step only after
//! all steps before it, so that its level never falls when the estimate rises.
//!
//! [`hysteresis`] decides, over time, which estimate counts and which steps may be added;
//! [`failures`] are those that had to be removed again.

mod failures;
pub mod hysteresis;
mod ladder;
mod order;
mod wish;

pub use ladder::wanted_bps;
pub use wish::{Ask, Candidate, FrameSize, Held, Rank, Wish};

use hysteresis::Rise;
use ladder::Ladder;
use order::Step;

/// The lowest layer of the last video is sent up to this multiple of what is left for video: below
/// that it would harm audio, and is paused.
const LAST_EXCESS: u64 = 2;
/// Beside audio it resumes where so much of it fits: an estimate that varies would else fill the link
/// with video again and again.
const RESUMED_PERCENT: u64 = 75;

/// What a transport may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Estimate of the bandwidth, bit/s; `None`: unlimited.
    pub estimate_bps: Option<u64>,
    /// Audio and retransmissions, which are sent before any video, bit/s.
    pub reserved_bps: u64,
    /// Bitrate of all video that was sent a moment ago: as much needs nothing to spare.
    pub sent_bps: u64,
    /// Which steps above the present layers may be added.
    pub rise: Rise,
}

/// What a subscription gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// [`Wish::id`].
    pub id: u32,
    /// Index into [`Wish::candidates`]; `None`: paused.
    pub candidate: Option<usize>,
    /// Reason code.
    pub reason: &'static str,
}

/// The step that comes next in the order, but does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// [`Wish::id`].
    pub id: u32,
    /// Index into [`Wish::candidates`].
    pub candidate: usize,
    /// The estimate at which the step is granted, without a margin, bit/s.
    pub estimate_bps: u64,
}

/// The outcome of an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// One for each wish, in the order of the wishes.
    pub grants: Vec<Grant>,
    /// Wire bitrate of the granted candidates, bit/s.
    pub granted_bps: u64,
    /// What is left of the estimate, bit/s; `None`: unlimited.
    pub left_bps: Option<u64>,
    /// What a probe should try next.
    pub next: Option<NextStep>,
}

/// Allocate an estimate to the video subscriptions of one transport.
///
/// Every subscription gets its lowest layer before another gets more than that costs. If not even
/// the lowest layer of the subscription with the highest priority fits, it alone is sent, or paused
/// too where not even half of it fits; beside audio it resumes where three quarters of it fit. The identifiers of the wishes are unique; their order is irrelevant.
#[must_use]
pub fn allocate(limits: &Limits, wishes: &[Wish<'_>]) -> Allocation {
    let ladders: Vec<Ladder> = wishes.iter().map(Ladder::new).collect();
    let steps = order::steps(wishes, &ladders);
    let present_bps = present_bps(wishes).max(limits.sent_bps);
    let granted = grant_steps(limits, &steps, present_bps, wishes.len());
    let grants = wishes.iter().zip(&ladders).enumerate();
    Allocation {
        grants: grants
            .map(|(nth, (wish, ladder))| ladder.grant(wish, granted.levels[nth]))
            .collect(),
        granted_bps: granted.sum_bps,
        left_bps: limits
            .estimate_bps
            .map(|_| available_bps(limits).saturating_sub(granted.sum_bps)),
        next: granted.next.map(|(step, sum_bps)| NextStep {
            id: wishes[step.wish].id,
            candidate: step.candidate,
            estimate_bps: sum_bps.saturating_add(limits.reserved_bps),
        }),
    }
}

/// The steps granted so far.
struct Granted<'a> {
    /// Levels granted to each wish.
    levels: Vec<usize>,
    sum_bps: u64,
    /// The first step that was not granted, and the sum with it.
    next: Option<(&'a Step, u64)>,
}

/// Grant each step that fits. A step within the bitrate that is sent now needs nothing to spare.
fn grant_steps<'a>(
    limits: &Limits,
    steps: &'a [Step],
    present_bps: u64,
    wishes: usize,
) -> Granted<'a> {
    let available = available_bps(limits);
    let mut granted = Granted {
        levels: vec![0; wishes],
        sum_bps: 0,
        next: None,
    };
    // The first step is the lowest layer of the subscription with the highest priority.
    let highest = steps.first().map(|step| step.wish);
    for (nth, step) in steps.iter().enumerate() {
        if granted.levels[step.wish] != step.level {
            continue;
        }
        let sum_bps = granted.sum_bps.saturating_add(step.cost_bps);
        let rise = match step.needs_spare {
            true => limits.rise,
            false => limits.rise.without_spare(),
        };
        let may_rise = || sum_bps <= present_bps || rise.allows(sum_bps, available);
        let fits = sum_bps <= available && (!step.is_rise || may_rise());
        let waits = Some(step.wish) == highest && granted.next.is_some();
        // All were paused, so that audio is not lost.
        let is_resumed = step.is_rise && present_bps == 0 && limits.reserved_bps > 0;
        let least_bps = match is_resumed {
            true => step.cost_bps / 100 * RESUMED_PERCENT,
            false => step.cost_bps / LAST_EXCESS,
        };
        let is_last = nth == 0 && least_bps <= available;
        if is_last || fits && !waits {
            granted.levels[step.wish] += 1;
            granted.sum_bps = sum_bps;
        } else if granted.next.is_none() {
            granted.next = Some((step, sum_bps));
        }
    }
    granted
}

/// Return the wire bitrate of what the subscriptions have now, bit/s.
#[must_use]
pub fn present_bps(wishes: &[Wish<'_>]) -> u64 {
    let bps = |wish: &Wish<'_>| match wish.held {
        Held::Candidate(held) => wish.candidates.get(held).map_or(0, |layer| layer.wire_bps),
        Held::New | Held::Paused => 0,
    };
    wishes.iter().map(bps).fold(0, u64::saturating_add)
}

fn available_bps(limits: &Limits) -> u64 {
    let estimate = limits.estimate_bps.unwrap_or(u64::MAX);
    estimate.saturating_sub(limits.reserved_bps)
}

#[cfg(test)]
mod tests;
