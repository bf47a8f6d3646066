//! What this machine charges for sending alone: the floor below every figure of the server.
//!
//! Runs of 1200-byte datagrams go to 240 sockets that another thread drains, through the same
//! code that the server sends with. CPU time of the sending thread; on loopback that includes the
//! kernel's receive half.
#![allow(clippy::disallowed_methods)] // a benchmark reads the clock

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use _native::cpu;
use _native::udp::{RecvArena, SendPosition, Sent, SocketOptions, UdpSocket};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use wire::time::Time;

const SINKS: usize = 240;
const DATAGRAM: [u8; 1200] = [7; 1200];
const PACKETS: usize = 400_000;
const OPTIONS: SocketOptions = SocketOptions {
    recv_buffer_bytes: 1 << 20,
    send_buffer_bytes: 8 << 20,
    gso: true,
    gro: false,
    arrival_times: false,
    local_addresses: true,
};

fn main() {
    println!("datagrams a run   ns a datagram   ns a message");
    for run_len in [1, 2, 3, 4, 6, 8, 16] {
        let nanos = measure(run_len);
        let per_message = nanos * run_len as f64;
        println!("{run_len:>15}   {nanos:>13.0}   {per_message:>12.0}");
    }
}

fn measure(run_len: usize) -> f64 {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let sinks: Vec<UdpSocket> = (0..SINKS).map(|_| bind(any)).collect();
    let targets: Vec<SocketAddr> = sinks.iter().map(UdpSocket::local_addr).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let drain = std::thread::spawn({
        let stop = stop.clone();
        move || drain(sinks, &stop)
    });
    let mut socket = bind(([0, 0, 0, 0], 0).into());
    let mut outbox = Outbox::new();
    let mut sent = 0;
    let started = cpu::thread_nanos();
    while sent < PACKETS {
        outbox.clear();
        for target in &targets {
            let path = PathId::udp(0, [127, 0, 0, 1].into(), *target);
            for _ in 0..run_len {
                outbox.push(path, &DATAGRAM);
            }
        }
        let mut position = SendPosition::default();
        while socket.send_batch(Time::ZERO, &outbox, 0, &mut position) != Sent::Done {}
        sent += run_len * SINKS;
    }
    let nanos = cpu::thread_nanos() - started;
    stop.store(true, Ordering::Relaxed);
    drain.join().expect("the draining thread ends");
    nanos as f64 / sent as f64
}

fn bind(address: SocketAddr) -> UdpSocket {
    UdpSocket::bind(address, &OPTIONS).expect("a socket on loopback")
}

fn drain(mut sinks: Vec<UdpSocket>, stop: &AtomicBool) {
    let mut arena = RecvArena::new(16, false);
    while !stop.load(Ordering::Relaxed) {
        for sink in &mut sinks {
            sink.recv_batch(&mut arena).expect("readable");
        }
    }
}
