//! The Python handle of the SFU's data plane: starts the workers, passes JSON in and out.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rtc::dtls::{Certificate, Context};
use serde::{Deserialize, Serialize};
use sfu::config::Config;
use sfu::engine::Engine;
use sfu::message::Command;

use crate::bridge::{Mailbox, Outlet, lock};
use crate::clock::Clock;
use crate::error::native_error;
use crate::udp::{SocketOptions, UdpSocket, Waker};
use crate::watched::{self, Report};
use crate::worker::{Shared, Snapshot, Worker, bind};

/// Commands that may wait for one worker; more is overload.
const MAILBOX: usize = 8192;
const MOST_WORKERS: usize = 64;

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
pub struct Server {
    workers: Vec<Arc<Shared>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    events: Arc<Outlet<Report>>,
    info: Vec<u8>,
}

#[pymethods]
impl Server {
    #[new]
    fn new(config: &[u8]) -> PyResult<Self> {
        let config: ServerConfig = serde_json::from_slice(config).map_err(native_error)?;
        if config.workers == 0 || config.workers > MOST_WORKERS {
            return Err(native_error(format!("workers must be 1..={MOST_WORKERS}")));
        }
        start(&config).map_err(native_error)
    }

    /// Tell ports, fingerprint and what the kernel granted, as JSON.
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
        let commands: Vec<Command> = serde_json::from_slice(commands).map_err(native_error)?;
        Ok(shared.commands.post(commands))
    }

    /// Take all events, as a JSON array.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let json = serde_json::to_vec(&self.events.take()).map_err(native_error)?;
        Ok(PyBytes::new(py, &json))
    }

    /// Tell the counters of all workers together, as JSON; at most 50 ms old.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut total = Snapshot::default();
        for shared in &self.workers {
            total.add(&lock(&shared.snapshot));
        }
        let json = serde_json::to_vec(&total).map_err(native_error)?;
        Ok(PyBytes::new(py, &json))
    }

    /// Stop the workers and close their sockets.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.stop());
    }
}

impl Server {
    fn stop(&self) {
        for shared in &self.workers {
            shared.stop.store(true, Ordering::Relaxed);
            shared.commands.wake();
        }
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(config: &ServerConfig) -> Result<Server, String> {
    let clock = Clock::start();
    let certificate = Certificate::generate_ecdsa().map_err(|error| error.to_string())?;
    let dtls = Context::new(&certificate).map_err(|error| error.to_string())?;
    let waker = Waker::new().map_err(|error| error.to_string())?;
    let events = Arc::new(Outlet::new(Arc::new(waker)));
    let sockets = bind_all(config)?;
    let info = ServerInfo {
        udp_ports: sockets.iter().map(|of| of[0].local_addr().port()).collect(),
        fingerprint: certificate.fingerprint().to_string(),
        recv_buffer_bytes: sockets[0][0].recv_buffer_bytes(),
        send_buffer_bytes: sockets[0][0].send_buffer_bytes(),
        gso: sockets[0][0].gso(),
        gro: sockets[0][0].gro(),
        ipv6: sockets[0]
            .iter()
            .any(|socket| socket.local_addr().is_ipv6()),
    };
    let server = Server {
        workers: (0..config.workers)
            .map(|_| shared(&events))
            .collect::<Result<_, _>>()?,
        threads: Mutex::default(),
        events,
        info: serde_json::to_vec(&info).map_err(|error| error.to_string())?,
    };
    for (nth, (shared, sockets)) in server.workers.iter().zip(sockets).enumerate() {
        let engine = Engine::new(
            clock.now(),
            config.engine.clone(),
            dtls.clone(),
            clock.wall(),
            seed(),
        );
        let worker = Worker::new(clock, shared.clone(), sockets, engine)
            .map_err(|error| error.to_string())?;
        let events = server.events.clone();
        let report = move |report| events.put(std::iter::once(Report::Worker(report)));
        let thread = watched::spawn(nth, || worker.run(), report);
        lock(&server.threads).push(thread.map_err(|error| error.to_string())?);
    }
    Ok(server)
}

/// Draw a number that no peer can guess.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// One port for each worker, in a row where the first is given.
fn bind_all(config: &ServerConfig) -> Result<Vec<Vec<UdpSocket>>, String> {
    let options = SocketOptions {
        recv_buffer_bytes: config.recv_buffer_bytes,
        send_buffer_bytes: config.send_buffer_bytes,
        gso: config.gso,
        gro: config.gro,
        arrival_times: true,
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

fn shared(events: &Arc<Outlet<Report>>) -> Result<Arc<Shared>, String> {
    let waker = Waker::new().map_err(|error| error.to_string())?;
    Ok(Arc::new(Shared {
        commands: Mailbox::new(MAILBOX, waker),
        events: events.clone(),
        snapshot: Mutex::default(),
        stop: AtomicBool::new(false),
    }))
}
