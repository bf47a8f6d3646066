//! CPU time of sealing and opening one packet, with 500 keys in rotation as a server has them.
//!
//! `cargo bench -p sfukit-rtc --bench srtp`

#[path = "support/cpu.rs"]
mod cpu;

use rtc::srtp::{MasterKey, Opener, Profile, SealStream, Sealer};
use std::hint::black_box;
use wire::id::Ssrc;
use wire::rtp::Header;

const TRANSPORTS: usize = 500;
const ROUNDS: u64 = 400;
const HEADER_LEN: usize = 12;
const RUNS: usize = 5;

fn main() {
    println!(
        "{:30} {:>6} {:>12} {:>12}",
        "profile", "bytes", "seal ns", "open ns"
    );
    for profile in Profile::ALL {
        for packet_len in [100, 1200] {
            let best = (0..RUNS)
                .map(|_| run(profile, packet_len))
                .reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
            let (seal, open) = best.unwrap_or_default();
            println!(
                "{:30} {packet_len:>6} {seal:>12.0} {open:>12.0}",
                profile.name()
            );
        }
    }
}

struct Transport {
    sealer: Sealer,
    stream: SealStream,
    opener: Opener,
    packet: Vec<u8>,
}

impl Transport {
    fn new(profile: Profile, number: usize, packet_len: usize) -> Transport {
        let key = (number as u128).to_be_bytes();
        let master =
            MasterKey::new(profile, &key, &key[..profile.salt_len()]).expect("lengths fit");
        let mut sealer = Sealer::new(profile, &master);
        let mut packet = vec![0x5a; packet_len + profile.rtp_overhead()];
        packet[..HEADER_LEN].copy_from_slice(&[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        Transport {
            stream: sealer.stream(Ssrc(7)).expect("the first stream"),
            sealer,
            opener: Opener::new(profile, &master),
            packet,
        }
    }
}

/// Return the nanoseconds of CPU time per sealed and per opened packet.
fn run(profile: Profile, packet_len: usize) -> (f64, f64) {
    let mut transports: Vec<Transport> = (0..TRANSPORTS)
        .map(|number| Transport::new(profile, number, packet_len))
        .collect();
    let (mut seal_ns, mut open_ns) = (0, 0);
    for index in 0..ROUNDS {
        seal_ns += cpu::time(|| {
            transports
                .iter_mut()
                .for_each(|t| seal(t, index, packet_len))
        });
        open_ns += cpu::time(|| transports.iter_mut().for_each(open));
    }
    let packets = (ROUNDS as usize * TRANSPORTS) as f64;
    (seal_ns as f64 / packets, open_ns as f64 / packets)
}

fn seal(t: &mut Transport, index: u64, packet_len: usize) {
    t.packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
    let sealed = t
        .sealer
        .seal_rtp(&mut t.stream, index, &mut t.packet, HEADER_LEN, packet_len);
    black_box(sealed).expect("a fresh index");
}

fn open(t: &mut Transport) {
    let header = Header::parse(&t.packet).expect("a packet");
    black_box(t.opener.open_rtp(&header, &mut t.packet)).expect("an authentic packet");
}
