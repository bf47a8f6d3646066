//! Loss that is no congestion: the encoding is kept, and what was lost is repaired.

use serde_json::{Value, json};

use super::call::{narrow, wide, with};
use super::figures::Figures;
use super::one::{run_steps, viewed};

struct Lossy {
    figures: Figures,
    /// Retransmissions and probes, of the other packets.
    overhead: f64,
    from_ms: u64,
}

fn lossy(case: &str, kbps: u64, loss: Value, seed: u64) -> Lossy {
    let down = with(narrow(kbps * 1_000), loss);
    let (mut call, viewer) = viewed(seed, true, wide(), down);
    call.run(2_000);
    call.measure();
    let before = call.net.server.counters();
    let from_ms = call.ms(call.net.now);
    run_steps(
        &mut call,
        std::slice::from_ref(&viewer),
        &[(kbps, 40_000)],
        1,
    );
    let figures = call.figures(&viewer, true);
    let after = call.net.server.counters();
    let more = |value: fn(&sfu::counters::Counters) -> u64| (value(&after) - value(&before)) as f64;
    let extra = more(|it| it.retransmitted_packets_sent + it.probe_packets_sent);
    let overhead = extra / (more(|it| it.packets_sent) - extra);
    figures.print(
        &format!("{case}: {:.1} % more packets", overhead * 100.0),
        from_ms,
    );
    Lossy {
        figures,
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
        self.figures.seen[0].share(self.from_ms, u64::MAX, |is, _| is == 2)
    }
}

#[test]
fn random_loss_of_5_percent() {
    let it = lossy("random-5", 5_000, json!({"loss": 0.05}), 1);
    let (share, figures) = (it.highest_share(), &it.figures);
    assert!(share >= 0.9, "{share}");
    assert!(it.overhead <= 0.12, "{}", it.overhead);
    assert!(figures.lost_after_repair <= 0.003, "{figures}");
    // Aim: 1 %.
    assert!(figures.freeze_est <= 0.095, "{figures}");
    assert!(figures.longest_gap_ms <= 340.0, "{figures}");
}

#[test]
fn random_loss_of_2_percent() {
    let it = lossy("random-2", 5_000, json!({"loss": 0.02}), 1);
    assert_eq!(it.highest_share(), 1.0);
    assert!(it.figures.lost_after_repair <= 0.0005, "{}", it.figures);
}

#[test]
fn bursts_of_4_percent() {
    let it = lossy("burst-4", 3_000, bursts(0.04), 1);
    let (share, figures) = (it.highest_share(), &it.figures);
    assert!(share >= 0.9, "{share}");
    // Aim: 6.5 %.
    assert!(figures.freeze_est <= 0.13, "{figures}");
    assert!(figures.longest_gap_ms <= 550.0, "{figures}");
}

#[test]
fn jitter_of_30_ms_and_bursts_of_3_percent() {
    let loss = with(bursts(0.03), json!({"jitter_ms": 30.0}));
    let it = lossy("jitter", 3_000, loss, 1);
    assert!(it.highest_share() >= 0.85, "{}", it.highest_share());
}
