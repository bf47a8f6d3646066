//! The Python class `Server`: settings of the SFU's data plane, start of its workers.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rtc::dtls::{Certificate, Context};
use serde::{Deserialize, Serialize};
use sfu::config::Config;
use sfu::engine::Engine;
use sfu::message::Command;

use crate::clock::Clock;
use crate::error::native_error;
use crate::handle::Handle;
use crate::supervise::{self, Report, WorkerReport};
use crate::udp::{SocketOptions, UdpSocket};
use crate::worker::{Snapshot, Worker, bind};

/// Bound of a worker's command queue; more commands are overload.
const COMMAND_QUEUE: usize = 8192;

#[derive(Deserialize)]
#[serde(default)]
struct ServerConfig {
    workers: usize,
    udp_port: u16,
    bind: Vec<IpAddr>,
    recv_buffer_bytes: usize,
    send_buffer_bytes: usize,
    gso: bool,
    gro: bool,
    #[serde(flatten)]
    engine: Config,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            udp_port: 7081,
            bind: vec![IpAddr::from([0; 4]), IpAddr::from([0; 16])],
            recv_buffer_bytes: 8 * 1024 * 1024,
            send_buffer_bytes: 8 * 1024 * 1024,
            gso: true,
            gro: true,
            engine: Config::default(),
        }
    }
}

#[derive(Serialize)]
struct ServerInfo {
    udp_ports: Vec<u16>,
    fingerprint: String,
    recv_buffer_bytes: usize,
    send_buffer_bytes: usize,
    gso: bool,
    gro: bool,
    ipv6: bool,
}

/// The data plane of one server: worker threads with their sockets.
#[pyclass(module = "sfukit._native", frozen)]
pub struct Server(Handle<Command, Report, Snapshot>);

#[pymethods]
impl Server {
    #[new]
    fn new(config: &[u8]) -> PyResult<Self> {
        let config: ServerConfig = serde_json::from_slice(config).map_err(native_error)?;
        start(&config).map(Self).map_err(native_error)
    }

    /// Return ports, DTLS fingerprint and granted socket options, as JSON.
    fn info<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.0.info(py)
    }

    /// Return the descriptor that is readable while events wait.
    fn event_fd(&self) -> i32 {
        self.0.event_fd()
    }

    /// Submit a JSON array of commands to a worker; `False` where its queue is full.
    fn submit(&self, worker: usize, commands: &[u8]) -> PyResult<bool> {
        self.0.submit(worker, commands)
    }

    /// Drain the events, as a JSON array.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.0.events(py)
    }

    /// Return the counters summed over all workers, as JSON; at most 50 ms old.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.0.counters(py)
    }

    /// Stop the workers and close their sockets.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}

fn start(config: &ServerConfig) -> Result<Handle<Command, Report, Snapshot>, String> {
    let mut handle = Handle::new(config.workers, COMMAND_QUEUE)?;
    let clock = Clock::start();
    let certificate = Certificate::generate_ecdsa().map_err(|error| error.to_string())?;
    let dtls = Context::new(&certificate).map_err(|error| error.to_string())?;
    let mut sockets = bind_all(config)?;
    let first = &sockets[0];
    let info = ServerInfo {
        udp_ports: sockets.iter().map(|of| of[0].local_addr().port()).collect(),
        fingerprint: certificate.fingerprint().to_string(),
        recv_buffer_bytes: first[0].recv_buffer_bytes(),
        send_buffer_bytes: first[0].send_buffer_bytes(),
        gso: first[0].gso(),
        gro: first[0].gro(),
        ipv6: first.iter().any(|socket| socket.local_addr().is_ipv6()),
    };
    handle.start(&info, |nth, shared| {
        let (settings, dtls) = (config.engine.clone(), dtls.clone());
        let events = shared.events.clone();
        let own = std::mem::take(&mut sockets[nth]);
        let poller = Worker::poller(&shared, &own)?;
        let report = move |reason| {
            let ended = WorkerReport::WorkerEnded {
                worker: nth,
                reason,
            };
            events.push(std::iter::once(Report::Worker(ended)));
        };
        // An engine stays on the thread that makes it: SCTP associations are not `Send`.
        let run = move || {
            let engine = Engine::new(clock.now(), settings, dtls, clock.wall(), seed());
            Worker::new(clock, shared, own, poller, engine).run()
        };
        supervise::spawn(format!("sfukit-media-{nth}"), run, report)
    })?;
    Ok(handle)
}

/// Return an unpredictable seed.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Bind one port per worker, consecutive where the first is given.
fn bind_all(config: &ServerConfig) -> Result<Vec<Vec<UdpSocket>>, String> {
    let options = SocketOptions {
        recv_buffer_bytes: config.recv_buffer_bytes,
        send_buffer_bytes: config.send_buffer_bytes,
        gso: config.gso,
        gro: config.gro,
        arrival_times: true,
        local_addresses: true,
    };
    (0..config.workers as u16)
        .map(|nth| {
            let port = match config.udp_port {
                0 => 0,
                first => first.checked_add(nth).ok_or_else(|| {
                    format!("no {} UDP ports in a row from {first}", config.workers)
                })?,
            };
            bind(&config.bind, port, &options)
        })
        .collect()
}
