//! Busy sockets are polled round-robin; epoll watches the other sockets alone.
//!
//! The kernel wakes epoll for every datagram of a watched socket, at the expense of the sender: on
//! one machine that is the server under test, a fifth of a microsecond per packet. A socket with
//! several streams is busy all the time, so most polls every few milliseconds find datagrams. The
//! kernel timestamps arrivals, so a late read falsifies no measurement.

use std::time::Duration;

use swarm::message::TransportId;
use wire::time::Time;

/// Time in which every busy socket is polled once: with half of it most polls find nothing, since
/// a server sends to each participant every 5 to 20 ms.
const ROUND: Duration = Duration::from_millis(10);
/// Longest gap between the arrivals of a busy socket. With longer gaps, as the 33 ms between the
/// frames of one publisher, most polls find nothing and cost more than epoll.
const GAP: Duration = Duration::from_millis(20);
/// Time with arrivals no further apart that makes a socket busy: longer than the packets of a key
/// frame take.
const BUSY_AFTER: Duration = Duration::from_millis(150);
/// Polls after which a socket is judged again: 200 ms.
const JUDGED_POLLS: u8 = 20;
/// Polls among these that find datagrams at a busy socket. The frames of one publisher are found by
/// six or seven.
const BUSY_POLLS: u8 = 9;

/// How a socket is read.
#[derive(Clone, Copy, Debug)]
pub enum ReadMode {
    /// Epoll watches the socket: first and last of the arrivals without a longer gap.
    Watched(Time, Time),
    /// The socket is polled: number of polls, and of those that found datagrams.
    Polled(u8, u8),
}

impl ReadMode {
    /// A new socket.
    pub const NEW: Self = Self::Watched(Time::ZERO, Time::ZERO);
    /// A socket that has become busy.
    const BUSY: Self = Self::Polled(0, 0);

    /// Record an event of epoll; return whether the socket is busy from now on.
    pub fn on_ready(&mut self, now: Time) -> bool {
        let Self::Watched(first, last) = *self else {
            return false;
        };
        let first = if now.since(last) <= GAP { first } else { now };
        let busy = now.since(first) >= BUSY_AFTER;
        *self = match busy {
            true => Self::BUSY,
            false => Self::Watched(first, now),
        };
        busy
    }

    /// Record a poll; return whether the socket is idle and epoll has to watch it again.
    pub fn is_idle_after_poll(&mut self, received: bool) -> bool {
        let Self::Polled(polls, found) = self else {
            return false;
        };
        *polls += 1;
        *found += u8::from(received);
        if *polls < JUDGED_POLLS {
            return false;
        }
        let idle = *found < BUSY_POLLS;
        *self = Self::BUSY;
        idle
    }
}

/// The busy sockets, polled round-robin.
#[derive(Debug)]
pub struct RoundRobin {
    sockets: Vec<TransportId>,
    next: usize,
    polled: Time,
}

impl RoundRobin {
    /// Start without busy sockets.
    pub fn new() -> Self {
        Self {
            sockets: Vec::new(),
            next: 0,
            polled: Time::ZERO,
        }
    }

    /// Return whether no socket is busy.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Add a busy socket.
    pub fn add(&mut self, socket: TransportId) {
        self.sockets.push(socket);
    }

    /// Remove a socket.
    pub fn remove(&mut self, socket: TransportId) {
        self.sockets.retain(|other| *other != socket);
    }

    /// Return the number of sockets to poll now, which spreads the polls evenly over the round.
    pub fn due(&mut self, now: Time) -> usize {
        let elapsed = now.since(self.polled).min(ROUND);
        let share = elapsed.as_nanos() * self.sockets.len() as u128 / ROUND.as_nanos();
        if share > 0 {
            self.polled = now;
        }
        share as usize
    }

    /// Return the next socket to poll.
    pub fn next_socket(&mut self) -> Option<TransportId> {
        let len = self.sockets.len();
        self.next = if self.next + 1 < len {
            self.next + 1
        } else {
            0
        };
        self.sockets.get(self.next).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_nanos(1_000_000_000);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Return the time of arrivals after which a socket is busy.
    fn busy_after(arrivals: impl Iterator<Item = Duration>) -> Option<Duration> {
        let (mut mode, mut now) = (ReadMode::NEW, START);
        for gap in arrivals {
            now = now + gap;
            if mode.on_ready(now) {
                return Some(now.since(START));
            }
        }
        None
    }

    #[test]
    fn several_streams_make_a_socket_busy_and_one_does_not() {
        let every = |apart: u64| std::iter::repeat_n(ms(apart), 100);
        assert_eq!(busy_after(every(8)), Some(ms(160)));
        assert_eq!(busy_after(every(33)), None);
        // Key frames of 40 packets, a millisecond apart.
        let keyframe = (0..30).map(|_| ms(33)).chain((0..40).map(|_| ms(1)));
        assert_eq!(busy_after(keyframe.cycle().take(1_000)), None);
    }

    #[test]
    fn a_socket_with_few_arrivals_is_watched_again() {
        let polls_until_idle = |found_each: u64| {
            let mut mode = ReadMode::BUSY;
            (1..200).find(|poll| mode.is_idle_after_poll(poll % found_each == 0))
        };
        assert_eq!(polls_until_idle(1), None);
        // Audio, every 20 ms.
        assert_eq!(polls_until_idle(2), None);
        // Video of one publisher, every 33 ms.
        assert_eq!(polls_until_idle(3), Some(20));
        assert_eq!(polls_until_idle(1_000), Some(20));
    }

    #[test]
    fn every_socket_is_polled_once_per_round_for_any_interval_of_calls() {
        for step in [ms(1), ms(2), ms(5), Duration::from_micros(700)] {
            let mut sockets = RoundRobin::new();
            (0..100).for_each(|socket| sockets.add(socket));
            sockets.due(START);
            let (mut polls, mut now) = (vec![0; 100], START);
            while now.since(START) < ROUND * 20 {
                now = now + step;
                for _ in 0..sockets.due(now) {
                    polls[sockets.next_socket().expect("one") as usize] += 1;
                }
            }
            assert!(
                polls.iter().all(|count| (17..=21).contains(count)),
                "{step:?}: {polls:?}"
            );
        }
    }

    #[test]
    fn a_single_socket_is_polled_once_per_round() {
        let mut sockets = RoundRobin::new();
        sockets.add(7);
        sockets.due(START);
        assert_eq!(sockets.due(START + ROUND / 5), 0);
        assert_eq!(sockets.due(START + ROUND), 1);
        assert_eq!(sockets.next_socket(), Some(7));
        sockets.remove(7);
        assert!(sockets.is_empty());
        assert_eq!(sockets.due(START + ROUND * 10), 0);
        assert_eq!(sockets.next_socket(), None);
    }
}
