//! Network impairment: arrivals and their times, repeatable by seed.

use std::time::Duration;
use swarm::bottleneck::Bottleneck;
use swarm::impair::{GilbertElliott, Link, Network};
use swarm::random::Random;
use wire::time::Time;

const PERFECT: Network = Network {
    rate_bps: None,
    queue_ms: 300.0,
    bottleneck: None,
    delay_ms: 0.0,
    jitter_ms: 0.0,
    loss: 0.0,
    bursts: None,
    reorder: 0.0,
    duplicate: 0.0,
    trace: false,
};

fn link(network: Network) -> Link<u32> {
    Link::new(network, Random::new(71, &[1]))
}

/// Send one datagram of `len` bytes every `gap_us` and note what comes out when, in microseconds.
fn run(network: Network, count: u32, gap_us: u64, len: usize) -> Vec<(u32, u64)> {
    let mut link = link(network);
    for nth in 0..count {
        link.push(Time::from_micros(u64::from(nth) * gap_us), len, nth);
    }
    let mut out = Vec::new();
    while let Some(at) = link.poll_timeout() {
        while let Some(nth) = link.pop(at) {
            out.push((nth, at.as_micros()));
        }
    }
    out
}

#[test]
fn a_perfect_network_delivers_at_once() {
    assert_eq!(run(PERFECT, 3, 10, 100), [(0, 0), (1, 10), (2, 20)]);
}

#[test]
fn delay_is_added_and_jitter_keeps_the_order() {
    let network = Network {
        delay_ms: 50.0,
        jitter_ms: 30.0,
        ..PERFECT
    };
    let out = run(network, 1_000, 1_000, 100);
    assert!(out.is_sorted() && out.len() == 1_000);
    let delays: Vec<u64> = out
        .iter()
        .map(|(nth, at)| at - u64::from(*nth) * 1_000)
        .collect();
    assert!(delays.iter().all(|delay| (50_000..=80_000).contains(delay)));
    assert!(delays.iter().any(|delay| *delay > 70_000));
}

#[test]
fn the_bottleneck_sets_the_pace_and_its_queue_drops_the_tail() {
    // 972 + 28 bytes at 1 Mb/s take 8 ms each; at twice that rate the 100 ms queue soon is full.
    let network = Network {
        rate_bps: Some(1_000_000),
        queue_ms: 100.0,
        ..PERFECT
    };
    let out = run(network, 500, 4_000, 972);
    let gaps = out.windows(2).map(|pair| pair[1].1 - pair[0].1);
    assert!(gaps.clone().all(|gap| gap == 8_000));
    let longest = out
        .iter()
        .map(|(nth, at)| at - u64::from(*nth) * 4_000)
        .max();
    assert!(longest.is_some_and(|longest| (100_000..=108_000).contains(&longest)));
    assert!((255..270).contains(&out.len()), "{}", out.len());
}

#[test]
fn random_loss_has_its_mean() {
    let out = run(
        Network {
            loss: 0.02,
            ..PERFECT
        },
        50_000,
        10,
        100,
    );
    assert!((48_800..49_200).contains(&out.len()), "{}", out.len());
}

#[test]
fn bursts_have_the_mean_and_the_length_of_the_model() {
    let model = GilbertElliott {
        p: 0.01,
        r: 0.25,
        h: 0.0,
        k: 1.0,
    };
    let out = run(
        Network {
            bursts: Some(model),
            ..PERFECT
        },
        200_000,
        10,
        100,
    );
    let mean = 1.0 - out.len() as f64 / 200_000.0;
    assert!((mean - 0.01 / 0.26).abs() < 0.003, "{mean}");
    let bursts = out
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0 - 1)
        .filter(|lost| *lost > 0);
    let (count, lost) = bursts.fold((0, 0), |(count, sum), lost| (count + 1, sum + lost));
    let length = f64::from(lost) / f64::from(count);
    assert!((length - 4.0).abs() < 0.3, "{length}");
}

#[test]
fn datagrams_are_duplicated_and_reordered() {
    let out = run(
        Network {
            duplicate: 0.1,
            reorder: 0.1,
            ..PERFECT
        },
        10_000,
        1_000,
        100,
    );
    assert!((10_900..11_100).contains(&out.len()), "{}", out.len());
    let overtaken = out.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
    assert!((700..1_300).contains(&overtaken), "{overtaken}");
}

