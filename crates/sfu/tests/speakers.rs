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

/// A viewer of all cameras of a meeting.
struct Viewer {
    client: usize,
    subs: Vec<Sub>,
}

impl Viewer {
    fn of(meeting: &mut Meeting, person: usize) -> Self {
        let client = meeting.clients[person];
        let others = (0..meeting.cameras.len()).filter(|other| *other != person);
        let others: Vec<usize> = others.map(|other| meeting.cameras[other]).collect();
        let subs = others.into_iter();
        let subs = subs
            .map(|camera| meeting.world.subscribe(client, camera))
            .collect();
        Self { client, subs }
    }

    /// Return which of the videos are sent, and check the reasons of the others.
    fn sent(&self, meeting: &mut Meeting) -> Vec<usize> {
        let room = meeting.room;
        let stats = meeting.world.command(Request::RoomStats { room });
        let listed = stats["subscriptions"].as_array().expect("a list");
        let of = |sub: &Sub| listed.iter().find(|it| it["subscription"] == sub.id);
        let state = |sub: &Sub| of(sub).expect("subscribed");
        for sub in &self.subs {
            let (paused, reason) = (&state(sub)["paused"], &state(sub)["last_reason"]);
            assert_eq!(*paused == true, reason == "last_n", "{stats:#}");
        }
        let sends = |nth: &usize| state(&self.subs[*nth])["sending"] == true;
        (0..self.subs.len()).filter(sends).collect()
    }
}

fn with_last_n(last_n: u16) -> Config {
    Config {
        last_n: Some(last_n),
        ..Config::default()
    }
}

#[test]
fn last_n_sends_those_who_spoke_last_from_a_new_keyframe_on() {
    let mut meeting = Meeting::of(5, with_last_n(2));
    let viewer = Viewer::of(&mut meeting, 4);
    meeting.world.run_for(ms(2_000));
    // Before a participant has spoken: those who published first.
    assert_eq!(viewer.sent(&mut meeting), [0, 1]);
    for (speaker, sent) in [(2, [0, 2]), (3, [2, 3]), (2, [2, 3]), (0, [0, 2])] {
        let before = meeting.world.now;
        meeting.say(speaker, 0x80 | 20);
        meeting.world.run_for(ms(1_500));
        assert_eq!(viewer.sent(&mut meeting), sent);
        let client = &meeting.world.clients[viewer.client];
        let first = client.stream(viewer.subs[speaker].ssrc);
        let first = first.map(|it| it.at).find(|at| *at > before).expect("sent");
        // 200 ms until the speech counts, 100 ms of phase, a keyframe, and the way of the packet.
        assert!(first.since(before) < ms(450), "{:?}", first.since(before));
        meeting.say(speaker, SILENCE);
        meeting.world.run_for(ms(1_500));
    }
    let last = meeting.world.events.iter().rev();
    let mut reported = last.filter_map(|event| match event {
        Event::Quality { video, .. } => Some(video),
        _ => None,
    });
    let reported = reported.next().expect("a report").iter();
    let paused = reported.filter(|it| (it.paused, it.reason) == (true, "last_n"));
    assert_eq!(paused.count(), 2);
}

