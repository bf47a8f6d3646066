//! The Python handle of the load generator: starts its threads, passes JSON in and out.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rtc::dtls::{Certificate, Context};
use rtc::srtp::Profile;
use serde::{Deserialize, Serialize};
use swarm::engine::{Engine, EngineConfig};
use swarm::message::{Command, Event, SrtpChoice};

use crate::bridge::{Mailbox, Outlet, lock};
use crate::clock::Clock;
use crate::cpu;
use crate::error::native_error;
use crate::swarm_worker::{SwarmShared, SwarmSnapshot, SwarmWorker};
use crate::udp::{SocketOptions, Waker};

/// Commands that may wait for one worker; a join is three or four.
const MAILBOX: usize = 64 * 1024;
const MOST_WORKERS: usize = 64;

#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SwarmConfig {
    seed: u64,
    workers: usize,
    srtp: SrtpChoice,
    pin: Vec<usize>,
    recv_buffer_bytes: usize,
    send_buffer_bytes: usize,
    gso: bool,
    gro: bool,
    sample_decrypt: f64,
}

impl Default for SwarmConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            workers: 1,
            srtp: SrtpChoice::Auto,
            pin: Vec::new(),
            recv_buffer_bytes: 1024 * 1024,
            send_buffer_bytes: 1024 * 1024,
            gso: true,
            gro: true,
            sample_decrypt: 1.0,
        }
    }
}

impl SwarmConfig {
    fn profiles(&self) -> Vec<Profile> {
        match self.srtp {
            SrtpChoice::Auto => Profile::ALL.to_vec(),
            SrtpChoice::Gcm128 => vec![Profile::AeadAes128Gcm],
            SrtpChoice::Cm80 => vec![Profile::Aes128CmSha1_80],
        }
    }

    fn socket_options(&self) -> SocketOptions {
        SocketOptions {
            recv_buffer_bytes: self.recv_buffer_bytes,
            send_buffer_bytes: self.send_buffer_bytes,
            gso: self.gso,
            gro: self.gro,
            arrival_times: true,
        }
    }
}

#[derive(Serialize)]
struct SwarmInfo {
    fingerprint: String,
    workers: usize,
}

/// Synthetic participants: threads with a socket for each transport.
#[pyclass(module = "sfukit._native", frozen)]
pub struct Swarm {
    clock: Clock,
    workers: Vec<Arc<SwarmShared>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    events: Arc<Outlet<Event>>,
    info: Vec<u8>,
}

#[pymethods]
impl Swarm {
    #[new]
    fn new(config: &[u8]) -> PyResult<Self> {
        let config: SwarmConfig = serde_json::from_slice(config).map_err(native_error)?;
        if config.workers == 0 || config.workers > MOST_WORKERS {
            return Err(native_error(format!("workers must be 1..={MOST_WORKERS}")));
        }
        start(&config).map_err(native_error)
    }

    /// Tell the fingerprint of all bots and the number of workers, as JSON.
    fn info<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.info)
    }

    /// Return the descriptor that is readable while events wait.
    fn event_fd(&self) -> i32 {
        self.events.waker().as_fd().as_raw_fd()
    }

    /// Hand a JSON array of commands to a worker; `False` where its queue is full.
    fn submit(&self, worker: usize, commands: &[u8]) -> PyResult<bool> {
        let shared = self
            .workers
            .get(worker)
            .ok_or_else(|| native_error(format!("no worker {worker}")))?;
        if lock(&self.threads)
            .get(worker)
            .is_some_and(JoinHandle::is_finished)
        {
            return Err(native_error(format!("swarm worker {worker} has stopped")));
        }
        let commands: Vec<Command> = serde_json::from_slice(commands).map_err(native_error)?;
        Ok(shared.commands.post(commands))
    }

    /// Take all events, as a JSON array.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let json = serde_json::to_vec(&self.events.take()).map_err(native_error)?;
        Ok(PyBytes::new(py, &json))
    }

    /// Tell the counters of all workers together, as JSON; at most 100 ms old.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut total = SwarmSnapshot::default();
        for shared in &self.workers {
            total.add(&lock(&shared.snapshot));
        }
        let json = serde_json::to_vec(&total).map_err(native_error)?;
        Ok(PyBytes::new(py, &json))
    }

    /// Tell the time of the swarm's clock, in nanoseconds.
    fn now_ns(&self) -> u64 {
        self.clock.now().as_nanos()
    }

    /// Stop the workers and close their sockets.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.stop());
    }
}

impl Swarm {
    fn stop(&self) {
        for shared in &self.workers {
            shared.stop.store(true, Ordering::Relaxed);
            shared.commands.wake();
        }
        for thread in lock(&self.threads).drain(..) {
            // A worker that panicked has already said so on standard error.
            let _ = thread.join();
        }
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(config: &SwarmConfig) -> Result<Swarm, String> {
    let clock = Clock::start();
    let certificate = Certificate::generate_ecdsa().map_err(|error| error.to_string())?;
    let info = SwarmInfo {
        fingerprint: certificate.fingerprint().to_string(),
        workers: config.workers,
    };
    let engine_config = EngineConfig {
        seed: config.seed,
        profiles: config.profiles(),
        sample_decrypt: config.sample_decrypt,
        dtls: Context::new(&certificate).map_err(|error| error.to_string())?,
        wall: clock.wall(),
    };
    let waker = Waker::new().map_err(|error| error.to_string())?;
    let events = Arc::new(Outlet::new(Arc::new(waker)));
    let swarm = Swarm {
        clock,
        workers: (0..config.workers)
            .map(|_| shared(&events))
            .collect::<Result<_, _>>()?,
        threads: Mutex::default(),
        events,
        info: serde_json::to_vec(&info).map_err(|error| error.to_string())?,
    };
    for (nth, shared) in swarm.workers.iter().enumerate() {
        let engine = Engine::new(clock.now(), engine_config.clone());
        let worker = SwarmWorker::new(clock, shared.clone(), config.socket_options(), engine);
        let worker = worker.map_err(|error| error.to_string())?;
        let thread = spawn(nth, config.pin.get(nth).copied(), worker)?;
        lock(&swarm.threads).push(thread);
    }
    Ok(swarm)
}

fn shared(events: &Arc<Outlet<Event>>) -> Result<Arc<SwarmShared>, String> {
    let waker = Waker::new().map_err(|error| error.to_string())?;
    Ok(Arc::new(SwarmShared {
        commands: Mailbox::new(MAILBOX, waker),
        events: events.clone(),
        snapshot: Mutex::default(),
        stop: AtomicBool::new(false),
    }))
}

fn spawn(nth: usize, core: Option<usize>, worker: SwarmWorker) -> Result<JoinHandle<()>, String> {
    std::thread::Builder::new()
        .name(format!("sfukit-swarm-{nth}"))
        .spawn(move || {
            if let Some(error) = core.and_then(|core| cpu::pin(core).err()) {
                eprintln!("sfukit: swarm worker {nth} runs on any core: {error}");
            }
            if let Err(error) = worker.run() {
                eprintln!("sfukit: swarm worker {nth} stopped: {error}");
            }
        })
        .map_err(|error| error.to_string())
}
