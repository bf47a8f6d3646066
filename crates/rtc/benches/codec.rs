//! What one packet costs in describing, placing and rewriting: ns and allocations per operation.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "../tests/common/counting.rs"]
mod counting;

use std::hint::black_box;
use std::time::Instant;

use counting::Counting;
use rtc::codec::{Codec, Described, Rewriter, describe, picture_id};
use rtc::outbound::sequence::{Forward, SequenceMap, Shift};
use rtc::timeline::{SourceClock, Timeline};
use wire::time::Time;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SUBSCRIBERS: usize = 240;
const PACKETS: u64 = 20_000;
const PASSTHROUGH: Shift = Shift {
    timestamp: 0,
    picture_ids: picture_id::Shift {
        id: 0,
        tl0: 0,
        key_index: 0,
    },
};

fn main() {
    describing();
    placing();
    going_back();
    rewriting();
    whole_way();
}

/// Run `op` this often and print the median of five rounds.
fn measure(name: &str, count: u64, mut op: impl FnMut(u64)) {
    let mut rounds = Vec::new();
    let mut allocations = 0;
    for round in 0..5 {
        let before = Counting::allocations();
        let start = Instant::now();
        for i in 0..count {
            op(round * count + i);
        }
        rounds.push(start.elapsed().as_nanos() as f64 / count as f64);
        allocations = Counting::allocations() - before;
    }
    rounds.sort_by(f64::total_cmp);
    let per_op = allocations as f64 / count as f64;
    println!(
        "{name:<44} {:>7.2} ns  {per_op:>6.4} allocations",
        rounds[2]
    );
}

fn describing() {
    let mut vp8 = vec![0x90, 0xf0, 0x92, 0x34, 9, 0x51, 0x01];
    vp8.resize(1200, 0);
    let mut vp9 = vec![0xa8, 0x92, 0x34, 0x20, 7];
    vp9.resize(1200, 0);
    let mut h264 = vec![0x7c, 0x41, 0x9a];
    h264.resize(1200, 0);
    let mut av1 = vec![0x10, 0x30];
    av1.resize(1200, 0);
    let opus = vec![0x78; 80];
    for (codec, payload) in [
        (Codec::Vp8, vp8),
        (Codec::Vp9, vp9),
        (Codec::H264, h264),
        (Codec::Av1, av1),
        (Codec::Opus, opus),
    ] {
        measure(&format!("describe {}", codec.name()), 1_000_000, |_| {
            black_box(describe(codec, black_box(&payload), false));
        });
    }
}

fn placing() {
    let mut maps = subscribers();
    measure("forward, in order, 240 subscribers", PACKETS * 50, |i| {
        let (index, subscriber) = (i / SUBSCRIBERS as u64, i as usize % SUBSCRIBERS);
        black_box(maps[subscriber].forward(black_box(index)));
    });

    let mut map = started();
    measure(
        "forward or skip, every other pair dropped",
        1_000_000,
        |i| {
            if i % 4 < 2 {
                black_box(map.forward(black_box(i)));
            } else {
                black_box(map.skip(black_box(i), PASSTHROUGH));
            }
        },
    );
    let newest = PACKETS * 250 - 4;
    measure("forward, late by 20, behind five holes", 1_000_000, |_| {
        black_box(map.forward(black_box(newest - 20)));
    });
}

fn going_back() {
    let mut map = started();
    for index in 0..PACKETS {
        match index % 4 {
            0 | 1 => drop(black_box(map.forward(index))),
            _ => drop(black_box(map.skip(index, PASSTHROUGH))),
        }
    }
    let newest = map.next_index() - 1;
    measure("origin of a sequence number, 128 holes", 1_000_000, |i| {
        black_box(map.origin(black_box((newest - i % 200) as u16)));
    });
}

fn rewriting() {
    let mut payload = vec![0x90, 0xf0, 0x92, 0x34, 9, 0x51, 0x01];
    payload.resize(1200, 0);
    let described = describe(Codec::Vp8, &payload, false);
    let shift = picture_id::Shift {
        id: 77,
        tl0: 5,
        key_index: 3,
    };
    measure("rewrite VP8, all three numbers", 1_000_000, |_| {
        black_box(shift).rewrite(black_box(&mut payload), black_box(&described));
    });
    measure("rewrite VP8, nothing to shift", 1_000_000, |_| {
        black_box(picture_id::Shift::default())
            .rewrite(black_box(&mut payload), black_box(&described));
    });
}

/// A subscription's whole work on numbers: place, note, rewrite a copied payload head.
fn whole_way() {
    let clock = SourceClock::new(90_000);
    let mut subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let mut timeline = Timeline::new(90_000, 1);
            timeline.switch(Time::ZERO, &clock, &clock, 0);
            (started(), timeline, Rewriter::new(Codec::Vp8), [0u8; 64])
        })
        .collect();
    let payload = [0x90, 0xf0, 0x92, 0x34, 9, 0x51, 0x01, 0];
    let described: Described = describe(Codec::Vp8, &payload, false);
    measure(
        "place, note and rewrite, 240 subscribers",
        PACKETS * 50,
        |i| {
            let index = i / SUBSCRIBERS as u64;
            let subscriber = &mut subscribers[i as usize % SUBSCRIBERS];
            let (map, timeline, rewriter, out) = black_box(subscriber);
            if let Forward::New(placed) = map.forward(index) {
                timeline.sent(Time::from_nanos(i), (index * 3000) as u32);
                rewriter.forwarded(&described);
                out[..8].copy_from_slice(&payload);
                placed.shift.picture_ids.rewrite(out, &described);
            }
        },
    );
}

fn subscribers() -> Vec<SequenceMap> {
    (0..SUBSCRIBERS).map(|_| started()).collect()
}

fn started() -> SequenceMap {
    let mut map = SequenceMap::new(7);
    let picture_ids = picture_id::Shift {
        id: 9,
        tl0: 1,
        key_index: 1,
    };
    let shift = Shift {
        timestamp: 5,
        picture_ids,
    };
    map.switch_source(1, 0, shift);
    map
}
