//! The queues between asyncio and a worker thread: no side ever waits for the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::udp::Waker;

/// Commands on their way to a worker.
pub struct Mailbox<C> {
    queue: Mutex<VecDeque<C>>,
    capacity: usize,
    waker: Waker,
}

impl<C> Mailbox<C> {
    /// Hold at most `capacity` commands and wake the worker through `waker`.
    pub fn new(capacity: usize, waker: Waker) -> Self {
        Self {
            queue: Mutex::new(VecDeque::new()),
            capacity,
            waker,
        }
    }

    /// Hand over all commands or none; `false` where they do not fit.
    pub fn post(&self, commands: Vec<C>) -> bool {
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

    /// Take the next command.
    pub fn take(&self) -> Option<C> {
        lock(&self.queue).pop_front()
    }

    /// Return what the worker's poller has to watch.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// Events on their way to asyncio, from all workers.
pub struct Outlet<E> {
    queue: Mutex<Vec<E>>,
    waker: Arc<Waker>,
}

impl<E> Outlet<E> {
    /// Wake asyncio through `waker`.
    pub fn new(waker: Arc<Waker>) -> Self {
        Self {
            queue: Mutex::new(Vec::new()),
            waker,
        }
    }

    /// Append a batch of events and wake asyncio once where it has nothing to read yet.
    pub fn put(&self, events: impl Iterator<Item = E>) {
        let mut queue = lock(&self.queue);
        let was_empty = queue.is_empty();
        queue.extend(events);
        let wake = was_empty && !queue.is_empty();
        drop(queue);
        if wake {
            self.waker.wake();
        }
    }

    /// Say how many events wait.
    pub fn waiting(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Take all events.
    pub fn take(&self) -> Vec<E> {
        self.waker.drain();
        std::mem::take(&mut *lock(&self.queue))
    }

    /// Return what asyncio has to watch.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// A queue is consistent between any two statements, so a panic elsewhere does not spoil it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
