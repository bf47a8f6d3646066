//! The sequence map against a model that remembers everything.

use std::collections::{BTreeSet, HashMap};

use proptest::collection::vec;
use proptest::prelude::*;
use rtc::codec::picture_id;
use rtc::outbound::sequence::{DropReason, Forward, Origin, SequenceMap, Shift, Skip};

/// What happens to one packet of a source on its way.
#[derive(Clone, Copy, Debug)]
struct Fate {
    is_lost: bool,
    is_dropped: bool,
    is_repeated: bool,
    /// Places by which it falls behind.
    delay: usize,
    inserts_before: bool,
}

/// One source from its switch to the next.
#[derive(Clone, Debug)]
struct Epoch {
    first: u64,
    fates: Vec<Fate>,
}

fn fate() -> impl Strategy<Value = Fate> {
    let delay = prop_oneof![6 => Just(0usize), 1 => 1usize..4, 1 => 4usize..40];
    let chances = (0u8..100, 0u8..100, 0u8..100, 0u8..100, delay);
    chances.prop_map(|(lost, dropped, repeated, inserts, delay)| Fate {
        is_lost: lost < 10,
        is_dropped: dropped < 30,
        is_repeated: repeated < 10,
        inserts_before: inserts < 3,
        delay,
    })
}

fn epochs() -> impl Strategy<Value = Vec<Epoch>> {
    let epoch =
        (0u64..1 << 20, vec(fate(), 1..60)).prop_map(|(first, fates)| Epoch { first, fates });
    vec(epoch, 1..4)
}

/// The arrivals of an epoch: positions of its packets, reordered and repeated; the first is first.
fn arrivals(fates: &[Fate]) -> Vec<usize> {
    let mut due = Vec::new();
    for (i, fate) in fates.iter().enumerate().filter(|(_, fate)| !fate.is_lost) {
        let delay = if i == 0 { 0 } else { fate.delay };
        due.push((i + delay, i));
        if fate.is_repeated {
            due.push((i + delay + 5, i));
        }
    }
    due.sort();
    due.into_iter().map(|(_, i)| i).collect()
}

/// Everything that was answered.
#[derive(Default)]
struct Model {
    /// Outgoing index of (source, incoming index).
    places: HashMap<(u16, u64), u64>,
    inserted: BTreeSet<u64>,
    /// Packets that were skipped and whose gap remains.
    gaps: BTreeSet<(u16, u64)>,
    closed: BTreeSet<(u16, u64)>,
}

impl Model {
    fn place(&mut self, source: u16, index: u64, out: u64) -> Result<(), TestCaseError> {
        let known = *self.places.entry((source, index)).or_insert(out);
        prop_assert_eq!(known, out, "a repeated packet keeps its place");
        Ok(())
    }

    fn assert_outgoing_differ(&self) -> Result<(), TestCaseError> {
        let mut all: Vec<_> = self
            .places
            .values()
            .chain(&self.inserted)
            .copied()
            .collect();
        let count = all.len();
        all.sort();
        all.dedup();
        prop_assert_eq!(all.len(), count, "two packets left under one index");
        Ok(())
    }

    /// Every outgoing index is a packet sent, inserted, or one that may still come.
    fn assert_no_unexplained_gap(
        &self,
        map: &SequenceMap,
        first_out: u64,
        epochs: &[Epoch],
    ) -> Result<(), TestCaseError> {
        for out in first_out..map.next_index() {
            match map.origin_of_index(out) {
                Some(Origin::Inserted(placed)) => {
                    prop_assert_eq!(placed.index, out);
                    prop_assert!(self.inserted.contains(&out));
                }
                Some(Origin::Source {
                    source,
                    index,
                    placed,
                }) => {
                    prop_assert_eq!(placed.index, out);
                    prop_assert_eq!(placed.shift, shift_of(source));
                    let epoch = &epochs[usize::from(source)];
                    let fate = epoch.fates[(index - epoch.first) as usize];
                    let is_explained = match self.places.get(&(source, index)) {
                        Some(sent) => *sent == out,
                        None => fate.is_lost || self.gaps.contains(&(source, index)),
                    };
                    prop_assert!(is_explained, "{} came from {} {}", out, source, index);
                }
                None => prop_assert!(false, "{} is forgotten", out),
            }
        }
        Ok(())
    }
}

fn shift_of(source: u16) -> Shift {
    Shift {
        timestamp: source.into(),
        picture_ids: picture_id::Shift::default(),
    }
}

fn run_epoch(
    map: &mut SequenceMap,
    model: &mut Model,
    source: u16,
    epoch: &Epoch,
) -> Result<(), TestCaseError> {
    map.switch_source(source, epoch.first, shift_of(source));
    for position in arrivals(&epoch.fates) {
        let fate = epoch.fates[position];
        let index = epoch.first + position as u64;
        if fate.inserts_before {
            model.inserted.insert(map.insert().index);
        }
        if fate.is_dropped {
            match map.skip(index, shift_of(source)) {
                Skip::Closed => model.closed.insert((source, index)),
                Skip::GapRemains => model.gaps.insert((source, index)),
            };
            continue;
        }
        match map.forward(index) {
            Forward::New(placed) => {
                prop_assert_eq!(placed.index + 1, map.next_index());
                model.place(source, index, placed.index)?;
            }
            Forward::Late(placed) => model.place(source, index, placed.index)?,
            Forward::Drop(reason) => prop_assert!(false, "{:?} was dropped: {:?}", index, reason),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn indices_never_repeat_have_no_unexplained_gap_and_lead_back(
        seed: u16,
        epochs in epochs(),
    ) {
        let mut map = SequenceMap::new(seed);
        let first_out = map.next_index();
        let mut model = Model::default();
        for (source, epoch) in epochs.iter().enumerate() {
            run_epoch(&mut map, &mut model, source as u16, epoch)?;
        }
        model.assert_outgoing_differ()?;
        model.assert_no_unexplained_gap(&map, first_out, &epochs)?;
    }

    #[test]
    fn packets_of_before_the_switch_have_no_place(
        first in 100u64..1 << 20,
        fates in vec(fate(), 1..60),
        behind in 1u64..100,
    ) {
        let mut map = SequenceMap::new(0);
        let mut model = Model::default();
        let epoch = Epoch { first, fates };
        run_epoch(&mut map, &mut model, 1, &epoch)?;
        let reason = DropReason::BeforeSwitch;
        prop_assert_eq!(map.forward(first - behind), Forward::Drop(reason));
        for (_, index) in model.closed {
            prop_assert!(matches!(map.forward(index), Forward::Drop(_)), "its gap is closed");
        }
    }

    #[test]
    fn within_a_source_order_is_kept(seed: u16, fates in vec(fate(), 1..100)) {
        let mut map = SequenceMap::new(seed);
        let mut model = Model::default();
        run_epoch(&mut map, &mut model, 0, &Epoch { first: 50, fates })?;
        let mut places: Vec<_> = model.places.into_iter().collect();
        places.sort();
        prop_assert!(places.is_sorted_by_key(|(_, out)| *out));
    }

    #[test]
    fn any_calls_keep_the_map_sane(calls in vec((0u8..5, any::<u64>(), any::<bool>()), 0..200)) {
        let mut map = SequenceMap::new(7);
        for (call, index, is_small) in calls {
            let index = if is_small { index % 5000 } else { index >> 16 };
            match call {
                0 => map.switch_source(1, index, Shift::default()),
                1 => { map.skip(index, Shift::default()); }
                2 => { map.insert(); }
                3 => { map.origin_of_index(index); map.origin(index as u16); }
                _ => { map.forward(index); }
            }
        }
    }
}
