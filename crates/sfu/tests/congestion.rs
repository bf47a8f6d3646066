//! `--bwe gcc`: a subscriber with transport-wide feedback gets the encoding that its link carries,
//! and keeps it.

mod common;

use common::payload::read_vp8;
use common::*;
use wire::time::Time;

const RIDS: [&str; 3] = ["q", "h", "f"];

/// About 160 kb/s, 480 kb/s and 1.6 Mb/s.
fn sizes(camera: &mut common::camera::Camera) {
    for (source, packets) in camera.encodings.iter_mut().zip([1, 3, 10]) {
        source.packets = packets;
        source.keyframe_packets = packets * 3;
        source.payload_len = 800;
    }
}

fn narrow(world: &mut World, client: usize, rate_bps: u64) {
    let down = &mut world.clients[client].down.conditions;
    down.rate_bps = Some(rate_bps);
    down.queue = ms(300);
}

struct Viewed {
    world: World,
    room: u32,
    sub: Sub,
    start: Time,
}

/// A viewer who joins behind a link of this rate and negotiates this feedback.
fn viewed(config: Config, rate_bps: u64, feedback: &str) -> Viewed {
    let mut world = World::new(config);
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    world.run_for(ms(2_000));
    let client = world.connect(room);
    world.enable_feedback(client);
    narrow(&mut world, client, rate_bps);
    let sub = world.subscribe_with(client, camera, |request| {
        request.feedback = vec![feedback.to_owned()];
    });
    let start = world.now;
    Viewed {
        world,
        room,
        sub,
        start,
    }
}

impl Viewed {
    fn run(&mut self, millis: u64) -> &mut Self {
        self.world.run_for(ms(millis));
        self
    }

    /// Encodings received, with ms since the subscription.
    fn seen(&self) -> Vec<(u64, u8)> {
        let mut seen: Vec<(u64, u8)> = Vec::new();
        for arrived in self.world.clients[self.sub.client].stream(self.sub.ssrc) {
            let encoding = read_vp8(arrived.payload()).mark.encoding;
            if seen.last().is_none_or(|(_, last)| *last != encoding) {
                seen.push((arrived.at.since(self.start).as_millis() as u64, encoding));
            }
        }
        seen
    }

    fn transport(&mut self) -> serde_json::Value {
        let id = self.world.clients[self.sub.client].transport_id;
        let stats = self.world.room_stats(self.room);
        let mut transports = stats["transports"].as_array().expect("a list").iter();
        transports
            .rfind(|it| it["transport"] == id)
            .expect("described")
            .clone()
    }

    fn lost(&self) -> i64 {
        let viewer = self.world.clients[self.sub.client].viewer.as_ref();
        viewer.expect("reports").lost(self.sub.ssrc)
    }
}

#[test]
fn a_wide_link_has_the_highest_encoding_within_a_second() {
    let mut viewed = viewed(Config::default(), 5_000_000, "transport-cc");
    viewed.run(10_000);
    let seen = viewed.seen();
    let (at, last) = *seen.last().expect("video");
    assert!(last == 2 && at <= 1_000, "{seen:?}");
    let transport = viewed.transport();
    assert_eq!(transport["bwe"], "gcc");
    let estimate = transport["estimate_bps"].as_u64().expect("known");
    assert!((1_800_000..5_000_000).contains(&estimate), "{transport}");
}

#[test]
fn a_full_send_buffer_is_no_queue_of_the_link() {
    let mut viewed = viewed(Config::default(), 5_000_000, "transport-cc");
    viewed.run(3_000);
    let before = viewed.transport()["estimate_bps"].as_u64();
    for _ in 0..100 {
        viewed.world.blocked_until = viewed.world.now + ms(100);
        viewed.run(150);
    }
    assert_eq!(viewed.seen().last().map(|it| it.1), Some(2));
    let after = viewed.transport()["estimate_bps"].as_u64();
    assert!(after >= before, "{before:?} {after:?}");
}

