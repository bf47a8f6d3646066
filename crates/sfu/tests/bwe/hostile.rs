//! Feedback that lies, repeats itself, comes late or not at all.

use std::time::Duration;

use proptest::prelude::*;
use sfu::bwe::gcc::{FLOOR_BPS, Gcc};
use sfu::bwe::ledger::Ledger;
use sfu::bwe::probe::Wants;
use wire::id::Ssrc;
use wire::rtcp::{Packet, TwccBuilder, TwccFeedback, compound};
use wire::time::Time;

use super::call::Call;
use super::link::Link;

const MAX_BPS: f64 = 4e6;

/// A transport that sends 200 packets a second of 1,200 bytes.
pub struct Sender {
    pub now: Time,
    pub gcc: Gcc,
    pub ledger: Ledger,
    last: u16,
}

impl Sender {
    pub fn new() -> Self {
        let now = Time::from_secs(100);
        let mut gcc = Gcc::new(now);
        let wants = Wants {
            has_failed: false,
            is_audio_only: false,
            sent_bps: 0.0,
            next_step_bps: Some(1.83e6),
            most_bps: 1.83e6,
        };
        gcc.set_wants(Time::ZERO, wants, MAX_BPS);
        Self {
            now,
            gcc,
            ledger: Ledger::new(),
            last: 0,
        }
    }

    pub fn send(&mut self, packets: usize) -> &mut Self {
        for _ in 0..packets {
            self.now = self.now + Duration::from_millis(5);
            self.stamp();
        }
        self
    }

    pub fn stamp(&mut self) {
        self.last = self.ledger.sent(self.now, 1_200);
    }

    /// Report the last `packets`, arriving at these instants of the receiver's clock.
    pub fn report(&mut self, packets: u16, arrival: impl Fn(u16) -> Time) -> Vec<u8> {
        self.report_some(packets, |nth| Some(arrival(nth)))
    }

    /// The same, with losses among them but the first.
    pub fn report_some(&mut self, packets: u16, arrival: impl Fn(u16) -> Option<Time>) -> Vec<u8> {
        let base = self.last.wrapping_sub(packets - 1);
        let mut builder = TwccBuilder::new();
        builder.start(base, arrival(0).expect("received"));
        for nth in 0..packets {
            if let Some(arrived) = arrival(nth) {
                assert!(builder.push(base.wrapping_add(nth), arrived));
            }
        }
        let mut out = Vec::new();
        builder.write(&mut out, Ssrc(1), Ssrc(2), 0);
        self.deliver(&out);
        out
    }

    fn deliver(&mut self, bytes: &[u8]) {
        self.gcc
            .on_feedback(self.now, &mut self.ledger, &feedback(bytes));
        let estimate = self.gcc.estimate_bps();
        assert!(
            (FLOOR_BPS as u64..=MAX_BPS as u64).contains(&estimate),
            "{estimate}"
        );
    }

    /// Report honestly for a while.
    pub fn warm_up(&mut self) -> &mut Self {
        for _ in 0..30 {
            self.send(20);
            let now = self.now;
            self.report(20, |nth| {
                now - Duration::from_millis(5 * u64::from(19 - nth))
            });
        }
        self
    }
}

fn feedback(bytes: &[u8]) -> TwccFeedback<'_> {
    match compound(bytes).next() {
        Some(Ok(Packet::TransportFeedback(feedback))) => feedback,
        other => panic!("no feedback: {other:?}"),
    }
}

/// A feedback of one run of these symbols, with these deltas.
fn run(base: u16, count: u16, reference: u32, symbol: u16, deltas: &[u8]) -> Vec<u8> {
    let mut out = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    out.extend(base.to_be_bytes());
    out.extend(count.to_be_bytes());
    out.extend(&reference.to_be_bytes()[1..]);
    out.push(0);
    let mut left = count;
    while left > 0 {
        let length = left.min(0x1fff);
        out.extend((symbol << 13 | length).to_be_bytes());
        left -= length;
    }
    out.extend(deltas);
    out.resize(out.len().next_multiple_of(4), 0);
    let words = (out.len() / 4 - 1) as u16;
    out[2..4].copy_from_slice(&words.to_be_bytes());
    out
}

