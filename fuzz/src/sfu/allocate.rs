//! Allocation of an estimate, and its changes over time.

use sfu::allocate::hysteresis::{Decision, Hysteresis, Rise, Signals};
use sfu::allocate::{
    Allocation, Ask, Candidate, FrameSize, Held, Limits, Rank, Wish, allocate as allocated,
};
use std::time::Duration;
use wire::time::Time;

use crate::input::Input;

const MOST_WISHES: usize = 8;
const MOST_CANDIDATES: usize = 12;

struct Subscription {
    rank: Rank,
    ask: Ask,
    candidates: Vec<Candidate>,
    held: Held,
}

/// Any subscriptions and any estimates over time: the sum stays within the estimate, except for the
/// last subscription, and only usable layers are granted.
pub fn allocate(data: &[u8]) {
    let mut input = Input::new(data);
    let mut all: Vec<_> = (0..=input.below(MOST_WISHES))
        .map(|_| any_subscription(&mut input))
        .collect();
    let (mut state, mut now) = (Hysteresis::default(), Time::from_secs(1));
    while !input.is_empty() {
        now = now + input.span();
        let signals = any_signals(&mut input, &all);
        let decision = state.update(now, &signals);
        assert!(state.due().is_none_or(|due| due > now));
        let allocation = run(&all, decision, reserved(&mut input));
        for (subscription, grant) in all.iter_mut().zip(&allocation.grants) {
            subscription.held = match grant.candidate {
                Some(candidate) => Held::Candidate(candidate),
                None => Held::Paused,
            };
        }
        if input.flag() {
            let nth = input.below(all.len());
            all[nth] = any_subscription(&mut input);
        }
    }
}

fn run(all: &[Subscription], decision: Decision, reserved_bps: u64) -> Allocation {
    let limits = Limits {
        estimate_bps: decision.estimate_bps,
        reserved_bps,
        sent_bps: decision.sent_bps,
        rise: decision.rise,
    };
    let wishes: Vec<Wish<'_>> = all.iter().enumerate().map(wish).collect();
    let allocation = allocated(&limits, &wishes);
    let layers = allocation.grants.iter().zip(all).filter_map(|(grant, of)| {
        let candidate = &of.candidates[grant.candidate?];
        assert!(candidate.usable);
        Some(candidate.wire_bps)
    });
    let sum = layers.clone().fold(0, u64::saturating_add);
    assert_eq!(sum, allocation.granted_bps);
    let estimate = decision.estimate_bps.unwrap_or(u64::MAX);
    assert!(sum <= estimate.saturating_sub(reserved_bps) || layers.count() == 1);
    if let Some(next) = allocation.next {
        let estimate_bps = Some(next.estimate_bps);
        let probed = Limits {
            estimate_bps,
            rise: Rise::ANY,
            ..limits
        };
        assert!(allocated(&probed, &wishes).granted_bps > 0);
    }
    allocation
}

fn wish((nth, of): (usize, &Subscription)) -> Wish<'_> {
    Wish {
        id: nth as u32,
        rank: of.rank,
        ask: of.ask,
        candidates: &of.candidates,
        held: of.held,
    }
}

fn any_subscription(input: &mut Input<'_>) -> Subscription {
    Subscription {
        rank: Rank {
            pinned: input.flag(),
            priority: input.u8(),
            screen: input.flag(),
            speaker: input.flag(),
        },
        ask: Ask {
            encoding: input.flag().then(|| input.u8() % 9),
            size: input.flag().then(|| any_size(input)),
            fps: input.flag().then(|| input.u16()),
            spatial: input.flag().then(|| input.u8() % 5),
            temporal: input.flag().then(|| input.u8() % 9),
        },
        candidates: (0..input.below(MOST_CANDIDATES))
            .map(|_| any_candidate(input))
            .collect(),
        held: match input.below(3) {
            0 => Held::New,
            1 => Held::Paused,
            _ => Held::Candidate(input.below(MOST_CANDIDATES + 2)),
        },
    }
}

fn any_candidate(input: &mut Input<'_>) -> Candidate {
    Candidate {
        encoding: input.u8(),
        spatial: input.u8() % 4,
        temporal: input.u8() % 4,
        wire_bps: any_bitrate(input),
        size: input.flag().then(|| any_size(input)),
        fps: input.u16(),
        usable: input.u8() < 240,
    }
}

fn any_size(input: &mut Input<'_>) -> FrameSize {
    FrameSize {
        width: input.u16(),
        height: input.u16(),
    }
}

/// Up to 65 Mb/s, or now and then any number.
fn any_bitrate(input: &mut Input<'_>) -> u64 {
    match input.u8() {
        255 => input.u64(),
        _ => u64::from(input.u16()) * 1_000,
    }
}

fn reserved(input: &mut Input<'_>) -> u64 {
    u64::from(input.u8()) * 1_000
}

fn any_signals(input: &mut Input<'_>, all: &[Subscription]) -> Signals {
    let bps = |of: &Subscription| match of.held {
        Held::Candidate(held) => of.candidates.get(held).map_or(0, |layer| layer.wire_bps),
        Held::New | Held::Paused => 0,
    };
    Signals {
        estimate_bps: (input.u8() < 250).then(|| any_bitrate(input)),
        need_bps: all.iter().map(bps).fold(0, u64::saturating_add),
        video_bps: all.iter().map(bps).fold(0, u64::saturating_add),
        queueing: input
            .flag()
            .then(|| Duration::from_millis(u64::from(input.u8()))),
        is_queue_foreign: input.flag(),
        loss: f32::from(input.u8()) / 255.0,
        probe_passed: input.flag(),
        probed_bps: input.flag().then(|| any_bitrate(input)),
    }
}
