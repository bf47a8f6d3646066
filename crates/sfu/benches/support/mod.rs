//! Rounds of a replay, timed.

#[path = "../../../rtc/benches/support/cpu.rs"]
mod cpu;

use std::time::Duration;

use super::common::counting::Counting;
use super::common::replay::Replay;

const WARM_UP: Duration = Duration::from_secs(3);
const ROUND: Duration = Duration::from_secs(1);

/// Print the median round: nanoseconds and allocations per packet sent, packets per run.
pub fn measure(name: &str, mut replay: Replay) {
    replay.run(WARM_UP);
    let (mut rounds, mut packets, mut allocations) = (Vec::new(), 0, 0);
    let runs = replay.runs;
    while replay.has_ahead(ROUND) {
        let before = (Counting::allocations(), replay.counters());
        let nanos = cpu::time(|| replay.run(ROUND));
        allocations += Counting::allocations() - before.0;
        let sent = replay.counters().packets_sent - before.1.packets_sent;
        packets += sent;
        rounds.push(nanos as f64 / sent as f64);
    }
    rounds.sort_by(f64::total_cmp);
    println!(
        "{name:<34} {:>6.0} ns a packet (best {:.0}), {:.4} allocations, {:.1} packets a run",
        rounds[rounds.len() / 2],
        rounds[0],
        allocations as f64 / packets as f64,
        packets as f64 / (replay.runs - runs) as f64,
    );
}
