//! Once warm, a received packet costs a bot no allocation.

mod common;

use common::World;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.get() {
            ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        }
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn received_media_allocates_nothing() {
    let mut world = World::new();
    world.reflector.numbers = true;
    world.join(1, &[]);
    world.join(2, &[]);
    world.run_for(100);
    world.receive(2, 9, 7, "VP8");
    world.publish(1, 7, 2, &[]);
    world.run_for(6_000);
    world.around_receive = |begins| COUNTS.set(begins);
    world.run_for(5_000);
    let packets = world.streams()[&9]["packets_received"].as_u64().unwrap();
    assert!(packets > 2_000);
    // Slots of the timer wheel that were never used before still grow: ten timers a second.
    assert!(
        ALLOCATIONS.get() < 60,
        "{} for some 1000 packets",
        ALLOCATIONS.get()
    );
}
