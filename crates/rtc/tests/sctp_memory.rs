//! The memory of an idle association.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use rtc::dtls::Role;
use rtc::sctp::{Association, ChannelParameters};
use wire::time::Time;

const ASSOCIATIONS: usize = 100;
const MOST_BYTES: usize = 16 * 1024;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Counts the bytes that are allocated.
struct Live;

// SAFETY: every call is passed on to the allocator of the system.
unsafe impl GlobalAlloc for Live {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Live = Live;

/// Pass packets between both ends until neither has any.
fn settle(now: Time, ends: &mut [Association; 2]) {
    let mut goes_on = true;
    while std::mem::take(&mut goes_on) {
        for from in 0..2 {
            while let Some(packet) = ends[from].poll_transmit() {
                ends[1 - from].receive(now, &packet);
                goes_on = true;
            }
            while ends[from].poll_message() {}
            while ends[from].poll_event().is_some() {}
        }
    }
}

#[test]
fn an_idle_association_takes_at_most_16_kib() {
    fastrand::seed(1);
    let now = Time::from_secs(1);
    let before = LIVE.load(Ordering::Relaxed);
    let mut pairs = Vec::with_capacity(ASSOCIATIONS / 2);
    for _ in 0..ASSOCIATIONS / 2 {
        let mut ends = [Role::Client, Role::Server].map(|role| Association::new(now, role));
        ends[0].connect(now);
        settle(now, &mut ends);
        let channel = ends[0].open(now, ChannelParameters::default());
        settle(now, &mut ends);
        let sent = ends[0].send(now, channel.expect("free"), false, &[1; 100_000]);
        sent.expect("connected");
        settle(now, &mut ends);
        assert!(ends.iter().all(Association::is_connected));
        pairs.push(ends);
    }
    let bytes = (LIVE.load(Ordering::Relaxed) - before) / ASSOCIATIONS;
    println!("{bytes} bytes for each association");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes for each association");
    drop(pairs);
}
