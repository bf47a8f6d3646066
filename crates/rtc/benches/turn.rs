//! CPU time of wrapping and unwrapping one packet as ChannelData, with 500 clients in rotation.
//!
//! `cargo bench -p sfukit-rtc --bench turn`

#[path = "support/cpu.rs"]
mod cpu;

use rtc::outbox::Outbox;
use rtc::turn::{TurnClient, TurnConfig, Unwrapped};
use std::hint::black_box;
use std::net::SocketAddr;
use wire::stun::{Builder, Class, IntegrityKey, Message, turn};
use wire::time::Time;

const CLIENTS: usize = 500;
const ROUNDS: usize = 400;
const RUNS: usize = 5;
const NOW: Time = Time::from_secs(50);

fn main() {
    println!("{:>6} {:>12} {:>12}", "bytes", "wrap ns", "unwrap ns");
    for packet_len in [100, 1200] {
        let best = (0..RUNS)
            .map(|_| run(packet_len))
            .reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
        let (wrap, unwrap) = best.unwrap_or_default();
        println!("{packet_len:>6} {wrap:>12.0} {unwrap:>12.0}");
    }
}

fn peer() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 7], 7081))
}

/// Return a client with a bound channel; the server asks for no credential.
fn bound() -> TurnClient {
    let mut client = TurnClient::new(TurnConfig {
        server: SocketAddr::from(([192, 0, 2, 1], 3478)),
        is_stream: false,
        is_ipv6: false,
        username: "u".into(),
        password: "p".into(),
    });
    let mut out = Outbox::new();
    client.start(NOW, &mut out);
    client.permit(NOW, peer().ip(), &mut out);
    for _ in 0..2 {
        answer(&mut client, &mut out);
    }
    client.send(NOW, peer(), &[0x80; 20], &mut out);
    answer(&mut client, &mut out);
    client
}

fn answer(client: &mut TurnClient, out: &mut Outbox) {
    let sent: Vec<Vec<u8>> = out.datagrams().map(|(_, it)| it.to_vec()).collect();
    out.clear();
    for request in sent {
        let request = Message::parse(&request).expect("a message");
        let mut response = Vec::new();
        let id = request.transaction;
        Builder::new(&mut response, Class::Success, request.method, id)
            .xor_relayed_address(peer())
            .integrity(&IntegrityKey::new(b"any"))
            .fingerprint();
        client.receive(NOW, &response, out);
    }
}

/// Return the nanoseconds of CPU time per wrapped and per unwrapped packet.
fn run(packet_len: usize) -> (f64, f64) {
    let mut clients: Vec<TurnClient> = (0..CLIENTS).map(|_| bound()).collect();
    let payload = vec![0x80; packet_len];
    let header = turn::channel_header(0x4000, packet_len as u16);
    let received = [&header[..], &payload].concat();
    let mut out = Outbox::new();
    let (mut wrap_ns, mut unwrap_ns) = (0, 0);
    for _ in 0..ROUNDS {
        out.clear();
        wrap_ns += cpu::time(|| {
            for client in &mut clients {
                client.send(NOW, peer(), &payload, &mut out);
            }
        });
        assert_eq!(
            out.len_bytes(),
            CLIENTS * received.len(),
            "channels are bound"
        );
        unwrap_ns += cpu::time(|| {
            for client in &mut clients {
                let unwrapped = client.receive(NOW, &received, &mut Outbox::new());
                assert!(black_box(unwrapped) != Unwrapped::Nothing);
            }
        });
    }
    let packets = (ROUNDS * CLIENTS) as f64;
    (wrap_ns as f64 / packets, unwrap_ns as f64 / packets)
}
