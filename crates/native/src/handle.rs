//! The common part of the Python classes `Server` and `Swarm`: worker threads, JSON in and out.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bridge::{CommandQueue, EventQueue, lock};
use crate::error::native_error;
use crate::udp::Waker;

const MOST_WORKERS: usize = 64;

/// Counters that a worker updates periodically.
pub trait Snapshot: Default + Serialize {
    /// Add the counters of another worker.
    fn add(&mut self, other: &Self);
}

/// State shared by a worker thread and the control plane: commands, events and counters.
pub struct Shared<C, E, S> {
    /// Commands to the worker.
    pub commands: CommandQueue<C>,
    /// Events of the worker.
    pub events: Arc<EventQueue<E>>,
    /// Latest counters.
    pub snapshot: Mutex<S>,
    /// Requests the thread to end.
    pub stop: AtomicBool,
}

/// Workers with their queues and threads; dropping the handle stops them.
pub struct Handle<C, E, S> {
    workers: Vec<Arc<Shared<C, E, S>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    events: Arc<EventQueue<E>>,
    info: Vec<u8>,
}

impl<C: DeserializeOwned, E: Serialize, S: Snapshot> Handle<C, E, S> {
    /// Create the queues of `workers`, each for at most `capacity` commands.
    ///
    /// # Errors
    /// Where the number of workers is invalid, or an eventfd cannot be opened.
    pub fn new(workers: usize, capacity: usize) -> Result<Self, String> {
        if workers == 0 || workers > MOST_WORKERS {
            return Err(format!("workers must be 1..={MOST_WORKERS}"));
        }
        let waker = || Waker::new().map_err(|error| error.to_string());
        let events = Arc::new(EventQueue::new(Arc::new(waker()?)));
        let shared = |waker| Shared {
            commands: CommandQueue::new(capacity, waker),
            events: events.clone(),
            snapshot: Mutex::default(),
            stop: AtomicBool::new(false),
        };
        let workers = (0..workers).map(|_| Ok(Arc::new(shared(waker()?))));
        Ok(Self {
            workers: workers.collect::<Result<_, String>>()?,
            threads: Mutex::default(),
            events,
            info: Vec::new(),
        })
    }

    /// Start the thread of each worker with `spawn`; `info` is returned to Python from now on.
    ///
    /// # Errors
    /// Where a thread cannot be started; those started before run until the handle is dropped.
    pub fn start(
        &mut self,
        info: &impl Serialize,
        mut spawn: impl FnMut(usize, Arc<Shared<C, E, S>>) -> io::Result<JoinHandle<()>>,
    ) -> Result<(), String> {
        self.info = serde_json::to_vec(info).map_err(|error| error.to_string())?;
        for (nth, shared) in self.workers.iter().enumerate() {
            let thread = spawn(nth, shared.clone()).map_err(|error| error.to_string())?;
            lock(&self.threads).push(thread);
        }
        Ok(())
    }

    /// Return the `info` of the workers, as JSON.
    pub fn info<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.info)
    }

    /// Return the descriptor that is readable while events are queued.
    pub fn event_fd(&self) -> i32 {
        self.events.waker().as_fd().as_raw_fd()
    }

    /// Return whether the thread of a worker has ended.
    pub fn has_ended(&self, worker: usize) -> bool {
        let threads = lock(&self.threads);
        threads.get(worker).is_some_and(JoinHandle::is_finished)
    }

    /// Submit a JSON array of commands to a worker; `false` where its queue is full.
    ///
    /// # Errors
    /// Where the worker does not exist or a command cannot be parsed; no command is executed then.
    pub fn submit(&self, worker: usize, commands: &[u8]) -> PyResult<bool> {
        let shared = self
            .workers
            .get(worker)
            .ok_or_else(|| native_error(format!("no worker {worker}")))?;
        let commands: Vec<C> = serde_json::from_slice(commands).map_err(native_error)?;
        Ok(shared.commands.push(commands))
    }

    /// Drain all events, as a JSON array.
    ///
    /// # Errors
    /// Where serialization fails.
    pub fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        bytes(py, &self.events.drain())
    }

    /// Return the counters summed over all workers, as JSON.
    ///
    /// # Errors
    /// Where serialization fails.
    pub fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut total = S::default();
        for shared in &self.workers {
            total.add(&lock(&shared.snapshot));
        }
        bytes(py, &total)
    }
}

impl<C, E, S> Handle<C, E, S> {
    /// Stop the workers, which closes their sockets, and wait for their threads.
    pub fn stop(&self) {
        for shared in &self.workers {
            shared.stop.store(true, Ordering::Relaxed);
            shared.commands.wake();
        }
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join(); // how a worker ended has been reported
        }
    }
}

impl<C, E, S> Drop for Handle<C, E, S> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bytes<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyBytes>> {
    let json = serde_json::to_vec(value).map_err(native_error)?;
    Ok(PyBytes::new(py, &json))
}
