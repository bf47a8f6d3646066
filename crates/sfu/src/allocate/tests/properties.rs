//! Properties of allocations.

use proptest::prelude::*;
use wire::time::Time;

use super::*;
use crate::allocate::hysteresis::{Hysteresis, Signals};

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let size = prop::option::of((1..4_000_u16, 1..4_000_u16));
    (
        0..3_u8,
        0..3_u8,
        0..3_u8,
        0..3_000_000_u64,
        size,
        0..70_u16,
        prop::bool::weighted(0.9),
    )
        .prop_map(
            |(encoding, spatial, temporal, wire_bps, size, fps, usable)| Candidate {
                encoding,
                spatial,
                temporal,
                wire_bps,
                size: size.map(|(width, height)| FrameSize { width, height }),
                fps,
                usable,
            },
        )
}

/// Any candidates, and what they cost in a sensible order half of the time.
fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    (prop::collection::vec(any_candidate(), 0..6), any::<bool>()).prop_map(
        |(mut layers, sorted)| {
            if sorted {
                layers.sort_by_key(|it| it.wire_bps);
            }
            layers
        },
    )
}

#[derive(Clone, Debug)]
struct AnyWish {
    rank: Rank,
    ask: Ask,
    candidates: Vec<Candidate>,
    held: Held,
}

fn any_wish() -> impl Strategy<Value = AnyWish> {
    let rank = (
        prop::bool::weighted(0.1),
        0..3_u8,
        any::<bool>(),
        any::<bool>(),
    );
    let size = prop::option::of((1..2_000_u16, 1..2_000_u16));
    let ask = (
        prop::option::weighted(0.2, 0..4_u8),
        size,
        prop::option::weighted(0.2, 1..70_u16),
        prop::option::weighted(0.2, (0..4_u8, 0..4_u8)),
    );
    let held = prop_oneof![
        Just(Held::New),
        Just(Held::Paused),
        (0..7_usize).prop_map(Held::Candidate)
    ];
    (rank, ask, any_candidates(), held).prop_map(
        |((pinned, priority, screen, speaker), (encoding, size, fps, layer), candidates, held)| {
            AnyWish {
                rank: Rank {
                    pinned,
                    priority,
                    screen,
                    speaker,
                },
                ask: Ask {
                    encoding,
                    size: size.map(|(width, height)| FrameSize { width, height }),
                    fps,
                    spatial: layer.map(|(spatial, _)| spatial),
                    temporal: layer.map(|(_, temporal)| temporal),
                },
                candidates,
                held,
            }
        },
    )
}

fn any_wishes() -> impl Strategy<Value = Vec<AnyWish>> {
    prop::collection::vec(any_wish(), 0..8)
}

fn wishes(all: &[AnyWish]) -> Vec<Wish<'_>> {
    let numbered = (0..).zip(all);
    numbered.map(|(id, it)| it.wish(id)).collect()
}

impl AnyWish {
    fn wish(&self, id: u32) -> Wish<'_> {
        Wish {
            id,
            rank: self.rank,
            ask: self.ask,
            candidates: &self.candidates,
            held: self.held,
        }
    }
}

fn any_rise() -> impl Strategy<Value = Rise> {
    prop_oneof![
        Just(Rise::ANY),
        Just(Rise::NONE),
        Just(Rise {
            spare_percent: 10,
            ceiling_bps: u64::MAX
        }),
        (0..6_000_000_u64).prop_map(|ceiling_bps| Rise {
            spare_percent: 10,
            ceiling_bps
        }),
    ]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    (0..8_000_000_u64, 0..200_000_u64, any_rise()).prop_map(|(estimate, reserved_bps, rise)| {
        Limits {
            estimate_bps: Some(estimate),
            reserved_bps,
            sent_bps: 0,
            rise,
        }
    })
}

