//! Jitter buffers against arrivals whose targets are computed by hand.

use std::time::Duration;
use swarm::playout::{Playout, PlayoutMeter};
use wire::time::Time;

const CLOCK: u32 = 90_000;
const START_MS: u64 = 5_000;

/// Feed a frame every `spacing_ms`, each delayed in addition; return all playouts in ms:
/// (average delay, late), (libwebrtc delay, late).
fn play(spacing_ms: u64, extra_ms: impl IntoIterator<Item = u64>) -> Vec<[(u64, bool); 2]> {
    let mut meter = PlayoutMeter::new(CLOCK);
    let in_ms = |one: Playout| (one.delay.as_millis() as u64, one.late);
    (0..)
        .zip(extra_ms)
        .map(|(nth, extra_ms)| {
            let media_ms = nth * spacing_ms;
            let now = Time::from_millis(START_MS + media_ms + extra_ms);
            // Close to the wrap of the RTP timestamp.
            let timestamp = (media_ms as u32 * (CLOCK / 1_000)).wrapping_add(u32::MAX - 5_000);
            let playouts = meter.frame(now, timestamp);
            [in_ms(playouts.average), in_ms(playouts.libwebrtc)]
        })
        .collect()
}

#[test]
fn without_jitter_both_targets_are_their_least() {
    let played = play(40, vec![0; 100]);
    // 10 ms is the least of the moving average. NetEq starts at 80 ms; the first interval of 500 ms
    // ends before the frame at 520 ms, whose successors see the bucket below 20 ms.
    assert!(played.iter().all(|[average, _]| *average == (10, false)));
    assert_eq!(played[13][1], (80, false));
    assert_eq!(played[14][1], (20, false));
    assert!(
        played[14..]
            .iter()
            .all(|[_, relative]| *relative == (20, false))
    );
}

#[test]
fn jitter_of_20_ms_takes_40_ms_by_the_moving_average() {
    let played = play(40, (0..200).map(|nth| nth % 2 * 20));
    // j = 0, 5, 8.75, 11.5625 ms before frames 1 to 4: targets 10, 10, 17.5, 23.125 ms.
    assert_eq!(played[0][0], (10, false));
    assert_eq!(played[1][0], (0, true)); // 20 ms after the fastest, with a target of 10 ms
    assert_eq!(played[2][0], (10, false));
    assert_eq!(played[3][0], (0, true)); // target 17.5 ms
    assert_eq!(played[4][0], (23, false));
    assert_eq!(played[5][0], (7, false)); // j = 13.671 ms, target 27.34 ms
    // j converges to 20 ms, and the target to 40 ms.
    assert_eq!(played[100][0], (39, false));
    assert_eq!(played[101][0], (19, false));
    assert_eq!(played.iter().filter(|[average, _]| average.1).count(), 2);
    // The largest relative delay of each interval is 20 ms: bucket 1, target 40 ms, none late.
    assert_eq!(played[100][1], (40, false));
    assert_eq!(played[101][1], (20, false));
    assert!(played.iter().all(|[_, relative]| !relative.1));
}

#[test]
fn a_burst_is_late_and_raises_the_targets_in_their_own_way() {
    // 100 frames on time; then 200 ms without arrivals, after which five frames arrive at once.
    let burst = [200, 160, 120, 80, 40];
    let extra_ms = [vec![0; 100], burst.to_vec(), vec![0; 100]].concat();
    let played = play(40, extra_ms);
    // Before them the variation is 0: target 10 ms. Variations of 200, 40, 40, 40, 40, 40 ms give
    // j = 50, 47.5, 45.625, 44.219, 43.164 and targets of 100, 95, 91.25, 88.4 and 86.3 ms.
    let average: Vec<_> = played[100..106]
        .iter()
        .map(|[average, _]| *average)
        .collect();
    let late = (0, true);
    assert_eq!(
        average,
        [late, late, late, (11, false), (48, false), (86, false)]
    );
    // NetEq's target follows at the end of the interval: thirteen frames are 520 ms, so the eighth
    // interval ends at the burst, and the ninth, with 200 ms, at frame 118.
    assert!(played[100..105].iter().all(|[_, relative]| relative.1));
    assert_eq!(played[105][1], (20, false));
    // The ninth addition leaves 1 - 2 / 10 of the weight below 20 ms: the 95th percentile is in
    // bucket 10, from 200 to 220 ms.
    assert_eq!(played[118][1], (20, false));
    assert_eq!(played[119][1], (220, false));
    // 100 frames later the moving average is back at its least. Six further additions leave
    // 0.2 * (9 * 10) / (15 * 16) = 7.5 % of the weight in bucket 10.
    assert_eq!(played[204][0], (10, false));
    assert_eq!(played[204][1], (220, false));
}

#[test]
fn a_lasting_shift_of_the_delay_is_not_late_after_two_seconds() {
    let extra_ms = [vec![0; 50], vec![300; 100]].concat();
    let played = play(40, extra_ms);
    assert!(played[50][0].1 && played[50][1].1);
    // Two seconds are 50 frames: the frames before the shift have left the window.
    assert!(
        played[101..]
            .iter()
            .all(|[average, relative]| !average.1 && !relative.1)
    );
    assert_eq!(played[149][0], (10, false));
}

#[test]
fn a_jump_of_the_timestamp_starts_a_new_time_line() {
    let mut meter = PlayoutMeter::new(CLOCK);
    for nth in 0..20 {
        meter.frame(Time::from_millis(1_000 + 40 * nth), 3_600 * nth as u32);
    }
    for timestamp in [u32::MAX / 2, 0, u32::MAX / 2 + 7, 1_000_000_000] {
        let playouts = meter.frame(Time::from_millis(2_000), timestamp);
        assert_eq!(playouts.average.delay, Duration::from_millis(10));
        assert!(!playouts.average.late);
    }
}
