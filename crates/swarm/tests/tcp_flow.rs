//! A TCP-like flow in virtual time: it fills its bottleneck, halves after losses, shares.

use swarm::bottleneck::Bottlenecks;
use swarm::impair::{Link, Network, push};
use swarm::random::Random;
use swarm::tcp_flow::{AddFlow, TcpFlow, Transfers};
use wire::time::Time;

const SECOND: u64 = 1_000_000_000;

fn path(queue_ms: f64, delay_ms: f64) -> Network {
    Network {
        rate_bps: Some(2_000_000),
        queue_ms,
        delay_ms,
        bottleneck: Some(1),
        ..Network::default()
    }
}

fn flow(number: u32, network: Network, transfers: Option<Transfers>) -> TcpFlow {
    let settings = AddFlow {
        flow: number,
        network,
        back_delay_ms: 50.0,
        transfers,
        start_ns: 0,
        end_ns: 60 * SECOND,
    };
    let random = |purpose| Random::new(71, &[purpose, u64::from(number)]);
    TcpFlow::new(settings, random(1), random(2))
}

/// Run flows until `until`, beside datagrams of 1,172 + 28 bytes every `gap_us` through `media`.
fn run(
    flows: &mut [TcpFlow],
    shared: &mut Bottlenecks,
    until: Time,
    mut media: Option<(&mut Link<u32>, u64)>,
) {
    let mut next_media = media.as_ref().map(|(_, gap_us)| Time::from_micros(*gap_us));
    loop {
        let due = flows.iter().filter_map(TcpFlow::poll_timeout).min();
        let Some(now) = due.into_iter().chain(next_media).min() else {
            return;
        };
        if now > until {
            return;
        }
        if let Some((link, gap_us)) = media.as_mut().filter(|_| next_media == Some(now)) {
            push(shared, link, now, 1_172, 0);
            while link.pop(now).is_some() {}
            next_media = Some(now + std::time::Duration::from_micros(*gap_us));
        }
        for flow in flows.iter_mut() {
            flow.handle_timeout(now, shared);
        }
    }
}

fn rate_bps(flow: &TcpFlow, seconds: u64) -> u64 {
    flow.link().counters().bytes_delivered * 8 / seconds
}

#[test]
fn a_long_flow_fills_its_bottleneck_and_halves_after_losses() {
    let mut flows = [flow(1, path(300.0, 50.0), None)];
    run(
        &mut flows,
        &mut Bottlenecks::default(),
        Time::from_secs(59),
        None,
    );
    let [flow] = &flows;
    let rate = rate_bps(flow, 59);
    assert!((1_850_000..2_010_000).contains(&rate), "{rate}");
    // A sawtooth: from 100 ms of round trip and a full queue down to half of both, in seconds.
    let counters = flow.counters();
    assert!((4..40).contains(&counters.reductions), "{counters:?}");
    assert_eq!(counters.timeouts, 0, "{counters:?}");
    let longest = flow.link().queue_wait().max_ms();
    assert!(
        longest.is_some_and(|ms| (290.0..=300.0).contains(&ms)),
        "{longest:?}"
    );
}

#[test]
fn a_longer_queue_is_filled_too() {
    let mut flows = [flow(1, path(1_000.0, 50.0), None)];
    run(
        &mut flows,
        &mut Bottlenecks::default(),
        Time::from_secs(59),
        None,
    );
    let waits = flows[0].link().queue_wait();
    assert!(
        waits.max_ms().is_some_and(|ms| ms > 950.0),
        "{:?}",
        waits.max_ms()
    );
    assert!(waits.quantile_ms(0.5).is_some_and(|ms| ms > 400.0));
}

#[test]
fn two_flows_share_a_bottleneck() {
    let network = path(300.0, 50.0);
    let mut flows = [flow(1, network, None), flow(2, network, None)];
    run(
        &mut flows,
        &mut Bottlenecks::default(),
        Time::from_secs(59),
        None,
    );
    let rates = flows.each_ref().map(|flow| rate_bps(flow, 59));
    // What waits in the queue at the end counts already.
    assert!(
        (1_850_000..2_020_000).contains(&(rates[0] + rates[1])),
        "{rates:?}"
    );
    assert!(rates.iter().all(|rate| *rate > 600_000), "{rates:?}");
}

#[test]
fn media_in_the_same_queue_waits_behind_a_long_flow() {
    let mut media = Link::new(path(300.0, 50.0), Random::new(71, &[9]));
    let mut flows = [flow(1, path(300.0, 50.0), None)];
    let mut shared = Bottlenecks::default();
    // 500 kb/s beside a flow that wants all.
    run(
        &mut flows,
        &mut shared,
        Time::from_secs(59),
        Some((&mut media, 19_200)),
    );
    let rate = rate_bps(&flows[0], 59);
    assert!((1_300_000..1_520_000).contains(&rate), "{rate}");
    let waits = media.queue_wait();
    assert!(
        waits.quantile_ms(0.5).is_some_and(|ms| ms > 100.0),
        "{:?}",
        waits.quantile_ms(0.5)
    );
    assert!(media.counters().queue_drops > 0);
}

#[test]
fn short_transfers_come_and_go() {
    let transfers = Transfers {
        min_bytes: 100_000,
        max_bytes: 1_000_000,
        mean_idle_ms: 2_000.0,
    };
    let mut flows: Vec<_> = (1..=3)
        .map(|number| flow(number, path(300.0, 50.0), Some(transfers)))
        .collect();
    run(
        &mut flows,
        &mut Bottlenecks::default(),
        Time::from_secs(70),
        None,
    );
    let transfers = flows.iter().map(|flow| flow.counters().transfers);
    assert!((10..60).contains(&transfers.sum::<u64>()));
    for flow in &flows {
        let per_transfer = flow.link().counters().bytes_delivered / (flow.counters().transfers + 1);
        assert!(
            (100_000..1_200_000).contains(&per_transfer),
            "{per_transfer}"
        );
        assert_eq!(flow.poll_timeout(), None, "a timer is left after the end");
    }
}

#[test]
fn a_flow_survives_a_path_that_loses_everything_for_a_while() {
    let mut network = path(300.0, 50.0);
    network.loss = 0.9;
    let mut flows = [flow(1, network, None)];
    run(
        &mut flows,
        &mut Bottlenecks::default(),
        Time::from_secs(59),
        None,
    );
    let counters = flows[0].counters();
    assert!(counters.timeouts > 3, "{counters:?}");
    assert!(flows[0].link().counters().datagrams < 2_000);
}

#[test]
fn a_seed_repeats_a_flow() {
    let transfers = Transfers {
        min_bytes: 10_000,
        max_bytes: 100_000,
        mean_idle_ms: 500.0,
    };
    let once = || {
        let mut flows = [flow(4, path(300.0, 10.0), Some(transfers))];
        run(
            &mut flows,
            &mut Bottlenecks::default(),
            Time::from_secs(30),
            None,
        );
        (flows[0].link().counters(), flows[0].counters())
    };
    assert_eq!(once(), once());
}