#[test]
fn a_seed_repeats_the_network() {
    let network = Network {
        loss: 0.1,
        jitter_ms: 5.0,
        reorder: 0.01,
        ..PERFECT
    };
    assert_eq!(run(network, 1_000, 100, 100), run(network, 1_000, 100, 100));
}

#[test]
fn a_changed_network_applies_to_later_datagrams() {
    let mut link = link(PERFECT);
    link.push(Time::ZERO, 100, 1);
    link.set_network(Network {
        delay_ms: 20.0,
        ..PERFECT
    });
    link.push(Time::ZERO, 100, 2);
    assert_eq!(link.pop(Time::ZERO), Some(1));
    assert_eq!(link.pop(Time::ZERO), None);
    assert_eq!(
        link.poll_timeout(),
        Some(Time::ZERO + Duration::from_millis(20))
    );
}

#[test]
fn links_behind_one_bottleneck_share_its_rate_and_its_queue() {
    // 972 + 28 bytes at 1 Mb/s take 8 ms each; both together send twice as much.
    let network = Network {
        rate_bps: Some(1_000_000),
        queue_ms: 100.0,
        bottleneck: Some(1),
        ..PERFECT
    };
    let mut shared = Bottleneck::default();
    let mut links = [link(network), link(network)];
    for nth in 0..500 {
        let now = Time::from_millis(nth * 8);
        // Of two datagrams that arrive at once one finds the queue full.
        links.reverse();
        for link in &mut links {
            link.push_through(&mut shared, now, 972, 0);
        }
    }
    let delivered = links.each_ref().map(|link| link.counters().bytes_delivered);
    let rate_bps = (delivered[0] + delivered[1]) * 8 / 4;
    assert!((1_000_000..1_030_000).contains(&rate_bps), "{rate_bps}");
    for link in &links {
        assert!(link.counters().queue_drops > 0);
        let longest = link.queue_wait().max_ms();
        assert!(
            longest.is_some_and(|ms| (92.0..=100.0).contains(&ms)),
            "{longest:?}"
        );
    }
}

#[test]
fn a_new_rate_applies_behind_the_datagrams_that_wait() {
    let network = Network {
        rate_bps: Some(1_000_000),
        ..PERFECT
    };
    let mut link = link(network);
    link.push(Time::ZERO, 972, 1);
    link.push(Time::ZERO, 972, 2);
    link.set_network(Network {
        rate_bps: Some(500_000),
        ..network
    });
    link.push(Time::ZERO, 972, 3);
    let mut arrivals = Vec::new();
    while let Some(at) = link.poll_timeout() {
        arrivals.push((link.pop(at), at.as_micros()));
    }
    assert_eq!(
        arrivals,
        [(Some(1), 8_000), (Some(2), 16_000), (Some(3), 32_000)]
    );
}

#[test]
fn the_time_line_of_rfc8867_case_5_1_is_followed_in_a_tenth_of_its_time() {
    // 1 Mb/s times 1, 2.5, 0.6 and 1 at 0, 4, 6 and 8 s; a sender of 3 Mb/s does not adapt.
    let capacities = [(0, 1_000_000), (4, 2_500_000), (6, 600_000), (8, 1_000_000)];
    let path = |rate_bps| Network {
        rate_bps: Some(rate_bps),
        delay_ms: 50.0,
        jitter_ms: 30.0,
        bottleneck: Some(1),
        ..PERFECT
    };
    let mut link = link(path(1_000_000));
    let mut shared = Bottleneck::default();
    let mut arrived_in = [0_u64; 10];
    for nth in 0..3_750 {
        let now = Time::from_micros(nth * 2_667);
        let seconds = now.as_micros() / 1_000_000;
        let passed = capacities.iter().rev().find(|(from, _)| *from <= seconds);
        link.set_network(path(passed.unwrap().1));
        link.push_through(&mut shared, now, 972, 0);
        while let Some(at) = link.poll_timeout().filter(|at| *at <= now) {
            link.pop(at);
            arrived_in[(at.as_micros() / 1_000_000) as usize] += 8_000;
        }
    }
    // The first second of each step still has what waited at the rate before.
    for (second, capacity) in [(1, 1_000_000), (3, 1_000_000), (5, 2_500_000), (7, 600_000)] {
        let rate = arrived_in[second];
        assert!(
            rate.abs_diff(capacity) <= capacity / 50,
            "{capacity} in second {second}: {arrived_in:?}"
        );
    }
    assert!(link.queue_wait().max_ms().is_some_and(|ms| ms <= 300.0));
}
