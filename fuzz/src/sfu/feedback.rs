//! Transport-wide feedback into the estimator: honest, delayed, invented.

use sfu::bwe::gcc::{FLOOR_BPS, Gcc};
use sfu::bwe::ledger::Ledger;
use sfu::bwe::probe::Wants;
use wire::rtcp::{Packet, compound};
use wire::time::Time;

use crate::input::Input;

/// Whatever a receiver reports, the estimate stays between the floor and the cap.
pub fn feedback(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = Time::from_millis(u64::from(input.u32()));
    let (mut gcc, mut ledger) = (Gcc::new(now), Ledger::new());
    let mut max_bps = f64::INFINITY;
    while !input.is_empty() {
        match input.below(8) {
            0 | 1 => {
                for _ in 0..input.u8() {
                    ledger.sent(now, usize::from(input.u8()) * 8);
                }
            }
            2 => now = now + input.span(),
            3 => {
                max_bps = f64::from(input.u32());
                let most_bps = f64::from(input.u32());
                let next_step_bps = input.flag().then_some(most_bps / 2.0);
                let wants = Wants {
                    next_step_bps,
                    most_bps,
                    sent_bps: most_bps / f64::from(input.u8().max(1)),
                    has_failed: input.flag(),
                    is_audio_only: input.flag(),
                };
                gcc.set_wants(now, wants, max_bps);
            }
            4 => {
                gcc.poll_probe(now, &mut ledger);
                let bytes = gcc.probe_bytes(now);
                gcc.probe_sent(
                    now,
                    &mut ledger,
                    u32::from(input.u8()),
                    bytes.min(4_000) as u64,
                );
            }
            5 => gcc.tick(now, &ledger),
            6 if input.flag() => {
                ledger.change_path();
                gcc.change_path(now);
            }
            6 => ledger.shift(now - input.span(), input.span()),
            _ => {
                let datagram = invented(&mut input);
                for packet in compound(&datagram).flatten() {
                    if let Packet::TransportFeedback(feedback) = packet {
                        gcc.on_feedback(now, &mut ledger, &feedback);
                    }
                }
            }
        }
        let estimate = gcc.estimate_bps() as f64;
        assert!(
            estimate >= FLOOR_BPS.floor() && estimate <= max_bps.max(FLOOR_BPS),
            "{estimate}"
        );
        assert!(gcc.loss().is_none_or(|loss| (0.0..=1.0).contains(&loss)));
    }
}

/// A feedback whose header is well formed and whose contents are any bytes.
fn invented(input: &mut Input<'_>) -> Vec<u8> {
    let mut datagram = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    datagram.extend_from_slice(input.run());
    datagram.resize(datagram.len().next_multiple_of(4), 0);
    let words = (datagram.len() / 4 - 1) as u16;
    datagram[2..4].copy_from_slice(&words.to_be_bytes());
    datagram
}
