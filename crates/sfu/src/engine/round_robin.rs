//! Round robin of the rooms with packets to send, so that under overload all wait alike.
//!
//! A turn goes on in the next outbox where the first was full before the room had its quantum.
//! Otherwise a room that comes last in each outbox would get a fraction of what the others get, for
//! as long as the overload lasts.

use std::collections::VecDeque;

/// Queue of the rooms with packets to send.
#[derive(Debug)]
pub struct RoundRobin<K> {
    waiting: VecDeque<K>,
    /// Bytes that the first of them has sent in its turn.
    sent_bytes: usize,
    /// Bytes that end a turn.
    quantum_bytes: usize,
}

impl<K: Copy + PartialEq> RoundRobin<K> {
    /// Begin with no room waiting; a turn is over after this many bytes.
    pub fn new(quantum_bytes: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            sent_bytes: 0,
            quantum_bytes,
        }
    }

    /// Append a room to the queue.
    pub fn push(&mut self, room: K) {
        self.waiting.push_back(room);
    }

    /// Remove and return the first room of the queue.
    pub fn take(&mut self) -> Option<K> {
        self.waiting.pop_front()
    }

    /// Queue the room just taken again, which sent this much and has more.
    pub fn requeue(&mut self, room: K, bytes: usize) {
        self.sent_bytes += bytes;
        if self.sent_bytes < self.quantum_bytes {
            return self.waiting.push_front(room);
        }
        self.sent_bytes = 0;
        self.waiting.push_back(room);
    }

    /// Note that the room just taken has nothing more to send.
    pub fn finish(&mut self) {
        self.sent_bytes = 0;
    }

    /// Remove a room.
    pub fn remove(&mut self, room: K) {
        if self.waiting.front() == Some(&room) {
            self.sent_bytes = 0;
        }
        self.waiting.retain(|waiting| *waiting != room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serve outboxes of 100 bytes to rooms that have `demand` bytes a turn each, turn after turn;
    /// return the bytes that each sent.
    fn served(demand: &[usize], outboxes: usize) -> Vec<usize> {
        let mut rooms = RoundRobin::new(100);
        (0..demand.len()).for_each(|room| rooms.push(room));
        let mut left = demand.to_vec();
        let mut sent = vec![0; demand.len()];
        for _ in 0..outboxes {
            let mut used = 0;
            while used < 100 {
                let room = rooms.take().expect("always more");
                let bytes = left[room].min(100 - used);
                used += bytes;
                sent[room] += bytes;
                left[room] -= bytes;
                if left[room] > 0 {
                    rooms.requeue(room, bytes);
                } else {
                    rooms.finish();
                    left[room] = demand[room];
                    rooms.push(room);
                }
            }
        }
        sent
    }

    #[test]
    fn equal_rooms_get_equal_shares_wherever_an_outbox_ends() {
        for demand in [7, 40, 90, 99] {
            let sent = served(&[demand; 5], 200);
            let (least, most) = (sent.iter().min(), sent.iter().max());
            assert!(
                most.expect("some") - least.expect("some") <= demand,
                "{sent:?}"
            );
        }
    }

    #[test]
    fn a_large_room_does_not_reduce_the_shares_of_others() {
        let sent = served(&[1_000_000, 40, 40], 300);
        assert!(sent[1] >= 40 * 100 && sent[2] >= 40 * 100, "{sent:?}");
        assert!(sent[0] >= 100 * 100, "{sent:?}");
    }

    #[test]
    fn the_bytes_of_a_removed_room_do_not_count_for_the_next() {
        let mut rooms = RoundRobin::new(100);
        rooms.push(1);
        rooms.push(2);
        let first = rooms.take().expect("one");
        rooms.requeue(first, 90);
        rooms.remove(1);
        assert_eq!(rooms.take(), Some(2));
        rooms.requeue(2, 90);
        assert_eq!(rooms.take(), Some(2), "its quantum is not used up");
    }
}