#[test]
fn last_n_of_a_client_bounds_and_spares_pinned_videos_and_screens() {
    let mut meeting = Meeting::of(4, with_last_n(3));
    let screen = {
        let client = meeting.clients[0];
        meeting
            .world
            .publish_with(client, Codec::Vp8, &[], |camera| camera.screen = true)
    };
    meeting.cameras.insert(3, screen);
    let viewer = Viewer {
        client: meeting.clients[3],
        subs: (0..4)
            .map(|nth| {
                meeting
                    .world
                    .subscribe(meeting.clients[3], meeting.cameras[nth])
            })
            .collect(),
    };
    let transport = meeting.world.clients[viewer.client].transport_id;
    let limit = |meeting: &mut Meeting, last_n| {
        meeting
            .world
            .command(Request::SetLastN { transport, last_n });
        meeting.world.run_for(ms(700));
        viewer.sent(meeting)
    };
    assert_eq!(limit(&mut meeting, None), [0, 1, 2, 3]);
    assert_eq!(limit(&mut meeting, Some(1)), [0, 3]);
    meeting.world.command(Request::SetTarget {
        subscription: viewer.subs[2].id,
        target: Target::Auto,
        preference: Preference {
            pinned: true,
            ..Preference::default()
        },
    });
    assert_eq!(limit(&mut meeting, Some(1)), [0, 2, 3]);
    assert_eq!(limit(&mut meeting, Some(0)), [2, 3]);
    // The bound of the server holds whatever a client asks for.
    assert_eq!(limit(&mut meeting, Some(9)), [0, 1, 2, 3]);
    // The place of a participant that leaves goes to the next.
    assert_eq!(limit(&mut meeting, Some(1)), [0, 2, 3]);
    let gone = meeting.world.cameras[meeting.cameras[0]].publication;
    meeting.world.command(Request::SetMuted {
        publication: gone,
        muted: true,
    });
    meeting.world.run_for(ms(700));
    assert_eq!(viewer.sent(&mut meeting), [1, 2, 3]);
    meeting.world.command(Request::SetMuted {
        publication: gone,
        muted: false,
    });
    meeting.world.run_for(ms(700));
    assert_eq!(viewer.sent(&mut meeting), [0, 2, 3]);
}

/// Return how long after the report of a speaker its larger encoding is sent.
fn time_until_large(meeting: &mut Meeting, person: usize, sub: Sub) -> std::time::Duration {
    meeting.say(1 - person, SILENCE);
    meeting.say(person, 0x80 | 20);
    let microphone = meeting.microphone(person);
    let (events, world) = (meeting.world.events.len(), &mut meeting.world);
    let is_reported = |event: &Event| match event {
        Event::ActiveSpeakers { speakers, .. } => speakers
            .first()
            .is_some_and(|it| it.publication == microphone),
        _ => false,
    };
    assert!(world.run_until(ms(3_000), |world| {
        world.events[events..].iter().any(is_reported)
    }));
    let reported = world.now;
    let is_large = |event: &Event| match event {
        Event::LayerSwitch {
            subscription, to, ..
        } => *subscription == sub.id && to.as_deref() == Some("h"),
        _ => false,
    };
    assert!(world.run_until(ms(3_000), |world| {
        world.events[events..].iter().any(is_large)
    }));
    world.now.since(reported)
}

#[test]
fn the_large_video_follows_the_speaker_within_half_a_second_or_one_where_it_was_inactive() {
    for (dynacast, limit) in [(false, ms(500)), (true, ms(1_000))] {
        let mut meeting = Meeting::of(
            3,
            Config {
                bwe: Bwe::LossRtt,
                max_subscription_bitrate_bps: Some(1_500_000),
                ..Config::default()
            },
        );
        for person in 0..2 {
            let client = meeting.clients[person];
            let publish = |camera: &mut common::camera::Camera| camera.dynacast = dynacast;
            let world = &mut meeting.world;
            let camera = world.publish_with(client, Codec::Vp8, &["q", "h"], publish);
            meeting.cameras[person] = camera;
        }
        let viewer = meeting.clients[2];
        let subs: Vec<Sub> = (0..2)
            .map(|person| meeting.world.subscribe(viewer, meeting.cameras[person]))
            .collect();
        meeting.say(0, 0x80 | 20);
        meeting.world.run_for(ms(8_000));
        for person in [1, 0, 1, 0] {
            let waited = time_until_large(&mut meeting, person, subs[person]);
            assert!(waited <= limit, "{waited:?} with dynacast {dynacast}");
            // The encoding that the other one has lost becomes inactive with dynacast.
            meeting.world.run_for(ms(7_000));
        }
        let inactive = meeting.world.events.iter().filter(|event| {
            matches!(
                event,
                Event::EncodingState {
                    reason: "unwatched",
                    ..
                }
            )
        });
        assert_eq!(inactive.count() > 2, dynacast);
    }
}
