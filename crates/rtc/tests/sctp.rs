//! Two associations, over a network that is seeded and on virtual time.

use std::time::Duration;

use rtc::dtls::Role;
use rtc::sctp::{
    Association, AssociationEvent, ChannelId, ChannelParameters, CloseReason, MAX_MESSAGE_BYTES,
    Reliability, SendError,
};
use wire::time::Time;

/// One way of the network: packets with their arrival.
type Way = Vec<(Time, Vec<u8>)>;

struct Pair {
    now: Time,
    ends: [Association; 2],
    /// To each end.
    ways: [Way; 2],
    events: [Vec<AssociationEvent>; 2],
    delay: Duration,
    /// Share of packets that are lost, percent.
    loss: u8,
    random: fastrand::Rng,
    /// Messages are taken from the associations.
    is_taking: bool,
    /// Changes packets on their way.
    change: fn(&mut [u8]),
}

impl Pair {
    fn new(seed: u64) -> Self {
        // What the associations draw themselves.
        fastrand::seed(seed);
        let now = Time::from_secs(100);
        Self {
            now,
            ends: [
                Association::new(now, Role::Client),
                Association::new(now, Role::Server),
            ],
            ways: [Way::new(), Way::new()],
            events: [Vec::new(), Vec::new()],
            delay: Duration::from_millis(10),
            loss: 0,
            random: fastrand::Rng::with_seed(seed),
            is_taking: true,
            change: |_| {},
        }
    }

    fn connected(seed: u64) -> Self {
        let mut pair = Self::new(seed);
        pair.ends[0].connect(pair.now);
        pair.run(Duration::from_secs(1));
        assert!(pair.ends.iter().all(Association::is_connected));
        pair
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            let arrivals = self.ways.iter().flatten().map(|(at, _)| *at);
            let timers = self.ends.iter().filter_map(Association::poll_timeout);
            let Some(next) = arrivals.chain(timers).min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            for to in 0..2 {
                let due = |(at, _): &(Time, Vec<u8>)| *at <= self.now;
                let count = self.ways[to].iter().take_while(|it| due(it)).count();
                let arrived: Way = self.ways[to].drain(..count).collect();
                for (_, packet) in arrived {
                    self.ends[to].receive(self.now, &packet);
                }
                if self.ends[to]
                    .poll_timeout()
                    .is_some_and(|at| at <= self.now)
                {
                    self.ends[to].handle_timeout(self.now);
                }
            }
        }
    }

    fn settle(&mut self) {
        for from in 0..2 {
            while self.is_taking && self.ends[from].poll_message() {}
            while let Some(event) = self.ends[from].poll_event() {
                self.events[from].push(event);
            }
            while let Some(mut packet) = self.ends[from].poll_transmit() {
                (self.change)(&mut packet);
                if self.random.u8(0..100) >= self.loss {
                    self.ways[1 - from].push((self.now + self.delay, packet));
                }
            }
        }
    }

    fn open(&mut self, from: usize, parameters: &ChannelParameters) -> ChannelId {
        let opened = self.ends[from].open(self.now, parameters.clone());
        opened.expect("a free stream")
    }

    fn messages(&self, at: usize) -> Vec<(bool, &[u8])> {
        let messages = self.events[at].iter().filter_map(|event| match event {
            AssociationEvent::Message {
                is_text, payload, ..
            } => Some((*is_text, payload.as_slice())),
            _ => None,
        });
        messages.collect()
    }
}

fn labelled(label: &str) -> ChannelParameters {
    ChannelParameters {
        label: label.into(),
        ..ChannelParameters::default()
    }
}

