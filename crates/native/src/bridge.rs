//! The queues between asyncio and a worker thread; neither side blocks on the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::udp::Waker;

/// Commands to a worker.
pub struct CommandQueue<C> {
    queue: Mutex<VecDeque<C>>,
    capacity: usize,
    waker: Waker,
}

impl<C> CommandQueue<C> {
    /// Create a queue of at most `capacity` commands, which wakes the worker through `waker`.
    pub fn new(capacity: usize, waker: Waker) -> Self {
        Self {
            queue: Mutex::new(VecDeque::new()),
            capacity,
            waker,
        }
    }

    /// Push all commands or none; `false` where they do not fit.
    pub fn push(&self, commands: Vec<C>) -> bool {
        let mut queue = lock(&self.queue);
        if queue.len() + commands.len() > self.capacity {
            return false;
        }
        queue.extend(commands);
        drop(queue);
        self.waker.wake();
        true
    }

    /// Wake the worker without a command.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Pop the next command.
    pub fn pop(&self) -> Option<C> {
        lock(&self.queue).pop_front()
    }

    /// Return the waker for the worker's poller.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// Events of all workers to asyncio.
pub struct EventQueue<E> {
    queue: Mutex<Events<E>>,
    waker: Arc<Waker>,
}

struct Events<E> {
    queued: Vec<E>,
    /// Asyncio was woken after the last drain.
    woken: bool,
}

impl<E> EventQueue<E> {
    /// Create a queue that wakes asyncio through `waker`.
    pub fn new(waker: Arc<Waker>) -> Self {
        let queue = Mutex::new(Events {
            queued: Vec::new(),
            woken: false,
        });
        Self { queue, waker }
    }

    /// Push a batch of events and wake asyncio.
    pub fn push(&self, events: impl Iterator<Item = E>) {
        self.push_silently(events);
        self.wake();
    }

    /// Push a batch of events without waking asyncio: [`EventQueue::wake`] has to follow.
    pub fn push_silently(&self, events: impl Iterator<Item = E>) {
        lock(&self.queue).queued.extend(events);
    }

    /// Wake asyncio where events are queued, once until the next drain.
    pub fn wake(&self) {
        let mut queue = lock(&self.queue);
        let wake = !queue.woken && !queue.queued.is_empty();
        queue.woken |= wake;
        drop(queue);
        if wake {
            self.waker.wake();
        }
    }

    /// Return the number of queued events.
    pub fn queued(&self) -> usize {
        lock(&self.queue).queued.len()
    }

    /// Drain all events.
    pub fn drain(&self) -> Vec<E> {
        self.waker.drain();
        let mut queue = lock(&self.queue);
        queue.woken = false;
        std::mem::take(&mut queue.queued)
    }

    /// Return the waker for asyncio's event loop.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// Lock a mutex, poisoned or not: its data is consistent between any two statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::udp::{Interest, Poller};
    use std::time::Duration;

    fn is_readable(waker: &Waker) -> bool {
        let mut poller = Poller::new(1).unwrap();
        poller.add(waker.as_fd(), 1, Interest::Readable).unwrap();
        poller.wait(Some(Duration::ZERO)).unwrap().next().is_some()
    }

    #[test]
    fn silent_events_wake_nothing_until_asked() {
        let waker = Arc::new(Waker::new().unwrap());
        let events = EventQueue::new(waker.clone());
        events.wake();
        assert!(!is_readable(&waker), "woken without events");
        events.push_silently([1, 2].into_iter());
        assert!(!is_readable(&waker));
        events.wake();
        assert!(is_readable(&waker));
        events.push(std::iter::once(3));
        assert_eq!((events.queued(), events.drain()), (3, vec![1, 2, 3]));
        assert!(!is_readable(&waker));
        events.push(std::iter::once(4));
        assert!(is_readable(&waker), "woken again after a drain");
    }
}
