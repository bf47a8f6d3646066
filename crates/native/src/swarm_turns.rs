//! Busy sockets are looked at by turns; only the others are watched.
//!
//! A poller that watches a socket is told of every datagram there, and whoever sends it pays: on
//! one machine that is the server under test, a fifth of a microsecond a packet. What carries
//! several streams is busy all the time: looking at it every few milliseconds finds something.
//! Arrivals are stamped by the kernel: looking late spoils no measurement.

use std::time::Duration;

use swarm::message::TransportId;
use wire::time::Time;

/// Time in which every busy socket has its turn: with half of it most turns are in vain, since a
/// server sends to each participant every 5 to 20 ms.
const ROUND: Duration = Duration::from_millis(10);
/// Arrivals further apart leave most turns in vain, which cost more than a poller: the pictures of
/// one publisher do, 33 ms apart.
const GAP: Duration = Duration::from_millis(20);
/// Arrivals in a row that make a socket busy.
const BUSY_AFTER: u8 = 8;
/// Turns in a row without arrivals that end it: a tenth of a second.
const IDLE_AFTER: u8 = 10;

/// How one socket is attended to.
#[derive(Clone, Copy, Debug)]
pub enum Attention {
    /// The poller watches it; it reported so many arrivals in a row, the last one then.
    Watched(u8, Time),
    /// It is looked at by turns, and nothing was there so many times in a row.
    ByTurns(u8),
}

impl Attention {
    /// A socket that nothing is known of.
    pub const NEW: Self = Self::Watched(0, Time::ZERO);

    /// The poller reported an arrival; true where the socket is busy from now on.
    pub fn reported(&mut self, now: Time) -> bool {
        let Self::Watched(in_a_row, last) = *self else {
            return false;
        };
        let in_a_row = match now.since(last) <= GAP {
            true => in_a_row + 1,
            false => 0,
        };
        let busy = in_a_row >= BUSY_AFTER;
        *self = match busy {
            true => Self::ByTurns(0),
            false => Self::Watched(in_a_row, now),
        };
        busy
    }

    /// It had its turn; true where the poller is to watch it again.
    pub fn is_idle_after_turn(&mut self, found: bool) -> bool {
        let Self::ByTurns(in_vain) = self else {
            return false;
        };
        *in_vain = if found { 0 } else { *in_vain + 1 };
        *in_vain >= IDLE_AFTER
    }
}

/// Whose turn it is.
#[derive(Debug)]
pub struct Turns {
    sockets: Vec<TransportId>,
    next: usize,
    taken: Time,
}

impl Turns {
    /// Nobody is busy yet.
    pub fn new() -> Self {
        Self {
            sockets: Vec::new(),
            next: 0,
            taken: Time::ZERO,
        }
    }

    /// Say whether no socket is busy.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Let a socket have its turns.
    pub fn join(&mut self, socket: TransportId) {
        self.sockets.push(socket);
    }

    /// A socket has no turns any more.
    pub fn leave(&mut self, socket: TransportId) {
        self.sockets.retain(|other| *other != socket);
    }

    /// Tell how many have their turn now, so that the rest of the round is spread evenly.
    pub fn due(&mut self, now: Time) -> usize {
        let elapsed = now.since(self.taken).min(ROUND);
        let share = elapsed.as_nanos() * self.sockets.len() as u128 / ROUND.as_nanos();
        if share > 0 {
            self.taken = now;
        }
        share as usize
    }

    /// Tell whose turn is next.
    pub fn take(&mut self) -> Option<TransportId> {
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

    #[test]
    fn several_streams_make_a_socket_busy_and_one_does_not() {
        let reports_until_busy = |apart: Duration| {
            let mut attention = Attention::NEW;
            (1..100).find(|nth| attention.reported(START + apart * *nth))
        };
        assert_eq!(reports_until_busy(ms(8)), Some(9));
        assert_eq!(reports_until_busy(ms(33)), None);
    }

    #[test]
    fn a_socket_is_watched_again_once_it_is_quiet() {
        let mut attention = Attention::ByTurns(0);
        for _ in 0..10 {
            assert!((1..IDLE_AFTER).all(|_| !attention.is_idle_after_turn(false)));
            assert!(!attention.is_idle_after_turn(true));
        }
        assert!((1..IDLE_AFTER).all(|_| !attention.is_idle_after_turn(false)));
        assert!(attention.is_idle_after_turn(false));
    }

    #[test]
    fn everybody_has_one_turn_in_a_round_however_often_it_is_asked() {
        for step in [ms(1), ms(2), ms(5), Duration::from_micros(700)] {
            let mut turns = Turns::new();
            (0..100).for_each(|socket| turns.join(socket));
            turns.due(START);
            let (mut taken, mut now) = (vec![0; 100], START);
            while now.since(START) < ROUND * 20 {
                now = now + step;
                for _ in 0..turns.due(now) {
                    taken[turns.take().expect("one") as usize] += 1;
                }
            }
            assert!(
                taken.iter().all(|turns| (17..=21).contains(turns)),
                "{step:?}: {taken:?}"
            );
        }
    }

    #[test]
    fn few_sockets_have_their_turns_too() {
        let mut turns = Turns::new();
        turns.join(7);
        turns.due(START);
        assert_eq!(turns.due(START + ROUND / 5), 0);
        assert_eq!(turns.due(START + ROUND), 1);
        assert_eq!(turns.take(), Some(7));
        turns.leave(7);
        assert!(turns.is_empty());
        assert_eq!(turns.due(START + ROUND * 10), 0);
        assert_eq!(turns.take(), None);
    }
}
