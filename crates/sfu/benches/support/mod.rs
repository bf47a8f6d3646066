//! Rounds of a stage, timed.

use std::time::Duration;

use super::common::counting::Counting;
use super::common::stage::Stage;

const WARM_UP: Duration = Duration::from_secs(3);
const ROUND: Duration = Duration::from_secs(1);

/// Print the median round: nanoseconds and allocations per packet sent, packets per run.
pub fn measure(name: &str, mut stage: Stage) {
    stage.play(WARM_UP);
    let (mut rounds, mut packets, mut allocations) = (Vec::new(), 0, 0);
    let runs = stage.runs;
    while stage.play_ahead(ROUND) {
        let before = (thread_nanos(), Counting::allocations(), stage.counters());
        stage.play(ROUND);
        let nanos = thread_nanos() - before.0;
        allocations += Counting::allocations() - before.1;
        let sent = stage.counters().packets_sent - before.2.packets_sent;
        packets += sent;
        rounds.push(nanos as f64 / sent as f64);
    }
    rounds.sort_by(f64::total_cmp);
    println!(
        "{name:<34} {:>6.0} ns a packet (best {:.0}), {:.4} allocations, {:.1} packets a run",
        rounds[rounds.len() / 2],
        rounds[0],
        allocations as f64 / packets as f64,
        packets as f64 / (stage.runs - runs) as f64,
    );
}

/// CPU time of this thread.
fn thread_nanos() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call fills in the one struct that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
