//! Outgoing sequence numbers against a memory of all that were given away.

use std::collections::HashMap;

use rtc::outbound::sequence::{Forward, Origin, Placed, SequenceMap, Shift, Skip};

use crate::input::Input;

const INDEX_END: u64 = 1 << 48;

/// Where an outgoing index was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Packet(u16, u64),
    Inserted,
}

struct Model {
    map: SequenceMap,
    source: u16,
    /// The incoming index that the script moves around.
    center: u64,
    given: HashMap<u64, Given>,
    places: HashMap<(u16, u64), u64>,
    closed: HashMap<(u16, u64), ()>,
}

/// Switches, losses, drops on purpose and insertions in any order.
///
/// No outgoing index has two packets, no packet two indices, and every index leads back.
pub fn sequence(data: &[u8]) {
    let mut input = Input::new(data);
    let mut model = Model::new(input.u16());
    while !input.is_empty() {
        match input.below(8) {
            0..=2 => model.forward(&mut input),
            3 | 4 => model.skip(&mut input),
            5 => model.switch(&mut input),
            6 => model.insert(),
            _ => model.request(input.u16()),
        }
    }
}

impl Model {
    fn new(seed: u16) -> Self {
        let map = SequenceMap::new(seed);
        assert!(map.next_index() < 1 << 15);
        Self {
            map,
            source: 0,
            center: 0,
            given: HashMap::new(),
            places: HashMap::new(),
            closed: HashMap::new(),
        }
    }

    fn next_in(&mut self, input: &mut Input<'_>) -> u64 {
        let index = input.near(self.center, INDEX_END);
        self.center = index.max(self.center);
        index
    }

    fn forward(&mut self, input: &mut Input<'_>) {
        let (index, next_out) = (self.next_in(input), self.map.next_index());
        match self.map.forward(index) {
            Forward::New(placed) => {
                assert!(placed.index >= next_out, "goes back");
                assert_eq!(placed.index + 1, self.map.next_index());
                assert!(placed.index - next_out <= 1 << 13, "a leap");
                self.give(index, placed);
            }
            Forward::Late(placed) => {
                assert!(placed.index < next_out);
                assert_eq!(self.map.next_index(), next_out);
                self.give(index, placed);
            }
            Forward::Drop(_) => assert_eq!(self.map.next_index(), next_out),
        }
    }

    fn give(&mut self, index: u64, placed: Placed) {
        let key = (self.source, index);
        assert!(!self.closed.contains_key(&key), "its gap was closed");
        let place = *self.places.entry(key).or_insert(placed.index);
        assert_eq!(place, placed.index, "one packet, two places");
        let owner = Given::Packet(self.source, index);
        let known = *self.given.entry(placed.index).or_insert(owner);
        assert_eq!(known, owner, "one place, two packets");
    }

    fn skip(&mut self, input: &mut Input<'_>) {
        let index = self.next_in(input);
        let key = (self.source, index);
        if self.map.skip(index, self.shift()) == Skip::Closed && !self.places.contains_key(&key) {
            self.closed.insert(key, ());
        }
    }

    fn switch(&mut self, input: &mut Input<'_>) {
        self.source += 1;
        self.center = u64::from(input.u32());
        let next_out = self.map.next_index();
        self.map
            .switch_source(self.source, self.center, self.shift());
        assert_eq!(self.map.next_index(), next_out);
    }

    fn insert(&mut self) {
        let next_out = self.map.next_index();
        let placed = self.map.insert();
        assert_eq!(placed.index, next_out);
        assert_eq!(self.map.next_index(), next_out + 1);
        let earlier = self.given.insert(placed.index, Given::Inserted);
        assert_eq!(earlier, None, "one place, two packets");
    }

    /// Request a sequence number, as a NACK does: its origin is the packet sent with it.
    fn request(&self, sequence: u16) {
        let origin = self.map.origin(sequence);
        let (out, owner) = match origin {
            None => return,
            Some(Origin::Inserted(placed)) => (placed.index, Given::Inserted),
            Some(Origin::Source {
                source,
                index,
                placed,
            }) => {
                assert_eq!(placed.shift.timestamp, u32::from(source));
                (placed.index, Given::Packet(source, index))
            }
        };
        assert_eq!(out as u16, sequence);
        assert!(self.given.get(&out).is_none_or(|given| *given == owner));
    }

    fn shift(&self) -> Shift {
        Shift {
            timestamp: self.source.into(),
            ..Shift::default()
        }
    }
}
