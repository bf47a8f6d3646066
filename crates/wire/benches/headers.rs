//! What reading and writing one packet's header costs: ns and allocations per packet.

// A bench measures with the clock; what it measures never reads one.
#![allow(clippy::disallowed_methods)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use wire::extension::{BlockWriter, Extension, ExtensionMap, Form, MAX_BLOCK_LEN, Values};
use wire::id::{PayloadType, Ssrc};
use wire::rtp::{Header, Kind, NewHeader, demux, write};
use wire::stun::{Builder, Class, IntegrityKey, Message, Method, TransactionId};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller holds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller holds the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: u32 = 2_000_000;

fn measure(name: &str, mut operation: impl FnMut(u32)) {
    (0..ROUNDS / 10).for_each(&mut operation);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed);
    let start = Instant::now();
    (0..ROUNDS).for_each(&mut operation);
    let nanos = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - allocations;
    println!("{name:<40} {nanos:>8.1} ns {allocations:>6} allocations");
}

/// Mid, transport-wide sequence number and abs-send-time, as a browser sends them.
fn extension_block() -> ([u8; MAX_BLOCK_LEN], usize) {
    let mut block = [0; MAX_BLOCK_LEN];
    let mut writer = BlockWriter::new(&mut block, Form::OneByte);
    for (id, value) in [(4, &b"1"[..]), (3, &[0, 1]), (2, &[1, 2, 3])] {
        writer.push(id, value);
    }
    let len = writer.finish();
    (block, len)
}

fn main() {
    let (block, block_len) = extension_block();
    let mut map = ExtensionMap::new();
    for (id, extension) in [
        (4, Extension::Mid),
        (3, Extension::TransportSequence),
        (2, Extension::AbsSendTime),
    ] {
        map.insert(id, extension).expect("distinct identifiers");
    }
    let mut packet = [0; 1_200];
    measure("write header with extensions", |round| {
        let header = NewHeader {
            marker: false,
            payload_type: PayloadType(96),
            sequence: round as u16,
            timestamp: round,
            ssrc: Ssrc(7),
            padding: false,
        };
        write(
            black_box(&mut packet),
            &header,
            black_box(&block[..block_len]),
        );
    });
    measure("demux and parse header", |_| {
        let datagram = black_box(&packet[..]);
        assert!(demux(datagram) == Kind::Rtp);
        black_box(Header::parse(datagram).ok());
    });
    let header = Header::parse(&packet).expect("just written");
    measure("read extension values", |_| {
        black_box(Values::read(&header, black_box(&packet), &map));
    });
    let key = IntegrityKey::new(b"a password of twenty-four");
    let mut out = Vec::new();
    Builder::new(
        &mut out,
        Class::Request,
        Method::BINDING,
        TransactionId([1; 12]),
    )
    .username("abcdefgh:ijklmnop")
    .priority(1)
    .use_candidate()
    .integrity(&key)
    .fingerprint();
    measure("parse and check a binding request", |_| {
        let message = Message::parse(black_box(&out)).expect("just built");
        assert!(message.check_integrity(&key));
    });
}
