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
    queue: Mutex<Vec<E>>,
    waker: Arc<Waker>,
}

impl<E> EventQueue<E> {
    /// Create a queue that wakes asyncio through `waker`.
    pub fn new(waker: Arc<Waker>) -> Self {
        Self {
            queue: Mutex::new(Vec::new()),
            waker,
        }
    }

    /// Push a batch of events; asyncio is woken where the queue was empty.
    pub fn push(&self, events: impl Iterator<Item = E>) {
        let mut queue = lock(&self.queue);
        let was_empty = queue.is_empty();
        queue.extend(events);
        let wake = was_empty && !queue.is_empty();
        drop(queue);
        if wake {
            self.waker.wake();
        }
    }

    /// Return the number of queued events.
    pub fn queued(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Drain all events.
    pub fn drain(&self) -> Vec<E> {
        self.waker.drain();
        std::mem::take(&mut *lock(&self.queue))
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
