//! Loss that is no congestion: the encoding is kept, and what was lost is repaired.

use serde_json::{Value, json};

use super::call::{narrow, wide, with};
use super::figures::Figures;
use super::one::{run_steps, viewed};
use super::seeds::{mean, most, over_seeds};

const VIEWERS: usize = 4;

struct Lossy {
    viewers: Vec<Figures>,
    /// Retransmissions and probes, of the other packets.
    overhead: f64,
    from_ms: u64,
}

/// Viewers with a link of this capacity and loss each.
fn lossy(case: &str, kbps: u64, loss: &Value) -> Vec<Lossy> {
    over_seeds(|seed| lossy_run(case, seed, kbps, loss.clone()))
}

fn lossy_run(case: &str, seed: u64, kbps: u64, loss: Value) -> Lossy {
    let down = with(narrow(kbps * 1_000), loss);
    let (mut call, first, camera) = viewed(seed, true, wide(), down.clone());
    let mut viewers = vec![first];
    while viewers.len() < VIEWERS {
        viewers.push(call.view(&[camera], wide(), down.clone()));
    }
    call.run(2_000);
    call.measure();
    let before = call.net.server.counters();
    let from_ms = call.ms(call.net.now);
    run_steps(&mut call, &viewers, &[(kbps, 30_000)], 1);
    let after = call.net.server.counters();
    let more = |value: fn(&sfu::counters::Counters) -> u64| (value(&after) - value(&before)) as f64;
    let extra = more(|it| it.retransmitted_packets_sent + it.probe_packets_sent);
    let overhead = extra / (more(|it| it.packets_sent) - extra);
    let figures: Vec<_> = viewers.iter().map(|it| call.figures(it, true)).collect();
    for one in &figures {
        one.print(
            &format!("{case}: {:.1} % more packets", overhead * 100.0),
            from_ms,
        );
    }
    Lossy {
        viewers: figures,
        overhead,
        from_ms,
    }
}

/// Loss in bursts of a mean of 8 packets.
fn bursts(loss: f64) -> Value {
    let end = 1.0 / 8.0;
    json!({"bursts": {"p": loss * end / (1.0 - loss), "r": end}})
}

impl Lossy {
    fn highest_share(&self) -> f64 {
        let is_highest = |is: usize, _| is == 2;
        mean(&self.viewers, |it| {
            it.seen[0].share(self.from_ms, u64::MAX, is_highest)
        })
    }

    fn frozen(&self) -> f64 {
        mean(&self.viewers, |it| it.freeze_est)
    }

    fn lost_after_repair(&self) -> f64 {
        mean(&self.viewers, |it| it.lost_after_repair)
    }

    fn longest_gap_ms(&self) -> f64 {
        most(&self.viewers, |it| it.longest_gap_ms)
    }
}

#[test]
fn random_loss_of_5_percent() {
    let runs = lossy("random-5", 5_000, &json!({"loss": 0.05}));
    let frozen = mean(&runs, Lossy::frozen);
    assert!(frozen <= 0.006, "{frozen}");
    for it in &runs {
        assert!(it.highest_share() >= 0.9, "{}", it.highest_share());
        assert!(it.overhead <= 0.12, "{}", it.overhead);
        let lost = it.lost_after_repair();
        assert!(lost <= 0.003, "{lost}");
    }
    let gap_ms = mean(&runs, Lossy::longest_gap_ms);
    let longest_ms = most(&runs, Lossy::longest_gap_ms);
    assert!(
        gap_ms <= 320.0 && longest_ms <= 400.0,
        "{gap_ms}, {longest_ms}"
    );
}

#[test]
fn random_loss_of_2_percent() {
    for it in lossy("random-2", 5_000, &json!({"loss": 0.02})) {
        assert_eq!(it.highest_share(), 1.0);
        let lost = it.lost_after_repair();
        assert!(lost <= 0.0005, "{lost}");
    }
}

#[test]
fn bursts_of_4_percent() {
    let runs = lossy("burst-4", 3_000, &bursts(0.04));
    let (highest, frozen) = (
        mean(&runs, Lossy::highest_share),
        mean(&runs, Lossy::frozen),
    );
    assert!(highest >= 0.9, "{highest}");
    // Aim: 6.5 %.
    assert!(frozen <= 0.1, "{frozen}");
    let gap_ms = mean(&runs, Lossy::longest_gap_ms);
    assert!(gap_ms <= 550.0, "{gap_ms}");
}

#[test]
fn jitter_of_30_ms_and_bursts_of_3_percent() {
    let loss = with(bursts(0.03), json!({"jitter_ms": 30.0}));
    let runs = lossy("jitter", 3_000, &loss);
    let highest = mean(&runs, Lossy::highest_share);
    assert!(highest >= 0.85, "{highest}");
}
