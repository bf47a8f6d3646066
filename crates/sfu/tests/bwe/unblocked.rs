//! Whatever stops probes ends by itself: a paused video sends nothing whose feedback could end it.

use std::time::Duration;

use sfu::bwe::trendline::Usage;
use wire::time::Time;

use super::hostile::Sender;

impl Sender {
    /// A sender whose probes of the start are over.
    fn started() -> Self {
        let mut sender = Self::new();
        sender.warm_up();
        while sender.idles_until_a_probe(1) {
            sender.send_probe();
        }
        sender.warm_up();
        sender
    }

    /// Let time pass with nothing sent; return whether a probe began.
    fn idles_until_a_probe(&mut self, seconds: u64) -> bool {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.now = self.now + Duration::from_millis(100);
            self.gcc.tick(self.now, &self.ledger);
            if self.gcc.poll_probe(self.now, &mut self.ledger) {
                return true;
            }
        }
        false
    }

    /// Send the cluster that has begun, and report all of it as it was sent.
    fn send_probe(&mut self) {
        let mut sent: Vec<Time> = Vec::new();
        while self.gcc.is_probing() {
            self.now = self.gcc.next_probe_round().expect("active");
            let packets = self.gcc.probe_bytes(self.now).div_ceil(1_200).max(1);
            for _ in 0..packets {
                self.stamp();
                sent.push(self.now);
            }
            let bytes = 1_200 * packets as u64;
            self.gcc
                .probe_sent(self.now, &mut self.ledger, packets as u32, bytes);
        }
        self.report(sent.len() as u16, |nth| sent[usize::from(nth)]);
    }
}

#[test]
fn overuse_is_forgotten_where_nothing_is_sent_any_more() {
    let mut sender = Sender::started();
    for late in 1..100 {
        sender.send(10);
        let now = sender.now;
        sender.report(10, |nth| {
            now + Duration::from_millis(20 * late + 2 * u64::from(nth))
        });
        if sender.gcc.usage() == Usage::Overuse {
            break;
        }
    }
    assert_eq!(sender.gcc.usage(), Usage::Overuse);
    assert!(sender.idles_until_a_probe(4));
}

#[test]
fn packets_that_no_feedback_reports_are_given_up_where_they_were_the_last_ones() {
    let mut sender = Sender::started();
    sender.send(5);
    for _ in 0..15 {
        sender.now = sender.now + Duration::from_millis(100);
        sender.gcc.tick(sender.now, &sender.ledger);
    }
    assert!(
        !sender.gcc.poll_probe(sender.now, &mut sender.ledger),
        "silent"
    );
    assert!(sender.idles_until_a_probe(4));
}

#[test]
fn a_probe_that_passes_lifts_what_losses_have_lowered() {
    let mut sender = Sender::started();
    let before = sender.gcc.estimate_bps();
    for _ in 0..40 {
        sender.send(20);
        let now = sender.now;
        // Two of three are lost.
        sender.report_some(20, |nth| (nth % 3 == 0).then_some(now));
    }
    let lowered = sender.gcc.estimate_bps();
    assert!(lowered < before / 2, "{lowered} of {before}");
    sender.warm_up().warm_up();
    for _ in 0..3 {
        if sender.idles_until_a_probe(4) {
            sender.send_probe();
        }
    }
    let lifted = sender.gcc.estimate_bps();
    assert!(lifted > 2_000_000, "{lifted}");
}
