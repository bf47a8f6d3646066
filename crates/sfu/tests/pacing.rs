//! How packets leave: frames as runs of equal datagrams, keyframes spread, padding where it helps.

mod common;

use common::world::SentRun;
use common::*;

/// Runs of media towards a client since `from`.
fn runs(world: &World, client: usize, from: usize) -> Vec<SentRun> {
    let address = world.clients[client].address;
    let to_client = |run: &&SentRun| run.path.remote == address && run.len > 400;
    world.runs[from..]
        .iter()
        .filter(to_client)
        .copied()
        .collect()
}

fn playing(
    config: Config,
    change: impl FnOnce(&mut common::camera::Camera),
) -> (World, usize, Sub) {
    let mut world = World::new(config);
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], change);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(3_000));
    (world, camera, sub)
}

#[test]
fn a_delta_frame_is_one_run() {
    let (mut world, camera, sub) = playing(Config::default(), |camera| {
        camera.encodings[0].packets = 6;
    });
    let from = world.runs.len();
    let frame = world.cameras[camera].encodings[0].frame;
    world.run_for(ms(2_000));
    let frames = world.cameras[camera].encodings[0].frame - frame;
    let runs = runs(&world, sub.client, from);
    assert!(runs.len().abs_diff(frames as usize) <= 1);
    assert!(runs.iter().all(|run| run.segments == 6), "{:?}", &runs[..3]);
}

#[test]
fn sizes_that_differ_by_a_byte_are_padded_into_one_run() {
    let uneven = |camera: &mut common::camera::Camera| {
        camera.encodings[0].packets = 6;
        camera.encodings[0].uneven = true;
    };
    let (mut world, _, sub) = playing(Config::default(), uneven);
    let from = world.runs.len();
    world.run_for(ms(1_000));
    let padded = runs(&world, sub.client, from);
    assert!(padded.iter().all(|run| run.segments == 6));
    let received: Vec<_> = world.clients[sub.client].stream(sub.ssrc).collect();
    assert!(received.iter().all(|it| it.padding <= 16));
    let sent = &world.cameras[0].sent;
    for (arrived, sent) in received.iter().zip(sent) {
        assert_eq!(arrived.payload(), sent.packet.payload);
    }

    let without = Config {
        pad: false,
        ..Config::default()
    };
    let (mut world, _, sub) = playing(without, uneven);
    let from = world.runs.len();
    world.run_for(ms(1_000));
    let bare = runs(&world, sub.client, from);
    assert!(bare.iter().all(|run| run.segments == 1));
    assert!(
        world.clients[sub.client]
            .rtp
            .iter()
            .all(|it| it.padding == 0)
    );
    assert_eq!(world.engine.counters().padding_bytes_sent, 0);
}

#[test]
fn a_frame_that_arrives_piecemeal_is_sent_soon_in_a_few_runs() {
    let (mut world, _, sub) = playing(Config::default(), |camera| {
        camera.encodings[0].packets = 12;
        camera.spread = ms(20);
    });
    let from = world.runs.len();
    world.run_for(ms(2_000));
    let runs = runs(&world, sub.client, from);
    let mean = runs.iter().map(|run| run.segments).sum::<usize>() as f64 / runs.len() as f64;
    assert!(mean >= 2.5, "{mean}");
    let received: Vec<_> = world.clients[sub.client].stream(sub.ssrc).collect();
    for (arrived, sent) in received.iter().zip(&world.cameras[0].sent) {
        let waited = arrived.at.since(sent.at) - ms(20);
        assert!(waited <= ms(36), "{waited:?} beyond the network's delay");
    }
    let late = received
        .iter()
        .zip(&world.cameras[0].sent)
        .skip(200)
        .filter(|(arrived, sent)| arrived.at.since(sent.at) > ms(26))
        .count();
    assert_eq!(
        late, 0,
        "once its rate is known, a delta frame waits a quantum at most"
    );
}

#[test]
fn a_keyframe_is_spread_over_thirty_milliseconds() {
    let (mut world, camera, sub) = playing(Config::default(), |camera| {
        camera.encodings[0].keyframe_packets = 60;
    });
    let received = world.clients[sub.client].rtp.len();
    world.cameras[camera].encodings[0].keyframe_wanted = true;
    world.run_for(ms(110));
    let keyframe: Vec<_> = world.clients[sub.client].rtp[received..]
        .iter()
        .filter(|it| {
            common::payload::read_vp8(it.payload()).mark.packet > 1 || {
                common::payload::read_vp8(it.payload()).keyframe
            }
        })
        .collect();
    assert_eq!(keyframe.len(), 59);
    let at = |nth: usize| keyframe[nth].at;
    let span = at(58).since(at(0));
    assert!(span >= ms(20) && span <= ms(36), "{span:?}");
    let in_first = keyframe.iter().filter(|it| it.at == at(0)).count();
    assert!(in_first <= 30, "{in_first} of 60 at once");
}

#[test]
fn retransmissions_do_not_wait_behind_video() {
    use wire::id::Ssrc;
    use wire::rtcp::write;
    let (mut world, camera, sub) = playing(Config::default(), |camera| {
        camera.encodings[0].keyframe_packets = 200;
    });
    let wanted = world.clients[sub.client]
        .rtp
        .last()
        .expect("some")
        .header
        .sequence;
    world.cameras[camera].encodings[0].keyframe_wanted = true;
    let next = world.cameras[camera].next_frame;
    world.run_for(next.since(world.now));
    let mut rtcp = Vec::new();
    write::nack(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc), &[wanted]);
    world.clients[sub.client].send_rtcp(&rtcp);
    let asked = world.now;
    world.run_for(ms(100));
    let again = world.clients[sub.client]
        .stream(sub.rtx_ssrc)
        .next()
        .expect("sent again");
    assert!(again.at.since(asked) <= ms(20 + 7));
}

#[test]
fn packets_of_one_batching_window_are_sent_together_longest_first() {
    let mut world = World::new(Config::default());
    let room = world.open_room();
    let clients = world.connect_many(room, 4);
    let start = world.now + ms(10);
    for (nth, client) in clients[..3].iter().enumerate() {
        let camera = world.publish_with(*client, Codec::Vp8, &[], |camera| {
            camera.next_frame = start + ms(nth as u64);
            camera.encodings[0].packets = 1;
            camera.encodings[0].payload_len = 400 + 300 * nth;
        });
        world.subscribe(clients[3], camera);
    }
    world.run_for(ms(2_000));
    let (from, before) = (world.runs.len(), world.cameras[0].encodings[0].frame);
    world.run_for(ms(1_000));
    let frames = (world.cameras[0].encodings[0].frame - before) as usize;
    let runs = runs(&world, clients[3], from);
    // Three frames of different size, one packet each: the second is the short tail of the run
    // that the longest began, the third would be cut in the wrong place.
    assert!(runs.len().abs_diff(2 * frames) <= 2, "{}", runs.len());
    let pairs = runs.iter().filter(|run| run.segments == 2).count();
    assert!(pairs.abs_diff(frames) <= 1, "{pairs}");
}