#[test]
fn text_binary_and_empty_messages_arrive_in_order_though_packets_are_lost() {
    let mut pair = Pair::connected(1);
    pair.loss = 10;
    let id = pair.open(0, &labelled("chat"));
    assert_eq!(id % 2, 0, "the stream of a DTLS client");
    let large = vec![7; MAX_MESSAGE_BYTES];
    let sent: [(bool, &[u8]); 5] = [
        (true, b"hello"),
        (false, &[0, 255]),
        (true, b""),
        (false, &large),
        (false, b""),
    ];
    for (is_text, payload) in sent {
        let now = pair.now;
        pair.ends[0].send(now, id, is_text, payload).expect("sent");
    }
    pair.run(Duration::from_secs(60));
    let opened = AssociationEvent::Opened(id, labelled("chat"));
    assert_eq!(pair.events[1].first(), Some(&opened));
    assert_eq!(pair.messages(1), sent);
}

#[test]
fn both_sides_open_channels_though_neither_waits_for_the_other() {
    let mut pair = Pair::new(2);
    let now = pair.now;
    pair.ends.iter_mut().for_each(|end| end.connect(now));
    let ids = [0, 1].map(|from| pair.open(from, &labelled("both")));
    assert_eq!(ids, [0, 1]);
    let now = pair.now;
    for (end, id) in pair.ends.iter_mut().zip(ids) {
        end.send(now, id, true, b"early").expect("queued");
    }
    pair.run(Duration::from_secs(5));
    for to in 0..2 {
        assert_eq!(pair.messages(to), [(true, &b"early"[..])]);
    }
}

#[test]
fn a_message_that_is_not_sent_again_may_be_lost_and_others_overtake_it() {
    let mut pair = Pair::connected(3);
    let parameters = ChannelParameters {
        unordered: true,
        reliability: Reliability::Retransmits(0),
        ..labelled("pointer")
    };
    let id = pair.open(0, &parameters);
    pair.run(Duration::from_secs(1));
    pair.loss = 20;
    for nth in 0..200_u8 {
        let now = pair.now;
        pair.ends[0].send(now, id, false, &[nth]).expect("sent");
        pair.run(Duration::from_millis(20));
    }
    pair.loss = 0;
    pair.run(Duration::from_secs(5));
    let arrived: Vec<u8> = pair.messages(1).iter().map(|(_, it)| it[0]).collect();
    assert!(
        (120..200).contains(&arrived.len()),
        "{} of 200",
        arrived.len()
    );
    assert_eq!(pair.ends[0].buffered_bytes(id), 0);
}

#[test]
fn a_message_that_is_too_old_is_not_sent() {
    let mut pair = Pair::connected(4);
    let parameters = ChannelParameters {
        reliability: Reliability::Lifetime(Duration::from_millis(100)),
        ..labelled("fresh")
    };
    let id = pair.open(0, &parameters);
    pair.run(Duration::from_secs(1));
    pair.loss = 100;
    let now = pair.now;
    pair.ends[0].send(now, id, true, b"old").expect("sent");
    pair.run(Duration::from_secs(2));
    pair.loss = 0;
    let now = pair.now;
    pair.ends[0].send(now, id, true, b"new").expect("sent");
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.messages(1), [(true, &b"new"[..])]);
}

#[test]
fn a_closed_channel_is_closed_on_both_sides_after_its_messages_and_its_stream_is_free() {
    let mut pair = Pair::connected(5);
    for round in 0..3 {
        let id = pair.open(0, &labelled("again"));
        assert_eq!(id, 0, "round {round}");
        let now = pair.now;
        pair.ends[0].send(now, id, true, b"last").expect("sent");
        pair.run(Duration::from_secs(1));
        let now = pair.now;
        pair.ends[0].close(now, id, CloseReason::Closed);
        assert_eq!(
            pair.ends[0].send(now, id, true, b"late"),
            Err(SendError::NoChannel)
        );
        pair.run(Duration::from_secs(2));
        let closed = |reason| AssociationEvent::Closed(id, reason);
        assert_eq!(pair.events[0].last(), Some(&closed(CloseReason::Closed)));
        let by_peer = closed(CloseReason::ClosedByPeer);
        assert_eq!(pair.events[1].last(), Some(&by_peer));
        assert_eq!(pair.messages(1).len(), round + 1);
    }
}

