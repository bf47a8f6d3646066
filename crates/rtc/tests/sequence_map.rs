//! Outgoing sequence numbers: holes, switches, late packets and the way back.

use rtc::codec::picture_id;
use rtc::outbound::sequence::{DropReason, Forward, Origin, Placed, SequenceMap, Shift, Skip};

fn shift(timestamp: u32) -> Shift {
    Shift {
        timestamp,
        picture_ids: picture_id::Shift::default(),
    }
}

const PLAIN: Shift = Shift {
    timestamp: 0,
    picture_ids: picture_id::Shift {
        id: 0,
        tl0: 0,
        key_index: 0,
    },
};

/// A map that forwards source 1 from incoming index 1000, its first outgoing index 100.
fn started() -> SequenceMap {
    let mut map = SequenceMap::new(100);
    map.switch_source(1, 1000, PLAIN);
    map
}

fn new(index: u64) -> Forward {
    Forward::New(Placed {
        index,
        shift: PLAIN,
    })
}

fn late(index: u64) -> Forward {
    Forward::Late(Placed {
        index,
        shift: PLAIN,
    })
}

fn source_index(map: &SequenceMap, out: u64) -> Option<(u16, u64)> {
    match map.origin_of_index(out)? {
        Origin::Source { source, index, .. } => Some((source, index)),
        Origin::Inserted(_) => None,
    }
}

#[test]
fn the_first_outgoing_index_is_below_two_to_the_fifteenth() {
    for seed in [0, 0x7fff, 0x8000, 0xffff] {
        let mut map = SequenceMap::new(seed);
        map.switch_source(1, 5_000_000, PLAIN);
        let Forward::New(first) = map.forward(5_000_000) else {
            panic!("not new")
        };
        assert!(first.index < 1 << 15);
    }
}

#[test]
fn nothing_is_forwarded_before_a_source_is_chosen() {
    let mut map = SequenceMap::new(100);
    assert_eq!(map.forward(7), Forward::Drop(DropReason::BeforeSwitch));
    assert_eq!(map.skip(7, PLAIN), Skip::Closed);
    assert_eq!(map.origin(100), None);
    assert_eq!(map.next_index(), 100);
}

#[test]
fn in_order_packets_follow_each_other() {
    let mut map = started();
    assert_eq!(map.forward(1000), new(100));
    assert_eq!(map.forward(1001), new(101));
}

#[test]
fn a_packet_lost_upstream_keeps_its_place() {
    let mut map = started();
    map.forward(1000);
    assert_eq!(map.forward(1002), new(102));
    assert_eq!(map.forward(1001), late(101));
    assert_eq!(
        map.forward(1001),
        late(101),
        "a repeated packet gets the same place"
    );
}

#[test]
fn a_skipped_packet_leaves_no_gap() {
    let mut map = started();
    map.forward(1000);
    assert_eq!(map.skip(1001, PLAIN), Skip::Closed);
    assert_eq!(map.skip(1002, PLAIN), Skip::Closed);
    assert_eq!(map.forward(1003), new(101));
    assert_eq!(map.forward(1001), Forward::Drop(DropReason::Skipped));
    assert_eq!(map.forward(1002), Forward::Drop(DropReason::Skipped));
    assert_eq!(map.forward(1000), late(100));
}

#[test]
fn packets_lost_before_a_skipped_one_keep_their_places() {
    let mut map = started();
    map.forward(1000);
    map.skip(1003, PLAIN);
    assert_eq!(map.forward(1004), new(103));
    assert_eq!(map.forward(1001), late(101));
    assert_eq!(map.forward(1002), late(102));
    assert_eq!(map.forward(1003), Forward::Drop(DropReason::Skipped));
}

#[test]
fn a_packet_skipped_too_late_leaves_its_gap() {
    let mut map = started();
    map.forward(1000);
    map.forward(1002);
    assert_eq!(map.skip(1001, PLAIN), Skip::GapRemains);
    assert_eq!(map.forward(1003), new(103));
    map.skip(1004, PLAIN);
    map.forward(1005);
    assert_eq!(map.skip(1001, PLAIN), Skip::GapRemains);
    assert_eq!(map.skip(1004, PLAIN), Skip::Closed);
}

#[test]
fn the_first_packet_of_a_source_may_be_skipped() {
    let mut map = started();
    map.skip(1000, PLAIN);
    assert_eq!(map.forward(1001), new(100));
    assert_eq!(map.forward(1000), Forward::Drop(DropReason::BeforeSwitch));
}

#[test]
fn a_switch_continues_and_drops_what_came_before() {
    let mut map = started();
    map.forward(1000);
    map.forward(1001);
    map.switch_source(2, 70, shift(9));
    let placed = |index| Placed {
        index,
        shift: shift(9),
    };
    assert_eq!(map.forward(69), Forward::Drop(DropReason::BeforeSwitch));
    assert_eq!(map.forward(70), Forward::New(placed(102)));
    map.skip(71, shift(9));
    assert_eq!(map.forward(72), Forward::New(placed(103)));
    assert_eq!(map.forward(69), Forward::Drop(DropReason::BeforeSwitch));
    assert_eq!(map.forward(70), Forward::Late(placed(102)));
}

