//! The log of an encoding against a plain list.

use core::time::Duration;
use std::collections::VecDeque;

use rtc::codec::Described;
use rtc::outbound::history::{Arrived, CHUNK_LEN, ChunkPool, ForwardedExtensions, History};
use wire::time::Time;

use crate::input::Input;

const MAX_BYTES: usize = 4 * CHUNK_LEN;
const INDEX_END: u64 = 1 << 48;

/// Packets of any length in any order, expiry and clearing: what is kept is what came, in its cap.
pub fn history(data: &[u8]) {
    let mut input = Input::new(data);
    let (mut pool, mut log) = (ChunkPool::default(), History::new(MAX_BYTES));
    let (mut now, mut center) = (Time::ZERO, 100);
    let mut kept: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    while !input.is_empty() {
        match input.below(8) {
            0..=5 => {
                let index = input.near(center, INDEX_END);
                center = index;
                let payload = any_payload(&mut input);
                let position = log.push(now, &arrived(index, &payload), &mut pool);
                assert_eq!(position + 1, log.end());
                // What no datagram can carry is kept without its bytes.
                let is_kept = payload.len() <= CHUNK_LEN;
                kept.push_back((index, if is_kept { payload } else { Vec::new() }));
                assert_eq!(log.find(index), Some(position));
            }
            6 => {
                now = now + input.span();
                log.expire(now, Duration::from_secs(1), &mut pool);
            }
            _ => {
                log.clear(&mut pool);
                assert_eq!((log.start(), log.memory_bytes()), (log.end(), 0));
            }
        }
        kept.drain(..kept.len() - (log.end() - log.start()) as usize);
        check(&log, &kept);
    }
}

/// A payload as long as the script says, up to more than any datagram.
fn any_payload(input: &mut Input<'_>) -> Vec<u8> {
    let (fill, len) = (input.u8(), input.u16());
    vec![fill; usize::from(len) % (CHUNK_LEN + 100)]
}

fn arrived(index: u64, payload: &[u8]) -> Arrived<'_> {
    Arrived {
        index,
        timestamp: 0,
        marker: false,
        described: Described::default(),
        carried: ForwardedExtensions::default(),
        descriptor: &payload[..payload.len().min(index as usize % 5)],
        payload,
    }
}

fn check(log: &History, kept: &VecDeque<(u64, Vec<u8>)>) {
    assert!(log.memory_bytes() <= MAX_BYTES);
    assert!(log.slot(log.end()).is_none());
    for (position, (index, payload)) in (log.start()..log.end()).zip(kept) {
        let slot = log.slot(position).expect("kept");
        assert_eq!(slot.index, *index);
        assert!(log.payload(slot) == &payload[..], "not what came");
        assert!(payload.starts_with(log.descriptor(slot)));
        let found = log.find(*index).and_then(|at| log.slot(at));
        assert!(found.is_none_or(|found| found.index == *index));
    }
}
