//! Active speakers by examples and by properties.

use proptest::prelude::*;

use super::*;

const TICK: Duration = Duration::from_millis(100);
const SILENCE: u8 = 127;

/// Participants that speak at given levels, octets of RFC 6464.
struct Talk {
    now: Time,
    speakers: Speakers<u32>,
    levels: Vec<(u32, u8)>,
    changes: Vec<Time>,
}

impl Talk {
    fn of(people: u32) -> Self {
        Self {
            now: Time::from_secs(100),
            speakers: Speakers::default(),
            levels: (0..people).map(|key| (key, SILENCE)).collect(),
            changes: Vec::new(),
        }
    }

    fn say(&mut self, levels: &[(u32, u8)]) -> &mut Self {
        for (key, octet) in levels {
            let own = self.levels.iter_mut().find(|(other, _)| other == key);
            own.expect("a participant").1 = *octet;
        }
        self
    }

    fn tick(&mut self) -> bool {
        self.now = self.now + TICK;
        let heard = self.levels.iter();
        let heard = heard.map(|(key, octet)| (*key, Heard::from_octet(*octet)));
        let changed = self.speakers.update(self.now, heard);
        if changed {
            self.changes.push(self.now);
        }
        changed
    }

    fn run(&mut self, ms: u64) -> &mut Self {
        for _ in 0..ms / 100 {
            self.tick();
        }
        self
    }

    fn active(&self) -> &[u32] {
        self.speakers.active()
    }
}

#[test]
fn who_speaks_is_active_within_300_ms_and_until_a_second_of_silence() {
    let mut talk = Talk::of(3);
    talk.run(1_000);
    assert!(talk.active().is_empty());
    talk.say(&[(1, 30)]).run(300);
    assert_eq!(talk.active(), [1]);
    talk.say(&[(1, SILENCE)]).run(1_000);
    assert_eq!(talk.active(), [1]);
    talk.run(300);
    assert!(talk.active().is_empty());
    assert_eq!(talk.speakers.rank_of(&1), Some(0));
    assert_eq!(talk.speakers.rank_of(&0), None);
}

#[test]
fn a_click_makes_no_speaker() {
    let mut talk = Talk::of(2);
    talk.run(1_000).say(&[(0, 5)]).run(100);
    talk.say(&[(0, 100)]).run(2_000);
    assert_eq!(talk.changes, []);
}

#[test]
fn pauses_between_words_change_nothing() {
    let mut talk = Talk::of(2);
    talk.say(&[(0, 30)]).run(1_000);
    for _ in 0..10 {
        talk.say(&[(0, SILENCE)]).run(600);
        talk.say(&[(0, 30)]).run(400);
    }
    assert_eq!(talk.changes.len(), 1);
}

#[test]
fn the_louder_one_becomes_the_dominant_speaker_but_not_by_a_little() {
    let mut talk = Talk::of(3);
    talk.say(&[(0, 40)]).run(1_000);
    talk.say(&[(2, 38)]).run(2_000);
    assert_eq!(talk.active(), [0, 2]);
    talk.say(&[(2, 30)]).run(1_000);
    assert_eq!(talk.active(), [2, 0]);
    talk.say(&[(0, SILENCE)]).run(2_000);
    assert_eq!(talk.active(), [2]);
    let rank = |key| talk.speakers.rank_of(&key);
    assert_eq!((rank(2), rank(0), rank(1)), (Some(0), Some(1), None));
}

#[test]
fn a_change_waits_for_500_ms_after_the_last() {
    let mut talk = Talk::of(2);
    talk.say(&[(0, 30)]).run(300);
    let first = talk.changes.clone();
    talk.say(&[(1, 10)]).run(500);
    assert_eq!(talk.active(), [1, 0]);
    assert_eq!((first.len(), talk.changes.len()), (1, 2));
    assert!(talk.changes[1].since(talk.changes[0]) >= MIN_CHANGE_INTERVAL);
}

#[test]
fn levels_are_reported_in_dbov() {
    let mut talk = Talk::of(1);
    talk.say(&[(0, 0x80 | 33)]).run(1_000);
    assert_eq!(talk.speakers.level_dbov(&0), Some(-33));
    assert_eq!(talk.speakers.level_dbov(&7), None);
}

