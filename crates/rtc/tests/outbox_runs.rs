//! Datagrams leave in runs that the kernel can segment, in order and unchanged.

use std::net::SocketAddr;

use proptest::prelude::*;
use rtc::outbox::Outbox;
use rtc::path::PathId;

fn path(port: u16) -> PathId {
    let local = "192.0.2.1".parse().unwrap();
    PathId::udp(0, local, SocketAddr::from(([198, 51, 100, 7], port)))
}

#[test]
fn equal_datagrams_to_one_path_join_and_a_shorter_one_ends_the_run() {
    let mut outbox = Outbox::new();
    for len in [1200, 1200, 700, 1200] {
        outbox.push(path(1), &vec![7; len]);
    }
    let runs: Vec<_> = outbox
        .runs()
        .iter()
        .map(|run| (run.len, run.segment_len, run.segments()))
        .collect();
    assert_eq!(runs, [(3100, 1200, 3), (1200, 1200, 1)]);
    assert_eq!(outbox.len_bytes(), 4300);
}

#[test]
fn a_longer_datagram_or_another_path_opens_a_new_run() {
    let mut outbox = Outbox::new();
    outbox.push(path(1), &[1; 100]);
    outbox.push(path(1), &[2; 101]);
    outbox.push(path(2), &[3; 101]);
    outbox.push(path(1), &[4; 101]);
    assert_eq!(outbox.runs().len(), 4);
}

#[test]
fn runs_are_cut_at_64_segments_and_at_65_000_bytes() {
    let mut outbox = Outbox::new();
    for _ in 0..65 {
        outbox.push(path(1), &[0; 100]);
    }
    for _ in 0..60 {
        outbox.push(path(2), &[0; 1200]);
    }
    let segments: Vec<_> = outbox.runs().iter().map(|run| run.segments()).collect();
    assert_eq!(segments, [64, 1, 54, 6]);
}

#[test]
fn reserved_room_that_is_not_committed_is_not_sent() {
    let mut outbox = Outbox::new();
    outbox.reserve(1500).fill(9);
    assert!(outbox.is_empty());
    outbox.reserve(1500)[..3].copy_from_slice(b"abc");
    outbox.commit(path(1), 3);
    outbox.push(path(1), b"");
    let sent: Vec<_> = outbox.datagrams().collect();
    assert_eq!(sent, [(path(1), &b"abc"[..])]);
}

#[test]
fn clearing_keeps_the_memory() {
    let mut outbox = Outbox::new();
    let room = outbox.reserve(100_000).as_ptr();
    outbox.push(path(1), &[1; 1000]);
    outbox.clear();
    assert!(outbox.is_empty());
    assert_eq!(outbox.len_bytes(), 0);
    assert_eq!(outbox.reserve(100_000).as_ptr(), room);
}

proptest! {
    #[test]
    fn every_datagram_comes_out_as_it_went_in(
        sent in prop::collection::vec((1..4_u16, prop_oneof![Just(900_usize), 1..1300_usize]), 0..300),
    ) {
        let mut outbox = Outbox::new();
        for (index, (port, len)) in sent.iter().enumerate() {
            outbox.push(path(*port), &vec![index as u8; *len]);
        }
        let got: Vec<_> = outbox
            .datagrams()
            .map(|(path, bytes)| (path.remote.port(), bytes.len(), bytes[0]))
            .collect();
        let expected: Vec<_> = sent
            .iter()
            .enumerate()
            .map(|(index, (port, len))| (*port, *len, index as u8))
            .collect();
        prop_assert_eq!(got, expected);
        for run in outbox.runs() {
            prop_assert!(run.segments() <= 64 && run.len <= 65_000);
        }
    }
}
