//! Once warm, a media packet costs no allocation: neither received nor sent.

mod common;

use common::counting::Counting;
use common::pair::{Pair, Setup};
use rtc::outbox::Outbox;
use rtc::srtp::{Profile, SealStream};
use rtc::transport::{Received, Transport};
use wire::id::{PayloadType, Ssrc};
use wire::rtp::NewHeader;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PACKETS_PER_ROUND: u64 = 50;

fn write_round(
    sender: &mut Transport,
    stream: &mut SealStream,
    next_index: &mut u64,
    out: &mut Outbox,
) {
    let path = sender.send_path().unwrap();
    for _ in 0..PACKETS_PER_ROUND {
        let room = out.reserve(1200);
        let header = NewHeader {
            marker: false,
            payload_type: PayloadType(96),
            sequence: *next_index as u16,
            timestamp: 0,
            ssrc: stream.ssrc(),
            padding: false,
        };
        let header_len = wire::rtp::write(room, &header, &[]);
        let sealed = sender.seal_rtp(stream, *next_index, room, header_len, 1100);
        out.commit(path, sealed.unwrap());
        *next_index += 1;
    }
    sender
        .send_rtcp(&[0x80, 201, 0, 1, 0, 0, 0, 9], out)
        .unwrap();
}

#[test]
fn media_packets_allocate_nothing() {
    for profile in Profile::ALL {
        let mut pair = Pair::connected(Setup {
            client_profiles: vec![profile],
            ..Setup::default()
        });
        let mut stream = pair.client.transport.seal_stream(Ssrc(9)).unwrap();
        let path = pair.server.transport.send_path().unwrap();
        let (mut out, mut answers) = (Outbox::new(), Outbox::new());
        let (mut next_index, mut arena) = (0, vec![0; 1500]);
        let mut before = 0;
        for round in 0..20 {
            if round == 5 {
                before = Counting::allocations();
            }
            out.clear();
            write_round(
                &mut pair.client.transport,
                &mut stream,
                &mut next_index,
                &mut out,
            );
            for (_, bytes) in out.datagrams() {
                let datagram = &mut arena[..bytes.len()];
                datagram.copy_from_slice(bytes);
                let server = &mut pair.server.transport;
                let received = server.receive(pair.net.now, path, datagram, &mut answers);
                assert_ne!(received, Received::Nothing);
                assert!(server.poll_timeout().is_some());
            }
        }
        assert_eq!(Counting::allocations() - before, 0, "{}", profile.name());
    }
}