#[test]
fn all_lost_lowers_the_estimate_to_the_floor_and_no_further() {
    let mut sender = Sender::new();
    sender.warm_up();
    for _ in 0..200 {
        sender.send(20);
        let bytes = run(sender.last - 19, 20, 1, 0, &[]);
        sender.deliver(&bytes);
    }
    assert!(sender.gcc.estimate_bps() < 200_000);
    assert!(sender.gcc.loss().expect("known") > 0.9);
}

#[test]
fn numbers_never_sent_are_ignored() {
    let mut sender = Sender::new();
    sender.warm_up();
    let before = sender.gcc.estimate_bps();
    let bytes = run(sender.last.wrapping_add(1), 0xffff, 1, 0, &[]);
    sender.deliver(&bytes);
    let bytes = run(sender.last.wrapping_add(100), 200, 1, 1, &[0; 200]);
    sender.deliver(&bytes);
    assert_eq!(sender.gcc.estimate_bps(), before);
    assert!(sender.gcc.loss().expect("known") < 0.01);
}

#[test]
fn a_replayed_feedback_changes_nothing() {
    let mut sender = Sender::new();
    sender.warm_up().send(20);
    let now = sender.now;
    let bytes = sender.report(20, |nth| now + Duration::from_millis(5 * u64::from(nth)));
    let seen = (
        sender.gcc.estimate_bps(),
        sender.gcc.acknowledged_bps(),
        sender.gcc.rtt(),
    );
    for _ in 0..1_000 {
        sender.deliver(&bytes);
    }
    let after = (
        sender.gcc.estimate_bps(),
        sender.gcc.acknowledged_bps(),
        sender.gcc.rtt(),
    );
    assert_eq!(after, seen);
}

#[test]
fn arrivals_before_their_packets_were_sent_do_not_raise_the_estimate_above_its_cap() {
    let mut sender = Sender::new();
    for round in 0..300_u64 {
        sender.send(20);
        // The clock of the receiver runs backwards.
        let start = Time::from_millis(10_000_000 - round * 150);
        sender.report(20, |nth| {
            start + Duration::from_micros(u64::from(nth) * 250)
        });
    }
}

#[test]
fn the_reference_time_wraps_without_a_change() {
    // 2^24 units of 64 ms; the arrivals cross them after three seconds.
    let wrap = Duration::from_millis(64 * (1 << 24));
    let mut sender = Sender::new();
    let offset = wrap - Duration::from_secs(103);
    let mut estimates = Vec::new();
    for _ in 0..100 {
        sender.send(20);
        let now = sender.now + offset;
        sender.report(20, |nth| now + Duration::from_millis(5 * u64::from(nth)));
        estimates.push(sender.gcc.estimate_bps());
    }
    assert!(estimates.is_sorted(), "no decrease: {estimates:?}");
    let acknowledged = sender.gcc.acknowledged_bps().expect("known");
    assert!(
        (1_850_000..1_990_000).contains(&acknowledged),
        "{acknowledged}"
    );
}

#[test]
fn reordered_feedback_is_used_and_no_loss() {
    let mut sender = Sender::new();
    let mut held = None;
    for _ in 0..100 {
        sender.send(20);
        let (now, base) = (sender.now, sender.last.wrapping_sub(19));
        let mut builder = TwccBuilder::new();
        builder.start(base, now);
        for nth in 0..20 {
            builder.push(
                base.wrapping_add(nth),
                now + Duration::from_millis(5 * u64::from(nth)),
            );
        }
        let mut out = Vec::new();
        builder.write(&mut out, Ssrc(1), Ssrc(2), 0);
        // Each second one overtakes the one before.
        match held.take() {
            None => held = Some(out),
            Some(before) => {
                sender.deliver(&out);
                sender.deliver(&before);
            }
        }
    }
    assert_eq!(sender.gcc.loss(), Some(0.0));
    assert!(sender.gcc.estimate_bps() >= 300_000);
}