#[test]
fn a_source_that_resumes_leaves_no_gap_for_its_pause() {
    let mut map = started();
    map.forward(1000);
    map.switch_source(1, 5000, PLAIN);
    assert_eq!(map.forward(5000), new(101));
    assert_eq!(map.forward(1001), Forward::Drop(DropReason::BeforeSwitch));
}

#[test]
fn a_switch_before_any_packet_replaces_the_source() {
    let mut map = started();
    map.switch_source(2, 70, PLAIN);
    assert_eq!(map.forward(70), new(100));
    assert_eq!(source_index(&map, 100), Some((2, 70)));
    assert_eq!(map.origin_of_index(99), None);
}

#[test]
fn late_packets_are_shifted_as_their_neighbours_were() {
    let mut map = started();
    map.forward(1000);
    map.skip(1002, shift(5));
    assert_eq!(
        map.forward(1003),
        Forward::New(Placed {
            index: 102,
            shift: shift(5)
        })
    );
    assert_eq!(map.forward(1001), late(101));
}

#[test]
fn every_outgoing_number_leads_back_to_its_source() {
    let mut map = started();
    map.forward(1000);
    map.skip(1001, PLAIN);
    map.forward(1002);
    map.switch_source(2, 70, shift(9));
    map.forward(72);
    let expected = [(1, 1000), (1, 1002), (2, 70), (2, 71), (2, 72)];
    for (out, expected) in (100..).zip(expected) {
        assert_eq!(source_index(&map, out), Some(expected));
        assert_eq!(map.origin(out as u16), map.origin_of_index(out));
    }
    assert_eq!(map.origin_of_index(99), None);
    assert_eq!(map.origin_of_index(105), None);
}

#[test]
fn a_sequence_number_is_taken_from_the_last_half_turn() {
    let mut map = SequenceMap::new(0x7fff);
    map.switch_source(1, 0, PLAIN);
    for index in 0..100_000 {
        map.forward(index);
    }
    let newest = map.next_index() - 1;
    for age in [0, 1, 40, 32_767] {
        let out = newest - age;
        assert_eq!(map.origin(out as u16), map.origin_of_index(out));
    }
    assert_eq!(map.origin((newest + 1) as u16), None);
    assert_eq!(map.origin((newest - 32_768) as u16), None);
}

#[test]
fn an_inserted_packet_takes_a_number_of_its_own() {
    let mut map = started();
    assert_eq!(
        map.insert(),
        Placed {
            index: 100,
            shift: PLAIN
        }
    );
    assert_eq!(map.forward(1000), new(101));
    assert_eq!(map.insert().index, 102);
    assert_eq!(map.insert().index, 103);
    assert_eq!(map.forward(1002), new(105));
    assert_eq!(map.forward(1001), late(104));
    assert_eq!(map.forward(999), Forward::Drop(DropReason::BeforeSwitch));
    for out in [100, 102, 103] {
        assert!(matches!(
            map.origin_of_index(out),
            Some(Origin::Inserted(_))
        ));
    }
    assert_eq!(source_index(&map, 101), Some((1, 1000)));
    assert_eq!(source_index(&map, 104), Some((1, 1001)));
}

#[test]
fn a_leap_of_the_source_becomes_a_gap_of_one() {
    let mut map = started();
    map.forward(1000);
    assert_eq!(map.forward(1000 + 30_000), new(102));
    assert_eq!(map.forward(1001), late(101));
    assert_eq!(map.forward(1002), Forward::Drop(DropReason::Skipped));
    assert_eq!(map.skip(90_000, PLAIN), Skip::Closed);
    assert_eq!(map.forward(90_001), new(104));
}

#[test]
fn a_leap_before_the_first_packet_leaves_no_gap() {
    let mut map = started();
    assert_eq!(map.forward(1000 + 30_000), new(100));
    assert_eq!(map.origin_of_index(99), None);
}

#[test]
fn many_holes_are_forgotten_oldest_first() {
    let mut map = started();
    for index in (1000..3000).step_by(2) {
        map.forward(index);
        map.skip(index + 1, PLAIN);
    }
    let newest = map.next_index() - 1;
    assert_eq!(source_index(&map, newest), Some((1, 2998)));
    assert_eq!(source_index(&map, newest - 100), Some((1, 2798)));
    assert_eq!(map.origin_of_index(newest - 500), None);
    assert_eq!(map.forward(2798), late(newest - 100));
    assert_eq!(map.forward(1000), Forward::Drop(DropReason::Forgotten));
    assert_eq!(map.skip(1000, PLAIN), Skip::Closed);
}

#[test]
fn the_highest_indices_do_not_overflow() {
    let mut map = SequenceMap::new(0);
    map.forward(u64::MAX);
    map.skip(u64::MAX, PLAIN);
    map.switch_source(1, u64::MAX - 1, PLAIN);
    map.forward(u64::MAX);
    map.skip(u64::MAX, PLAIN);
    map.forward(u64::MAX);
    map.insert();
}
