//! The Python class `Swarm`: settings of the load generator, start of its workers.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rtc::dtls::{Certificate, Context};
use rtc::srtp::Profile;
use serde::{Deserialize, Serialize};
use swarm::engine::{Engine, EngineConfig};
use swarm::message::{Command, Event, SrtpChoice};

use crate::clock::Clock;
use crate::error::native_error;
use crate::handle::Handle;
use crate::supervise;
use crate::swarm_worker::{SwarmSnapshot, SwarmWorker};
use crate::udp::SocketOptions;

/// Bound of a worker's command queue; a join is three or four commands.
const COMMAND_QUEUE: usize = 64 * 1024;

#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SwarmConfig {
    seed: u64,
    workers: usize,
    srtp: SrtpChoice,
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
            local_addresses: false,
        }
    }
}

#[derive(Serialize)]
struct SwarmInfo {
    fingerprint: String,
    workers: usize,
}

/// Synthetic participants: worker threads with a socket per transport.
#[pyclass(module = "sfukit._native", frozen)]
pub struct Swarm {
    clock: Clock,
    handle: Handle<Command, Event, SwarmSnapshot>,
}

#[pymethods]
impl Swarm {
    #[new]
    fn new(config: &[u8]) -> PyResult<Self> {
        let config: SwarmConfig = serde_json::from_slice(config).map_err(native_error)?;
        let clock = Clock::start();
        let handle = start(&config, clock).map_err(native_error)?;
        Ok(Self { clock, handle })
    }

    /// Return the DTLS fingerprint of all bots and the number of workers, as JSON.
    fn info<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.handle.info(py)
    }

    /// Return the descriptor that is readable while events wait.
    fn event_fd(&self) -> i32 {
        self.handle.event_fd()
    }

    /// Submit a JSON array of commands to a worker; `False` where its queue is full.
    fn submit(&self, worker: usize, commands: &[u8]) -> PyResult<bool> {
        if self.handle.has_ended(worker) {
            return Err(native_error(format!("swarm worker {worker} has stopped")));
        }
        self.handle.submit(worker, commands)
    }

    /// Drain the events, as a JSON array.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.handle.events(py)
    }

    /// Return the counters summed over all workers, as JSON; at most 100 ms old.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.handle.counters(py)
    }

    /// Return the time of the swarm's clock, in nanoseconds.
    fn now_ns(&self) -> u64 {
        self.clock.now().as_nanos()
    }

    /// Stop the workers and close their sockets.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.handle.stop());
    }
}

fn start(
    config: &SwarmConfig,
    clock: Clock,
) -> Result<Handle<Command, Event, SwarmSnapshot>, String> {
    let mut handle = Handle::new(config.workers, COMMAND_QUEUE)?;
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
    handle.start(&info, |nth, shared| {
        let engine = Engine::new(clock.now(), engine_config.clone());
        let worker = SwarmWorker::new(clock, shared, config.socket_options(), engine)?;
        let report = move |reason| eprintln!("sfukit: swarm worker {nth} stopped: {reason}");
        supervise::spawn(format!("sfukit-swarm-{nth}"), || worker.run(), report)
    })?;
    Ok(handle)
}