#[test]
fn a_silent_receiver_freezes_the_estimate_and_then_halves_it() {
    let mut call = Call::new(Link::of_kbps(5_000.0));
    call.run(10_000);
    call.is_silent = true;
    // The last feedback is on its way.
    call.run(10_200);
    let before = call.gcc.estimate_bps();
    call.run(10_900);
    assert_eq!(call.gcc.estimate_bps(), before);
    call.run(11_700);
    assert!(call.gcc.estimate_bps() <= before / 2 + 1);
    call.run(20_000);
    assert_eq!(call.gcc.estimate_bps(), FLOOR_BPS as u64);
    call.is_silent = false;
    call.run(24_000).print();
    assert!(call.samples.last().expect("samples").step == 2, "up again");
}

#[test]
fn a_paused_sender_is_not_taken_for_a_silent_receiver() {
    let mut call = Call::new(Link::of_kbps(5_000.0));
    call.run(10_000);
    call.is_paused = true;
    call.run(10_500);
    let before = call.gcc.estimate_bps();
    call.run(60_000);
    assert_eq!(call.gcc.estimate_bps(), before);
}

#[test]
fn the_first_path_is_no_change_of_the_path() {
    let probed = |is_selected: bool| {
        let mut sender = Sender::new();
        if is_selected {
            sender.gcc.change_path(sender.now);
        }
        assert!(sender.gcc.poll_probe(sender.now, &mut sender.ledger));
        sender
            .gcc
            .probe_bytes(sender.now + Duration::from_millis(10))
    };
    assert_eq!(probed(true), probed(false));
}

/// Change to a path of this capacity after 10 s of 5 Mb/s.
fn handed_over(kbps: f64) -> Call {
    let mut call = Call::new(Link::of_kbps(5_000.0));
    call.run(10_000);
    let before = call.gcc.estimate_bps();
    call.ledger.change_path();
    call.gcc.change_path(call.now);
    assert_eq!(call.gcc.estimate_bps(), before, "kept until it is known");
    call.down = Link {
        at: call.now,
        ..Link::of_kbps(kbps)
    };
    call
}

#[test]
fn a_narrower_path_is_followed_within_a_second() {
    let mut call = handed_over(1_000.0);
    call.run(40_000).print();
    let fallen = call.ideal_after(10_000);
    assert!(fallen <= 1_000, "{fallen}");
    assert!(call.ideal_share(13_000, 40_000) >= 0.95);
}

#[test]
fn a_path_of_the_same_rate_keeps_the_step() {
    let mut call = handed_over(5_000.0);
    call.run(20_000).print();
    assert_eq!(call.ideal_share(10_000, 20_000), 1.0);
}

proptest! {
    #[test]
    fn any_feedback_leaves_the_estimate_between_floor_and_cap(
        script in prop::collection::vec(
            (0_u16..40, any::<u16>(), any::<u32>(), 0_u16..3, prop::collection::vec(any::<u8>(), 0..60)),
            1..60,
        )
    ) {
        let mut sender = Sender::new();
        sender.warm_up();
        for (sent, back, reference, symbol, deltas) in script {
            sender.send(usize::from(sent));
            sender.gcc.poll_probe(sender.now, &mut sender.ledger);
            sender.gcc.probe_sent(sender.now, &mut sender.ledger, u32::from(sent), 1_200);
            let base = sender.last.wrapping_sub(back % 64);
            let bytes = run(base, deltas.len() as u16, reference >> 8, symbol, &deltas);
            sender.deliver(&bytes);
            sender.gcc.tick(sender.now, &sender.ledger);
        }
    }
}
