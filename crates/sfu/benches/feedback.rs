//! CPU time of the estimator for one feedback of 20 packets. Thread CPU, no sockets.

#[path = "../../rtc/benches/support/cpu.rs"]
mod cpu;

use std::time::Duration;

use sfu::bwe::gcc::Gcc;
use sfu::bwe::ledger::Ledger;
use wire::id::Ssrc;
use wire::rtcp::{Packet, TwccBuilder, compound};
use wire::time::Time;

const TRANSPORTS: usize = 240;
const PACKETS: u64 = 20;
const ROUNDS: u64 = 200;

fn main() {
    let mut now = Time::from_secs(1);
    let mut transports: Vec<_> = (0..TRANSPORTS)
        .map(|_| (Gcc::new(now), Ledger::new()))
        .collect();
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        // Frames of four packets.
        let stamps = |nth: u64| now + Duration::from_millis(nth / 4 * 20);
        for (_, ledger) in &mut transports {
            for nth in 0..PACKETS {
                ledger.sent(stamps(nth), 1_200);
            }
        }
        let feedback = feedback((round * PACKETS + 1) as u16, stamps);
        let Some(Ok(Packet::TransportFeedback(feedback))) = compound(&feedback).next() else {
            unreachable!("a feedback was written");
        };
        now = now + Duration::from_millis(100);
        let nanos = cpu::time(|| {
            for (gcc, ledger) in &mut transports {
                gcc.on_feedback(now, ledger, &feedback);
            }
        });
        rounds.push(nanos as f64 / TRANSPORTS as f64);
    }
    rounds.sort_by(f64::total_cmp);
    let (median, best) = (rounds[rounds.len() / 2], rounds[0]);
    println!("feedback of 20 packets {median:>6.0} ns (best {best:.0})");
}

fn feedback(base: u16, sent: impl Fn(u64) -> Time) -> Vec<u8> {
    let mut builder = TwccBuilder::new();
    builder.start(base, sent(0));
    for nth in 0..PACKETS {
        let arrival = sent(nth) + Duration::from_micros(nth % 4 * 300 + nth * 7 % 5 * 250);
        assert!(builder.push(base.wrapping_add(nth as u16), arrival));
    }
    let mut out = Vec::new();
    builder.write(&mut out, Ssrc(1), Ssrc(2), 0);
    out
}
