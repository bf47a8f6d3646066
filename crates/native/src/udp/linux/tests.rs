//! Hostile lengths in the code that passes pointers to the kernel.

use super::*;
use std::net::UdpSocket;
use std::os::fd::AsFd;

/// A control buffer with one good message and one whose length is `claimed`.
fn visited(claimed: usize) -> Vec<Vec<u8>> {
    let mut control = Control([0; CONTROL_BYTES]);
    let first = put_control(&mut control, 0, libc::SOL_UDP, libc::UDP_GRO, &[1, 2, 3, 4]);
    let used = first + put_control(&mut control, first, libc::SOL_UDP, libc::UDP_GRO, &[5; 4]);
    control.0[first..first + 8].copy_from_slice(&claimed.to_ne_bytes());
    let mut header = zeroed_headers(1)[0].msg_hdr;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = used as _;
    let mut seen = Vec::new();
    for_each_control(&header, |_, _, data| seen.push(data.to_vec()));
    seen
}

#[test]
fn a_control_message_with_an_impossible_length_is_not_read() {
    // SAFETY: it only computes.
    let head = unsafe { libc::CMSG_LEN(0) } as usize;
    let good = vec![1, 2, 3, 4];
    assert_eq!(visited(head + 4), [good.clone(), vec![5; 4]]);
    assert_eq!(visited(head), [good.clone(), vec![]]);
    for claimed in [
        0,
        1,
        head - 1,
        head + 100,
        CONTROL_BYTES,
        usize::MAX - 7,
        usize::MAX,
    ] {
        assert_eq!(visited(claimed), std::slice::from_ref(&good), "{claimed}");
    }
}

#[test]
fn no_more_is_received_than_the_buffer_has_slots_for() {
    let receiving = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sending = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..4_u8 {
        let to = receiving.local_addr().unwrap();
        sending.send_to(&[number; 9], to).unwrap();
    }
    let mut receiver = Receiver::new(8);
    let mut buffer = [0; 3 * 32 + 31];
    let received = receiver.receive(receiving.as_fd(), &mut buffer, 32, 16);
    assert_eq!(received.unwrap(), 3);
    assert_eq!(receiver.arrival(2).len, 9);
    assert_eq!(buffer[64..73], [2; 9]);
    assert!(buffer[96..].iter().all(|byte| *byte == 0));
    let mut empty = [0; 31];
    let received = receiver.receive(receiving.as_fd(), &mut empty, 32, 16);
    assert_eq!(received.unwrap(), 0);
}

#[test]
#[should_panic(expected = "slots overlap")]
fn slots_that_overlap_are_refused() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = [0; 64];
    let _ = Receiver::new(2).receive(socket.as_fd(), &mut buffer, 16, 17);
}