/// The granted steps in their order.
fn granted_steps(limits: &Limits, wishes: &[Wish<'_>]) -> Vec<bool> {
    let ladders: Vec<Ladder> = wishes.iter().map(Ladder::new).collect();
    let steps = order::steps(wishes, &ladders);
    let granted = grant_steps(limits, &steps, present_bps(wishes), wishes.len());
    steps
        .iter()
        .map(|step| granted.levels[step.wish] > step.level)
        .collect()
}

fn highest(wishes: &[Wish<'_>]) -> Option<usize> {
    let ladders: Vec<Ladder> = wishes.iter().map(Ladder::new).collect();
    order::steps(wishes, &ladders).first().map(|step| step.wish)
}

fn is_sent(allocation: &Allocation) -> usize {
    let sent = |grant: &&Grant| grant.candidate.is_some();
    allocation.grants.iter().filter(sent).count()
}

proptest! {
    #[test]
    fn the_sum_stays_within_the_estimate(all in any_wishes(), limits in any_limits()) {
        let wishes = wishes(&all);
        let allocation = allocate(&limits, &wishes);
        let of = |(grant, wish): (&Grant, &Wish<'_>)| {
            grant.candidate.map_or(0, |nth| wish.candidates[nth].wire_bps)
        };
        let sum: u64 = allocation.grants.iter().zip(&wishes).map(of).sum();
        prop_assert_eq!(sum, allocation.granted_bps);
        let available = available_bps(&limits);
        if sum > available {
            prop_assert_eq!(is_sent(&allocation), 1, "only the last remains");
            prop_assert_eq!(granted_steps(&limits, &wishes).iter().filter(|it| **it).count(), 1);
        }
        prop_assert_eq!(allocation.left_bps, Some(available.saturating_sub(sum)));
        for (grant, wish) in allocation.grants.iter().zip(&wishes) {
            prop_assert!(grant.candidate.is_none_or(|nth| wish.candidates[nth].usable));
        }
    }

    #[test]
    fn more_estimate_is_never_worse(
        all in any_wishes(),
        limits in any_limits(),
        more in 0..3_000_000_u64,
    ) {
        let wishes = wishes(&all);
        let larger = Limits { estimate_bps: limits.estimate_bps.map(|bps| bps + more), ..limits };
        let (before, after) = (granted_steps(&limits, &wishes), granted_steps(&larger, &wishes));
        prop_assert!(after >= before, "lexicographically");
        if let Some(highest) = highest(&wishes) {
            let level = |limits| allocate(limits, &wishes).grants[highest].candidate;
            prop_assert!(level(&larger) >= level(&limits), "the highest priority");
        }
    }

    #[test]
    fn the_order_of_subscriptions_is_irrelevant(
        all in any_wishes(),
        limits in any_limits(),
        seed in any::<u64>(),
    ) {
        let ordered = wishes(&all);
        let mut shuffled = ordered.clone();
        shuffled.sort_by_key(|wish| u64::from(wish.id + 1).wrapping_mul(seed | 1));
        let by_id = |mut allocation: Allocation| {
            allocation.grants.sort_by_key(|grant| grant.id);
            allocation
        };
        prop_assert_eq!(by_id(allocate(&limits, &ordered)), by_id(allocate(&limits, &shuffled)));
    }

    /// Who is paused would not fit beside what others get at less than its lowest bitrate.
    #[test]
    fn no_subscription_starves(all in any_wishes(), estimate in 0..8_000_000_u64) {
        let wishes: Vec<_> = wishes(&all).into_iter().map(|it| Wish { held: Held::New, ..it }).collect();
        let ladders: Vec<_> = wishes.iter().map(Ladder::new).collect();
        let grants = allocate(&within(estimate), &wishes).grants;
        let bps = |nth: usize, candidate: usize| wishes[nth].candidates[candidate].wire_bps;
        for (nth, grant) in grants.iter().enumerate() {
            let Some(lowest) = ladders[nth].levels.first().filter(|_| grant.candidate.is_none()) else {
                continue;
            };
            prop_assert_eq!(grant.reason, BANDWIDTH);
            let lowest = bps(nth, *lowest);
            let cheaper = |other: usize| {
                let upto = grants[other].candidate?;
                let levels = ladders[other].levels.iter().take_while(|it| **it <= upto);
                let rates: Vec<_> = levels.map(|it| bps(other, *it)).collect();
                rates.iter().copied().rfind(|it| *it < lowest).or(rates.first().copied())
            };
            let others: u64 = (0..wishes.len()).filter_map(cheaper).sum();
            prop_assert!(lowest + others > estimate, "{nth} in {grants:?}");
        }
    }

    #[test]
    fn the_next_step_is_granted_at_its_estimate(all in any_wishes(), estimate in 0..8_000_000_u64) {
        let wishes = wishes(&all);
        let limits = within(estimate);
        let allocation = allocate(&limits, &wishes);
        let complete = allocation.grants.iter().all(|grant| grant.reason != BANDWIDTH);
        prop_assert_eq!(allocation.next.is_none(), complete);
        if let Some(next) = allocation.next {
            prop_assert!(next.estimate_bps > estimate);
            let probed = allocate(&within(next.estimate_bps), &wishes);
            let grant = probed.grants.iter().find(|grant| grant.id == next.id);
            prop_assert_eq!(grant.and_then(|grant| grant.candidate), Some(next.candidate));
        }
    }

    #[test]
    fn any_numbers_are_survived(estimate in any::<u64>(), reserved_bps in any::<u64>(), bps in prop::collection::vec(any::<u64>(), 0..6)) {
        let layer = |(nth, wire_bps): (usize, &u64)| Candidate {
            wire_bps: *wire_bps,
            ..candidate(nth as u8 * 50, 0, u16::MAX, u16::MAX)
        };
        let layers: Vec<_> = bps.iter().enumerate().map(layer).collect();
        let wishes = [wish(1, &layers), wish(1, &layers), wish(u32::MAX, &layers)];
        let limits = Limits { reserved_bps, ..within(estimate) };
        prop_assert_eq!(allocate(&limits, &wishes).grants.len(), 3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Layers settle although the estimate varies by 10 % in either direction.
    #[test]
    fn a_varying_estimate_causes_no_oscillation(
        sizes in prop::collection::vec((16..1_400_u16, any::<bool>()), 1..6),
        center in 100_000..8_000_000_u64,
        period_ms in 100..10_000_u64,
        is_square in any::<bool>(),
    ) {
        let mut wishes: Vec<_> = (0..).zip(sizes).map(|(id, (width, speaker))| Wish {
            rank: Rank { speaker, ..Rank::default() },
            ..sized(id, width, width / 2)
        }).collect();
        let mut state = Hysteresis::default();
        for ms in (0..90_000).step_by(50) {
            let phase = (ms % period_ms) as f64 / period_ms as f64;
            let wave = if is_square { (0.5 - phase).signum() } else { (phase * std::f64::consts::TAU).sin() };
            let signals = Signals {
                estimate_bps: Some((center as f64 * (1.0 + 0.1 * wave)) as u64),
                need_bps: present_bps(&wishes),
                video_bps: present_bps(&wishes),
                ..Signals::default()
            };
            let decision = state.update(Time::from_millis(ms), &signals);
            let limits = Limits {
                estimate_bps: decision.estimate_bps,
                reserved_bps: 0,
                sent_bps: decision.sent_bps,
                rise: decision.rise,
            };
            let layers = granted(&limits, &wishes);
            let before: Vec<_> = wishes.iter().map(|it| it.held).collect();
            let after: Vec<_> = layers.iter().map(|it| it.map_or(Held::Paused, Held::Candidate)).collect();
            for (wish, held) in wishes.iter_mut().zip(&after) {
                wish.held = *held;
            }
            prop_assert!(ms < 45_000 || before == after, "{before:?} {after:?} after {ms} ms");
        }
    }
}
