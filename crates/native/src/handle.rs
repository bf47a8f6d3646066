//! What the Python handles of the SFU and of the load generator share: workers on threads of their
//! own, JSON in and out.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bridge::{Mailbox, Outlet, lock};
use crate::error::native_error;
use crate::udp::Waker;

const MOST_WORKERS: usize = 64;

/// What a worker says of itself every now and then.
pub trait Snapshot: Default + Serialize {
    /// Add what another worker says.
    fn add(&mut self, other: &Self);
}

/// What a worker thread and the control plane share: commands, events and snapshots.
pub struct Shared<C, E, S> {
    /// Commands in.
    pub commands: Mailbox<C>,
    /// Events out.
    pub events: Arc<Outlet<E>>,
    /// Last snapshot.
    pub snapshot: Mutex<S>,
    /// The thread should end.
    pub stop: AtomicBool,
}

/// Workers with their queues and threads; they stop when it is dropped.
pub struct Handle<C, E, S> {
    workers: Vec<Arc<Shared<C, E, S>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    events: Arc<Outlet<E>>,
    info: Vec<u8>,
}

impl<C: DeserializeOwned, E: Serialize, S: Snapshot> Handle<C, E, S> {
    /// Make the queues of `workers`, each for at most `mailbox` commands.
    ///
    /// # Errors
    /// Where the number of workers makes no sense, or the kernel gives no descriptor.
    pub fn new(workers: usize, mailbox: usize) -> Result<Self, String> {
        if workers == 0 || workers > MOST_WORKERS {
            return Err(format!("workers must be 1..={MOST_WORKERS}"));
        }
        let waker = || Waker::new().map_err(|error| error.to_string());
        let events = Arc::new(Outlet::new(Arc::new(waker()?)));
        let shared = |waker| Shared {
            commands: Mailbox::new(mailbox, waker),
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

    /// Start the thread of each worker by its number and what it shares; `info` is told from now on.
    ///
    /// # Errors
    /// Where one cannot be started; those before it run until the handle is dropped.
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

    /// Return what the workers got, as JSON.
    pub fn info<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.info)
    }

    /// Return the descriptor that is readable while events wait.
    pub fn event_fd(&self) -> i32 {
        self.events.waker().as_fd().as_raw_fd()
    }

    /// Say whether the thread of a worker has ended.
    pub fn has_ended(&self, worker: usize) -> bool {
        let threads = lock(&self.threads);
        threads.get(worker).is_some_and(JoinHandle::is_finished)
    }

    /// Hand a JSON array of commands to a worker; `false` where its queue is full.
    ///
    /// # Errors
    /// Where there is no such worker or a command cannot be read; none is carried out then.
    pub fn submit(&self, worker: usize, commands: &[u8]) -> PyResult<bool> {
        let shared = self
            .workers
            .get(worker)
            .ok_or_else(|| native_error(format!("no worker {worker}")))?;
        let commands: Vec<C> = serde_json::from_slice(commands).map_err(native_error)?;
        Ok(shared.commands.post(commands))
    }

    /// Take all events, as a JSON array.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        bytes(py, &self.events.take())
    }

    /// Return the last snapshots of all workers together, as JSON.
    ///
    /// # Errors
    /// Where they cannot be written.
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
