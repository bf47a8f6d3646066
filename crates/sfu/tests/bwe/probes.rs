//! Sizes of probe clusters.

use std::time::Duration;

use sfu::bwe::probe::{Controller, Wants};
use wire::time::Time;

/// Send a cluster after a decrease, in rounds of whole packets; return its bytes.
fn cluster_bytes(estimate_bps: f64, is_audio_only: bool) -> u64 {
    const PACKET_LEN: u64 = 264;
    let mut controller = Controller::new(300_000.0);
    controller.on_decrease(Time::ZERO);
    controller.set_wants(Wants {
        next_step_bps: Some(190_000.0),
        most_bps: 2_500_000.0,
        is_audio_only,
        ..Wants::default()
    });
    let mut now = Time::from_secs(2);
    // Two clusters are those of the start.
    for _ in 0..3 {
        controller.poll(now, estimate_bps, true).expect("due");
        loop {
            let packets = (controller.due_bytes(now) as u64).div_ceil(PACKET_LEN);
            let complete = controller.sent(now, packets as u32, packets * PACKET_LEN);
            if let Some(complete) = complete {
                now = now + Duration::from_secs(2);
                if complete.id.0 == 3 {
                    return complete.bytes;
                }
                break;
            }
            now = controller
                .next_round()
                .expect("active")
                .max(now + Duration::from_millis(1));
        }
    }
    unreachable!("the third cluster ends");
}

#[test]
fn beside_audio_alone_a_cluster_has_what_the_estimate_carries_in_250_ms() {
    assert!((2_000..2_500).contains(&cluster_bytes(64_000.0, true)));
    assert!((3_125..3_600).contains(&cluster_bytes(100_000.0, true)));
    assert!((6_000..6_500).contains(&cluster_bytes(64_000.0, false)));
    assert!((6_000..6_500).contains(&cluster_bytes(210_000.0, true)));
}
