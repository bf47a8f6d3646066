//! Links of the numbers that adaptation has to reach (RFC 8867 among them).

use std::time::Duration;

use super::call::Call;
use super::link::{Link, Loss};

#[test]
fn a_link_of_1_mbps() {
    let mut call = Call::new(Link::of_kbps(1_000.0));
    call.run(60_000).print();
    let first = call.ideal_after(0);
    assert!(first <= 2_000, "{first}");
    let share = call.ideal_share(first, 60_000);
    assert!(share >= 0.95, "{share}");
    let queue = call.queue_p95_ms(2_000, 60_000);
    assert!(queue < 45.0, "{queue}");
    assert!((call.lost as f64) < 0.003 * call.sent as f64);
}

#[test]
fn a_link_of_5_mbps() {
    let mut call = Call::new(Link::of_kbps(5_000.0));
    call.run(30_000).print();
    let first = call.ideal_after(0);
    assert!(first <= 1_000, "{first}");
    assert_eq!(call.ideal_share(first, 30_000), 1.0);
}

#[test]
fn capacity_steps_of_rfc_8867() {
    for delay_ms in [50, 100] {
        let mut call = Call::new(Link {
            capacity: vec![
                (0, 1_000.0),
                (40_000, 2_500.0),
                (60_000, 600.0),
                (80_000, 1_000.0),
            ],
            delay: Duration::from_millis(delay_ms),
            ..Link::default()
        });
        call.run(100_000).print();
        let rises = [0, 40_000, 80_000].map(|at| call.ideal_after(at));
        assert!(rises.iter().all(|it| *it <= 3_000), "{delay_ms}: {rises:?}");
        let drop = call.ideal_after(60_000);
        assert!(drop <= 1_000, "{delay_ms}: {drop}");
        let share = call.ideal_share(2_000, 100_000);
        assert!(share >= 0.9, "{delay_ms}: {share}");
        let queue = call.queue_p95_ms(0, 100_000);
        assert!(queue < 80.0, "{delay_ms}: {queue}");
    }
}

#[test]
fn random_loss_without_congestion() {
    for (loss, least) in [(0.02, 2), (0.05, 1)] {
        let mut call = Call::new(Link {
            loss: Loss::Random(loss),
            ..Link::of_kbps(5_000.0)
        });
        call.run(60_000).print();
        let share = call.share(5_000, 60_000, |it| it.step >= least);
        assert!(share >= 0.95, "{loss}: {share}");
    }
}

#[test]
fn bursts_of_loss() {
    let mut call = Call::new(Link {
        loss: Loss::Bursts(0.04, 8),
        ..Link::of_kbps(3_000.0)
    });
    call.run(60_000).print();
    let share = call.share(3_000, 60_000, |it| it.step == 2);
    assert!(share >= 0.9, "{share}");
}

#[test]
fn jitter_with_bursts_of_loss() {
    let mut call = Call::new(Link {
        loss: Loss::Bursts(0.03, 8),
        jitter: Duration::from_millis(30),
        ..Link::of_kbps(3_000.0)
    });
    call.run(60_000).print();
    let share = call.share(3_000, 60_000, |it| it.step == 2);
    assert!(share >= 0.85, "{share}");
}

#[test]
fn cross_traffic_that_comes_and_goes() {
    let mut call = Call::new(Link {
        cross: (2_000.0, 20_000, 40_000),
        ..Link::of_kbps(3_000.0)
    });
    call.run(60_000).print();
    // 1 Mb/s is left: 500k.
    let share = call.share(22_000, 40_000, |it| it.step == 1);
    assert!(share >= 0.85, "{share}");
    let share = call.share(43_000, 60_000, |it| it.step == 2);
    assert!(share >= 0.95, "{share}");
}

#[test]
fn a_lossy_feedback_path() {
    let mut call = Call::new(Link::of_kbps(1_000.0));
    call.up.loss = Loss::Random(0.1);
    call.run(60_000).print();
    let share = call.ideal_share(3_000, 60_000);
    assert!(share >= 0.9, "{share}");
}
