//! Allocations by example.

use super::*;
use crate::reasons::{BANDWIDTH, BEST, ENCODING_INACTIVE, NO_ENCODING, REQUESTED, SIZE};

mod properties;

/// The wire bitrates of a publisher of 150, 500 and 1700 kb/s, in 180, 360 and 720 lines.
const THREE: [Candidate; 3] = [
    candidate(0, 180_000, 320, 180),
    candidate(1, 550_000, 640, 360),
    candidate(2, 1_800_000, 1280, 720),
];

const fn candidate(encoding: u8, wire_bps: u64, width: u16, height: u16) -> Candidate {
    Candidate {
        encoding,
        spatial: 0,
        temporal: 0,
        wire_bps,
        size: Some(FrameSize { width, height }),
        fps: 30,
        usable: true,
    }
}

fn wish(id: u32, candidates: &[Candidate]) -> Wish<'_> {
    Wish {
        id,
        rank: Rank::default(),
        ask: Ask::default(),
        candidates,
        held: Held::New,
    }
}

fn sized(id: u32, width: u16, height: u16) -> Wish<'static> {
    Wish {
        ask: Ask {
            size: Some(FrameSize { width, height }),
            ..Ask::default()
        },
        ..wish(id, &THREE)
    }
}

fn within(estimate_bps: u64) -> Limits {
    Limits {
        estimate_bps: Some(estimate_bps),
        reserved_bps: 0,
        sent_bps: 0,
        rise: Rise::ANY,
    }
}