#[test]
fn messages_that_are_not_taken_close_the_window_and_arrive_later() {
    let mut pair = Pair::connected(6);
    let id = pair.open(0, &labelled("bulk"));
    pair.run(Duration::from_secs(1));
    pair.is_taking = false;
    let mut sent = 0;
    for _ in 0..100 {
        let now = pair.now;
        sent += usize::from(pair.ends[0].send(now, id, false, &[1; 60_000]).is_ok());
        pair.run(Duration::from_millis(100));
    }
    // The window of the receiver and the queue of the sender: neither grows beyond its bound.
    assert!((15..40).contains(&sent), "{sent} messages of 60 kB");
    assert!(pair.ends[0].buffered_bytes(id) > 200_000);
    assert!(pair.messages(1).is_empty());
    pair.is_taking = true;
    pair.run(Duration::from_secs(30));
    assert_eq!(pair.messages(1).len(), sent);
    assert_eq!(pair.ends[0].buffered_bytes(id), 0);
}

#[test]
fn a_message_above_the_limit_is_not_sent() {
    let mut pair = Pair::connected(7);
    let id = pair.open(0, &labelled("large"));
    let (now, large) = (pair.now, vec![1; MAX_MESSAGE_BYTES + 1]);
    let refused = pair.ends[0].send(now, id, false, &large);
    assert_eq!(refused, Err(SendError::TooLarge));
}

/// Clear the flag that ends a message in the DATA chunk at the start of a packet; among the
/// associations here packets have no checksum (RFC 9653).
fn never_end(packet: &mut [u8]) {
    if let Some([0, flags]) = packet.get_mut(12..14) {
        *flags &= !1;
    }
}

#[test]
fn a_message_that_never_ends_ends_the_association_within_the_window() {
    let mut pair = Pair::connected(11);
    let id = pair.open(0, &labelled("endless"));
    pair.run(Duration::from_secs(1));
    pair.change = never_end;
    for _ in 0..400 {
        let now = pair.now;
        // Refused where the queue is full.
        let _ = pair.ends[0].send(now, id, false, &[1; 100_000]);
        pair.run(Duration::from_millis(100));
    }
    let ended = AssociationEvent::Ended(CloseReason::MessageTooLarge);
    assert_eq!(pair.events[1].last(), Some(&ended));
    assert!(pair.messages(1).is_empty());
    assert_eq!(pair.ends[1].poll_timeout(), None);
}

#[test]
fn streams_end_at_those_announced() {
    let mut pair = Pair::connected(8);
    let now = pair.now;
    for _ in 0..512 {
        pair.ends[0].open(now, labelled("many")).expect("free");
        pair.run(Duration::from_millis(1));
    }
    assert_eq!(pair.ends[0].open(now, labelled("many")), None);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.events[1].len(), 512);
}

#[test]
fn a_stream_that_was_not_announced_ends_the_association() {
    let mut pair = Pair::connected(9);
    let mut packet = vec![0; 12];
    packet.extend_from_slice(&[
        0, 3, 0, 17, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 51, 1, 0, 0, 0,
    ]);
    let now = pair.now;
    pair.ends[1].receive(now, &packet);
    pair.run(Duration::from_secs(1));
    let ended = AssociationEvent::Ended(CloseReason::AssociationFailed);
    assert_eq!(pair.events[1], [ended]);
    assert_eq!(pair.ends[1].poll_timeout(), None);
    // The peer is told.
    let ended = AssociationEvent::Ended(CloseReason::ClosedByPeer);
    assert_eq!(pair.events[0], [ended]);
}

#[test]
fn a_peer_that_never_answers_ends_the_association() {
    let mut pair = Pair::new(10);
    pair.loss = 100;
    pair.ends[0].connect(pair.now);
    pair.run(Duration::from_secs(1_000));
    let ended = AssociationEvent::Ended(CloseReason::AssociationFailed);
    assert_eq!(pair.events[0], [ended]);
}
