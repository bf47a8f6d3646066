//! Sealing and opening a packet allocates nothing once a stream is known.

#[path = "common/counting.rs"]
mod counting;

use counting::Counting;
use rtc::srtp::{MasterKey, Opener, Profile, Sealer};
use wire::id::Ssrc;
use wire::rtp::Header;

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
        let before = Counting::allocations();
        (1..70_000).for_each(&mut pass);
        assert_eq!(Counting::allocations(), before, "{}", profile.name());
    }
}
