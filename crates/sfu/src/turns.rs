//! Whose turn it is to send: rooms one after the other, so that under overload all wait alike.
//!
//! A turn goes on in the next outbox where the first was full before the room had its share.
//! Otherwise a room that comes last in each would get a fraction of what the others get, for as
//! long as the overload lasts.

use std::collections::VecDeque;

/// Rooms with something to send, in the order in which they had it.
#[derive(Debug)]
pub struct Turns {
    waiting: VecDeque<usize>,
    /// Bytes that the first of them has sent in its turn.
    sent_bytes: usize,
    /// Bytes that end a turn.
    share_bytes: usize,
}

impl Turns {
    /// Begin with no room waiting; a turn is over after this many bytes.
    pub fn new(share_bytes: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            sent_bytes: 0,
            share_bytes,
        }
    }

    /// Let a room wait for its turn.
    pub fn push(&mut self, room: usize) {
        self.waiting.push_back(room);
    }

    /// Take the room whose turn it is.
    pub fn take(&mut self) -> Option<usize> {
        self.waiting.pop_front()
    }

    /// Note that the room just taken sent this much and has more.
    pub fn leave_unfinished(&mut self, room: usize, bytes: usize) {
        self.sent_bytes += bytes;
        if self.sent_bytes < self.share_bytes {
            return self.waiting.push_front(room);
        }
        self.sent_bytes = 0;
        self.waiting.push_back(room);
    }

    /// Note that the room just taken has nothing more.
    pub fn finish(&mut self) {
        self.sent_bytes = 0;
    }

    /// Forget a room.
    pub fn remove(&mut self, room: usize) {
        if self.waiting.front() == Some(&room) {
            self.sent_bytes = 0;
        }
        self.waiting.retain(|waiting| *waiting != room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serve outboxes of 100 bytes to rooms that want `wanted` bytes a turn each and always more;
    /// return what each was sent.
    fn served(wanted: &[usize], outboxes: usize) -> Vec<usize> {
        let mut turns = Turns::new(100);
        (0..wanted.len()).for_each(|room| turns.push(room));
        let mut left = wanted.to_vec();
        let mut sent = vec![0; wanted.len()];
        for _ in 0..outboxes {
            let mut used = 0;
            while used < 100 {
                let room = turns.take().expect("always more");
                let bytes = left[room].min(100 - used);
                used += bytes;
                sent[room] += bytes;
                left[room] -= bytes;
                if left[room] > 0 {
                    turns.leave_unfinished(room, bytes);
                } else {
                    turns.finish();
                    left[room] = wanted[room];
                    turns.push(room);
                }
            }
        }
        sent
    }

    #[test]
    fn rooms_that_want_alike_get_alike_wherever_an_outbox_ends() {
        for want in [7, 40, 90, 99] {
            let sent = served(&[want; 5], 200);
            let (least, most) = (sent.iter().min(), sent.iter().max());
            assert!(
                most.expect("some") - least.expect("some") <= want,
                "{sent:?}"
            );
        }
    }

    #[test]
    fn a_room_that_wants_much_leaves_the_others_theirs() {
        let sent = served(&[1_000_000, 40, 40], 300);
        assert!(sent[1] >= 40 * 100 && sent[2] >= 40 * 100, "{sent:?}");
        assert!(sent[0] >= 100 * 100, "{sent:?}");
    }

    #[test]
    fn the_turn_of_a_room_that_is_gone_is_nobody_elses() {
        let mut turns = Turns::new(100);
        turns.push(1);
        turns.push(2);
        let first = turns.take().expect("one");
        turns.leave_unfinished(first, 90);
        turns.remove(1);
        assert_eq!(turns.take(), Some(2));
        turns.leave_unfinished(2, 90);
        assert_eq!(turns.take(), Some(2), "its share is not used up");
    }
}
