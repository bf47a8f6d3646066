//! Sealing and opening a packet allocates nothing once a stream is known.

use rtc::srtp::{MasterKey, Opener, Profile, Sealer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use wire::id::Ssrc;
use wire::rtp::Header;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is the one asked for here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_allocation_per_packet() {
    for profile in Profile::ALL {
        let master = MasterKey::new(profile, &[1; 16], &vec![2; profile.salt_len()]).unwrap();
        let mut sealer = Sealer::new(profile, &master);
        let mut opener = Opener::new(profile, &master);
        let mut stream = sealer.stream(Ssrc(7)).unwrap();
        let mut pass = |index: u64| {
            let mut packet = [0_u8; 1300];
            packet[0] = 0x80;
            packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            packet[11] = 7;
            let len = sealer
                .seal_rtp(&mut stream, index, &mut packet, 12, 1200)
                .unwrap();
            let header = Header::parse(&packet[..len]).unwrap();
            opener.open_rtp(&header, &mut packet[..len]).unwrap();
            let len = sealer.seal_rtcp(&mut packet, 100).unwrap();
            opener.open_rtcp(&mut packet[..len]).unwrap();
        };
        pass(0);
        let before = ALLOCATIONS.get();
        (1..70_000).for_each(&mut pass);
        assert_eq!(ALLOCATIONS.get(), before, "{}", profile.name());
    }
}