#[test]
fn who_leaves_is_forgotten() {
    let mut talk = Talk::of(2);
    talk.say(&[(0, 30), (1, 35)]).run(2_000);
    assert_eq!(talk.active(), [0, 1]);
    talk.levels.retain(|(key, _)| *key != 0);
    talk.run(600);
    assert_eq!(talk.active(), [1]);
    assert_eq!(talk.speakers.rank_of(&0), None);
    talk.levels.clear();
    talk.run(600);
    assert!(talk.speakers.is_idle());
}

#[test]
fn a_crowd_that_shouts_fills_no_list() {
    let mut talk = Talk::of(1_000);
    let all: Vec<_> = (0..1_000).map(|key| (key, 0)).collect();
    for nth in 0..100 {
        talk.say(&all).say(&[(nth * 7, SILENCE)]).run(1_200);
    }
    assert_eq!(talk.active().len(), MOST_ACTIVE);
    assert!(talk.speakers.recent.len() <= MOST_RANKED);
    assert_eq!(talk.speakers.talkers.len(), 1_000);
}

/// What a hostile or a silent participant sends in one update: none, mute, speech, anything.
fn any_octet() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![
        Just(None),
        Just(Some(127)),
        Just(Some(255)),
        (0..60_u8).prop_map(Some),
        (128..190_u8).prop_map(Some),
        any::<u8>().prop_map(Some),
    ]
}

fn any_updates() -> impl Strategy<Value = Vec<(u64, Vec<Option<u8>>)>> {
    let update = (
        0..400_u64,
        prop::collection::vec(any_octet(), 0..MOST_ACTIVE + 4),
    );
    prop::collection::vec(update, 1..120)
}

proptest! {
    #[test]
    fn any_levels_keep_the_rules(updates in any_updates()) {
        let mut speakers = Speakers::default();
        let (mut now, mut changed) = (Time::from_secs(1), None);
        for (wait_ms, octets) in updates {
            now = now + Duration::from_millis(wait_ms);
            let before = speakers.active().to_vec();
            let heard = octets.iter().enumerate();
            let heard = heard.filter_map(|(key, octet)| Some((key, Heard::from_octet((*octet)?))));
            let known = octets.iter().flatten().count();
            let has_changed = speakers.update(now, heard);
            prop_assert_eq!(has_changed, before != speakers.active());
            if has_changed {
                let early = changed.is_some_and(|at| now.since(at) < MIN_CHANGE_INTERVAL);
                prop_assert!(!early);
                changed = Some(now);
            }
            let active = speakers.active();
            prop_assert!(active.len() <= MOST_ACTIVE);
            let distinct = |key: &usize| active.iter().filter(|other| *other == key).count() == 1;
            prop_assert!(active.iter().all(distinct));
            prop_assert_eq!(speakers.talkers.len(), known);
            prop_assert!(speakers.recent.len() <= known.min(MOST_RANKED));
            for key in 0..octets.len() {
                let level = speakers.level_dbov(&key);
                prop_assert!(level.is_none_or(|dbov| (-127..=0).contains(&dbov)));
            }
        }
    }

    #[test]
    fn mute_microphones_never_speak(octets in prop::collection::vec(prop_oneof![Just(127), Just(255)], 1..8)) {
        let mut talk = Talk::of(octets.len() as u32);
        let mute: Vec<_> = (0..).zip(octets).collect();
        talk.say(&mute).run(3_000);
        prop_assert!(talk.changes.is_empty());
    }

    #[test]
    fn the_order_of_the_levels_is_irrelevant(levels in prop::collection::vec(0..128_u8, 1..12), seed in any::<u64>()) {
        let mut talk = Talk::of(levels.len() as u32);
        let spoken: Vec<_> = (0..).zip(levels).collect();
        let mut other = Talk::of(spoken.len() as u32);
        // The participants are known in one order; then their levels come in another.
        talk.tick();
        other.tick();
        let turn = seed as usize % spoken.len();
        other.levels.rotate_left(turn);
        talk.say(&spoken).run(2_000);
        other.say(&spoken).run(2_000);
        prop_assert_eq!(talk.active(), other.active());
    }
}