fn granted(limits: &Limits, wishes: &[Wish<'_>]) -> Vec<Option<usize>> {
    let allocation = allocate(limits, wishes);
    allocation
        .grants
        .iter()
        .map(|grant| grant.candidate)
        .collect()
}

#[test]
fn three_equal_wishes_use_what_a_share_in_proportion_would_strand() {
    let wishes = [wish(1, &THREE), wish(2, &THREE), wish(3, &THREE)];
    let allocation = allocate(&within(3_000_000), &wishes);
    let layers: Vec<_> = allocation.grants.iter().map(|it| it.candidate).collect();
    assert_eq!(layers, [Some(2), Some(1), Some(1)]);
    assert_eq!(allocation.left_bps, Some(100_000));
    let next = NextStep {
        id: 2,
        candidate: 2,
        estimate_bps: 4_150_000,
    };
    assert_eq!(allocation.next, Some(next));
}

#[test]
fn all_get_the_lowest_before_any_gets_more() {
    let wishes = [wish(1, &THREE), wish(2, &THREE), wish(3, &THREE)];
    assert_eq!(granted(&within(540_000), &wishes), [Some(0); 3]);
    assert_eq!(granted(&within(539_999), &wishes), [Some(0), Some(0), None]);
    assert_eq!(granted(&within(90_000), &wishes), [Some(0), None, None]);
    let paused = allocate(&within(1), &wishes).grants[2];
    assert_eq!(paused.reason, BANDWIDTH);
}

#[test]
fn the_last_is_paused_where_not_even_half_of_it_fits() {
    let wishes = [wish(1, &THREE), wish(2, &THREE)];
    assert_eq!(granted(&within(89_999), &wishes), [None, None]);
    let allocation = allocate(&within(1), &wishes);
    assert!(allocation.grants.iter().all(|it| it.reason == BANDWIDTH));
    // A probe tries the lowest layer.
    let next = allocation.next.map(|it| (it.id, it.estimate_bps));
    assert_eq!(next, Some((1, 180_000)));
}

#[test]
fn beside_audio_the_last_resumes_where_three_quarters_of_it_fit() {
    let paused = |id| Wish {
        held: Held::Paused,
        ..wish(id, &THREE)
    };
    let wishes = [paused(1), paused(2)];
    let beside_audio = |estimate_bps| Limits {
        reserved_bps: 40_000,
        ..within(estimate_bps)
    };
    assert_eq!(granted(&beside_audio(174_999), &wishes), [None, None]);
    assert_eq!(granted(&beside_audio(175_000), &wishes), [Some(0), None]);
    assert_eq!(granted(&within(90_000), &wishes), [Some(0), None]);
    // Another one takes the place of what is sent.
    let mut pinned = paused(1);
    pinned.rank.pinned = true;
    let sent = Wish {
        held: Held::Candidate(0),
        ..wish(2, &THREE)
    };
    let wishes = [pinned, sent];
    assert_eq!(granted(&beside_audio(130_000), &wishes), [Some(0), None]);
}

#[test]
fn audio_is_taken_off_first() {
    let limits = Limits {
        reserved_bps: 100_000,
        sent_bps: 0,
        ..within(600_000)
    };
    let allocation = allocate(&limits, &[wish(1, &THREE)]);
    assert_eq!(allocation.grants[0].candidate, Some(0));
    assert_eq!(allocation.next.map(|next| next.estimate_bps), Some(650_000));
}

#[test]
fn a_thumbnail_never_costs_a_large_frame() {
    let wishes = [sized(1, 1280, 720), sized(2, 320, 180), sized(3, 300, 200)];
    let unlimited = Limits {
        estimate_bps: None,
        ..within(0)
    };
    let allocation = allocate(&unlimited, &wishes);
    let reasons: Vec<_> = allocation
        .grants
        .iter()
        .map(|it| (it.candidate, it.reason))
        .collect();
    assert_eq!(reasons, [(Some(2), BEST), (Some(0), SIZE), (Some(0), SIZE)]);
    assert_eq!((allocation.left_bps, allocation.next), (None, None));
    // Between two encodings the nearer one counts, and the lowest one is always admitted.
    assert_eq!(granted(&unlimited, &[sized(1, 480, 270)]), [Some(1)]);
    assert_eq!(granted(&unlimited, &[sized(1, 16, 9)]), [Some(0)]);
}

#[test]
fn the_speaker_and_a_screen_come_first() {
    let ranks = [
        Rank::default(),
        Rank {
            speaker: true,
            ..Rank::default()
        },
        Rank {
            screen: true,
            ..Rank::default()
        },
        Rank {
            priority: 1,
            ..Rank::default()
        },
        Rank {
            pinned: true,
            ..Rank::default()
        },
    ];
    for (nth, rank) in ranks.into_iter().enumerate().skip(1) {
        let wishes = [
            Wish {
                rank: ranks[nth - 1],
                ..wish(1, &THREE)
            },
            Wish {
                rank,
                ..wish(2, &THREE)
            },
        ];
        assert_eq!(granted(&within(1_980_000), &wishes), [Some(0), Some(2)]);
        assert_eq!(granted(&within(200_000), &wishes), [None, Some(0)]);
    }
}

#[test]
fn temporal_layers_are_dropped_before_the_encoding() {
    let layer = |encoding, temporal, wire_bps, fps| Candidate {
        temporal,
        fps,
        ..candidate(encoding, wire_bps, 320 << encoding, 180 << encoding)
    };
    let layers = [
        layer(0, 0, 100_000, 7),
        layer(0, 1, 150_000, 15),
        layer(0, 2, 200_000, 30),
        layer(1, 0, 300_000, 7),
        layer(1, 1, 450_000, 15),
        layer(1, 2, 600_000, 30),
    ];
    let by_estimate = |bps| granted(&within(bps), &[wish(1, &layers)])[0];
    assert_eq!(by_estimate(600_000), Some(5));
    assert_eq!(by_estimate(599_999), Some(4));
    assert_eq!(by_estimate(449_999), Some(3));
    assert_eq!(by_estimate(299_999), Some(2));
    let slow = Wish {
        ask: Ask {
            fps: Some(15),
            ..Ask::default()
        },
        ..wish(1, &layers)
    };
    let grant = allocate(&within(1_000_000), &[slow]).grants[0];
    assert_eq!((grant.candidate, grant.reason), (Some(4), SIZE));
    let asked = |spatial, temporal| {
        let ask = Ask {
            spatial,
            temporal,
            ..Ask::default()
        };
        let wish = Wish {
            ask,
            ..wish(1, &layers)
        };
        allocate(&within(1_000_000), &[wish]).grants[0]
    };
    for (spatial, temporal, candidate) in [
        (None, Some(0), 3),
        (None, Some(1), 4),
        (None, Some(7), 5),
        (Some(3), None, 5),
    ] {
        let grant = asked(spatial, temporal);
        assert_eq!(grant.candidate, Some(candidate), "{spatial:?} {temporal:?}");
        let is_top = candidate == 5;
        assert_eq!(grant.reason, if is_top { BEST } else { REQUESTED });
    }
}

#[test]
fn a_requested_encoding_is_an_upper_bound() {
    let asked = |encoding| Wish {
        ask: Ask {
            encoding: Some(encoding),
            ..Ask::default()
        },
        ..wish(1, &THREE)
    };
    let grant = |bps, encoding| {
        let grant = allocate(&within(bps), &[asked(encoding)]).grants[0];
        (grant.candidate, grant.reason)
    };
    assert_eq!(grant(5_000_000, 1), (Some(1), REQUESTED));
    assert_eq!(grant(500_000, 1), (Some(0), BANDWIDTH));
    assert_eq!(grant(5_000_000, 9), (Some(2), BEST));
}

#[test]
fn neither_all_encodings_nor_the_lowest_have_to_be_usable() {
    let mut layers = THREE;
    layers[0].usable = false;
    layers[2].usable = false;
    let grant = |ask| {
        let grant = allocate(
            &within(5_000_000),
            &[Wish {
                ask,
                ..wish(1, &layers)
            }],
        )
        .grants[0];
        (grant.candidate, grant.reason)
    };
    assert_eq!(grant(Ask::default()), (Some(1), ENCODING_INACTIVE));
    let lowest = Ask {
        encoding: Some(0),
        ..Ask::default()
    };
    assert_eq!(grant(lowest), (Some(1), ENCODING_INACTIVE));
    layers[1].usable = false;
    let nothing = allocate(&within(5_000_000), &[wish(1, &layers)]).grants[0];
    assert_eq!((nothing.candidate, nothing.reason), (None, NO_ENCODING));
    let empty = allocate(&within(0), &[wish(1, &[])]).grants[0];
    assert_eq!((empty.candidate, empty.reason), (None, NO_ENCODING));
}

#[test]
fn a_swap_within_what_is_sent_needs_nothing_to_spare() {
    let speaker = Rank {
        speaker: true,
        ..Rank::default()
    };
    let held = |id, candidates, held| Wish {
        held: Held::Candidate(held),
        ..wish(id, candidates)
    };
    let larger = [THREE[0], THREE[1], candidate(2, 1_800_001, 1280, 720)];
    for (second, swapped) in [(&THREE, [Some(0), Some(2)]), (&larger, [Some(1), Some(1)])] {
        let limits = Limits {
            rise: Rise {
                spare_percent: 10,
                ceiling_bps: u64::MAX,
            },
            ..within(1_980_001)
        };
        let mut wishes = [held(1, &THREE, 2), held(2, second, 0)];
        wishes[0].rank = speaker;
        assert_eq!(granted(&limits, &wishes), [Some(2), Some(0)]);
        wishes[0].rank = Rank::default();
        wishes[1].rank = speaker;
        assert_eq!(granted(&limits, &wishes), swapped);
    }
}
