//! What forwarding one packet costs the engine: received, opened, kept, and for each subscriber
//! copied, rewritten and sealed into the outbox. Thread CPU, no sockets.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use common::counting::Counting;
use common::stage::{Play, Stage};
use sfu::config::Config;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SUBSCRIBERS: usize = 240;
const PACED: Duration = Duration::from_millis(13);
const WARM_UP: Duration = Duration::from_secs(3);
const ROUND: Duration = Duration::from_secs(1);

fn main() {
    let whole = Play::video(SUBSCRIBERS, Duration::ZERO);
    let paced = Play::video(SUBSCRIBERS, PACED);
    let fed_back = Play {
        feedback: true,
        ..paced
    };
    measure("video to 240, frames whole", Config::default(), &whole);
    measure("video to 240, frames paced", Config::default(), &paced);
    measure(
        "the same, 1 % asked for again",
        Config::default(),
        &fed_back,
    );
    measure(
        "sound, 10 to 30, coalesced 5 ms",
        Config::default(),
        &Play::audio(),
    );
    let at_once = Config {
        coalesce_ms: 0,
        ..Config::default()
    };
    measure("sound, 10 to 30, at once", at_once, &Play::audio());
}

/// Print the median round: nanoseconds and allocations per packet sent, packets per run.
fn measure(name: &str, config: Config, play: &Play) {
    let mut stage = Stage::new(config, play);
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
