//! Active speakers: from audio levels to events and to the allocation of a narrow link.

mod common;

use common::*;
use sfu::config::Bwe;

const SILENCE: u8 = 127;

struct Meeting {
    world: World,
    room: u32,
    clients: Vec<usize>,
    microphones: Vec<usize>,
    cameras: Vec<usize>,
}

impl Meeting {
    /// Participants with a microphone and a camera of two encodings each.
    fn of(people: usize, config: Config) -> Self {
        let mut world = World::new(config);
        let room = world.open_room();
        let clients = world.connect_many(room, people);
        let microphone = |client: &usize| {
            world.publish_with(*client, Codec::Opus, &[], |camera| {
                camera.audio_level = Some(SILENCE);
            })
        };
        let microphones = clients.iter().map(microphone).collect();
        let camera = |client: &usize| world.publish(*client, Codec::Vp8, &["q", "h"]);
        let cameras = clients.iter().map(camera).collect();
        Self {
            world,
            room,
            clients,
            microphones,
            cameras,
        }
    }

    fn say(&mut self, person: usize, octet: u8) {
        self.world.cameras[self.microphones[person]].audio_level = Some(octet);
    }

    fn microphone(&self, person: usize) -> u32 {
        self.world.cameras[self.microphones[person]].publication
    }

    /// The reported lists of speakers, by their microphones.
    fn reported(&self) -> Vec<Vec<u32>> {
        let lists = self.world.events.iter().filter_map(|event| match event {
            Event::ActiveSpeakers { room, speakers } => {
                assert_eq!(*room, self.room);
                Some(speakers.iter().map(|it| it.publication).collect())
            }
            _ => None,
        });
        lists.collect()
    }
}

#[test]
fn changes_are_reported_with_levels() {
    let mut meeting = Meeting::of(3, Config::default());
    meeting.world.run_for(ms(1_000));
    assert_eq!(meeting.reported(), [[0; 0]; 0]);
    meeting.say(1, 0x80 | 30);
    meeting.world.run_for(ms(300));
    let (first, second) = (meeting.microphone(1), meeting.microphone(2));
    assert_eq!(meeting.reported(), [[first]]);
    meeting.say(2, 0x80 | 10);
    meeting.world.run_for(ms(700));
    meeting.say(1, SILENCE);
    meeting.world.run_for(ms(1_500));
    let expected = [vec![first], vec![second, first], vec![second]];
    assert_eq!(meeting.reported(), expected);
    let last = meeting.world.events.iter().rev().find_map(|event| {
        let Event::ActiveSpeakers { speakers, .. } = event else {
            return None;
        };
        Some(speakers[0].level_dbov)
    });
    assert_eq!(last, Some(-10));
    let room = meeting.room;
    let stats = meeting.world.command(Request::RoomStats { room });
    let of = |publication: u32| {
        let mut tracks = stats["publications"].as_array().expect("a list").iter();
        let track = tracks.find(|track| track["publication"] == publication);
        track.expect("published")["audio_level_dbov"].clone()
    };
    assert_eq!(of(second), -10);
    assert_eq!(
        of(meeting.world.cameras[meeting.cameras[0]].publication),
        serde_json::Value::Null
    );
}

#[test]
fn muted_silent_and_screen_audio_is_no_speaker() {
    let mut meeting = Meeting::of(2, Config::default());
    let (muted, room) = (meeting.microphone(0), meeting.room);
    meeting.world.command(Request::SetMuted {
        publication: muted,
        muted: true,
    });
    meeting.say(0, 0x80 | 10);
    let guest = meeting.world.connect_many(room, 1)[0];
    meeting
        .world
        .publish_with(guest, Codec::Opus, &[], |camera| {
            camera.audio_level = Some(0x80 | 5);
            camera.screen = true;
        });
    meeting.world.run_for(ms(2_000));
    assert_eq!(meeting.reported(), [[0; 0]; 0]);
    meeting.world.command(Request::SetMuted {
        publication: muted,
        muted: false,
    });
    meeting.world.run_for(ms(400));
    assert_eq!(meeting.reported(), [[muted]]);
}

#[test]
fn a_speaker_that_leaves_ends_and_levels_are_compared_again_after_silence() {
    let mut meeting = Meeting::of(2, Config::default());
    meeting.say(0, 20);
    meeting.world.run_for(ms(1_000));
    let gone = meeting.microphone(0);
    meeting
        .world
        .command(Request::Unpublish { publication: gone });
    meeting.world.cameras[meeting.microphones[0]].running = false;
    meeting.world.run_for(ms(700));
    assert_eq!(meeting.reported(), [vec![gone], vec![]]);
    let microphone = meeting.microphones[1];
    meeting.world.cameras[microphone].running = false;
    meeting.world.run_for(ms(2_000));
    meeting.world.cameras[microphone].running = true;
    meeting.say(1, 20);
    meeting.world.run_for(ms(400));
    assert_eq!(
        meeting.reported().last(),
        Some(&vec![meeting.microphone(1)])
    );
}

#[test]
fn the_speaker_gets_the_larger_encoding_of_a_narrow_link() {
    // Both videos in their lowest encoding and one in its highest: 430 and 830 kb/s each.
    let config = Config {
        bwe: Bwe::LossRtt,
        max_subscription_bitrate_bps: Some(1_500_000),
        ..Config::default()
    };
    let mut meeting = Meeting::of(3, config);
    let viewer = meeting.clients[2];
    let subs: Vec<Sub> = (0..2)
        .map(|person| meeting.world.subscribe(viewer, meeting.cameras[person]))
        .collect();
    let large = |meeting: &mut Meeting, person: usize| {
        meeting.say(person, 0x80 | 20);
        meeting.say(1 - person, SILENCE);
        meeting.world.run_for(ms(4_000));
        let room = meeting.room;
        let stats = meeting.world.command(Request::RoomStats { room });
        let subscriptions = stats["subscriptions"].as_array().expect("a list");
        let rid = |sub: &Sub| {
            let own = subscriptions.iter().find(|it| it["subscription"] == sub.id);
            own.expect("subscribed")["rid"]
                .as_str()
                .expect("sent")
                .to_owned()
        };
        [rid(&subs[0]), rid(&subs[1])]
    };
    meeting.world.run_for(ms(3_000));
    assert_eq!(large(&mut meeting, 1), ["q", "h"]);
    assert_eq!(large(&mut meeting, 0), ["h", "q"]);
    assert_eq!(large(&mut meeting, 1), ["q", "h"]);
}