#[test]
fn a_link_of_1_mbps_has_the_middle_encoding_without_loss() {
    let mut viewed = viewed(Config::default(), 1_000_000, "transport-cc");
    viewed.run(30_000);
    let seen = viewed.seen();
    let (at, last) = *seen.last().expect("video");
    assert!(last == 1 && at <= 2_000, "{seen:?}");
    assert!(seen.iter().all(|(_, encoding)| *encoding < 2), "{seen:?}");
    assert_eq!(viewed.lost(), 0);
}

#[test]
fn a_publisher_who_has_just_begun_is_not_sent_at_full_size() {
    let mut world = World::new(Config::default());
    let room = world.open_room();
    let clients = world.connect_many(room, 2);
    let (publisher, client) = (clients[0], clients[1]);
    world.enable_feedback(client);
    narrow(&mut world, client, 1_000_000);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    let sub = world.subscribe_with(client, camera, |request| {
        request.feedback = vec!["transport-cc".to_owned()];
    });
    let start = world.now;
    let mut viewed = Viewed {
        world,
        room,
        sub,
        start,
    };
    viewed.run(8_000);
    let seen = viewed.seen();
    assert!(seen.iter().all(|(_, encoding)| *encoding < 2), "{seen:?}");
    assert_eq!(seen.last().map(|it| it.1), Some(1), "{seen:?}");
}

#[test]
fn a_link_that_changes_is_followed() {
    let mut viewed = viewed(Config::default(), 5_000_000, "transport-cc");
    let client = viewed.sub.client;
    viewed.run(5_000);
    narrow(&mut viewed.world, client, 1_000_000);
    viewed.run(5_000);
    let fallen = viewed.seen();
    let (at, last) = *fallen.last().expect("video");
    assert!(last <= 1 && at <= 6_500, "{fallen:?}");
    narrow(&mut viewed.world, client, 5_000_000);
    viewed.run(5_000);
    let risen = viewed.seen();
    let (at, last) = *risen.last().expect("video");
    assert!(last == 2 && at <= 13_000, "{risen:?}");
}

#[test]
fn probes_are_padding_on_the_retransmission_stream_and_end_when_nothing_more_is_wanted() {
    let mut viewed = viewed(Config::default(), 5_000_000, "transport-cc");
    viewed.run(3_000);
    let early = viewed.world.engine.counters();
    assert!(early.probe_packets_sent >= 10);
    assert_eq!(early.retransmitted_packets_sent, 0);
    viewed.run(20_000);
    let late = viewed.world.engine.counters();
    assert_eq!(late.probe_packets_sent, early.probe_packets_sent);
}

#[test]
fn without_retransmission_the_next_encoding_is_tried_itself() {
    let mut world = World::new(Config::default());
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    world.run_for(ms(2_000));
    let client = world.connect(room);
    world.enable_feedback(client);
    narrow(&mut world, client, 5_000_000);
    let sub = world.subscribe_with(client, camera, |request| {
        request.feedback = vec!["transport-cc".to_owned()];
        (request.rtx_payload_type, request.rtx_ssrc) = (None, None);
    });
    let start = world.now;
    let mut viewed = Viewed {
        world,
        room,
        sub,
        start,
    };
    viewed.run(15_000);
    let seen = viewed.seen();
    assert_eq!(seen.last().map(|it| it.1), Some(2), "{seen:?}");
    assert_eq!(viewed.world.engine.counters().probe_packets_sent, 0);
}

#[test]
fn a_configured_bound_holds() {
    let config = Config {
        max_subscription_bitrate_bps: Some(800_000),
        ..Config::default()
    };
    let mut viewed = viewed(config, 5_000_000, "transport-cc");
    viewed.run(10_000);
    assert!(viewed.seen().iter().all(|(_, encoding)| *encoding < 2));
    assert_eq!(viewed.transport()["estimate_bps"], 800_000);
}

#[test]
fn other_receivers_have_their_own_mode() {
    for (feedback, mode) in [("goog-remb", "remb"), ("nack", "loss-rtt")] {
        let mut viewed = viewed(Config::default(), 5_000_000, feedback);
        viewed.run(2_000);
        let transport = viewed.transport();
        assert_eq!(transport["bwe"], mode);
        assert!(transport["estimate_bps"].is_null());
        assert_eq!(viewed.seen().last().map(|it| it.1), Some(2));
    }
}
