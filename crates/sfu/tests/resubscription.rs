//! No nonce is used twice: an SSRC serves one stream in the life of a transport.

mod common;

use common::*;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

#[test]
fn an_ssrc_is_refused_the_second_time() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    let unsubscribe = Request::Unsubscribe {
        subscription: sub.id,
    };
    world.command(unsubscribe);
    for (ssrc, rtx_ssrc) in [(sub.ssrc, 1), (1, sub.ssrc), (sub.rtx_ssrc, 2), (3, 3)] {
        let id = world.fresh_id();
        let mut request = world.subscribe_request(subscriber, camera, id);
        (request.ssrc, request.rtx_ssrc) = (ssrc, Some(rtx_ssrc));
        let refused = world.try_command(Request::Subscribe(request));
        assert_eq!(refused.expect_err("reused").code, ErrorCode::SsrcReused);
    }
}

#[test]
fn the_identifiers_of_a_refused_request_stay_free() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let taken = world.subscribe(subscriber, camera);
    for (ssrc, rtx_ssrc) in [(1, taken.ssrc), (taken.rtx_ssrc, 2), (3, 3)] {
        let id = world.fresh_id();
        let mut request = world.subscribe_request(subscriber, camera, id);
        (request.ssrc, request.rtx_ssrc) = (ssrc, Some(rtx_ssrc));
        let refused = world.try_command(Request::Subscribe(request));
        assert_eq!(refused.expect_err("reused").code, ErrorCode::SsrcReused);
    }
    for (ssrc, rtx_ssrc) in [(1, 2), (3, 4)] {
        world.subscribe_with(subscriber, camera, |request| {
            (request.ssrc, request.rtx_ssrc) = (ssrc, Some(rtx_ssrc));
        });
    }
}

#[test]
fn ten_thousand_cycles_never_repeat_a_nonce() {
    // Nothing waits for other packets: each subscription lives for one frame only.
    let mut world = World::new(Config {
        coalesce_ms: 0,
        ..Config::default()
    });
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.clients[publisher].forgetful = true;
    world.clients[subscriber].forgetful = true;
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.encodings[0].payload_len = 40;
        camera.interval = ms(5);
    });
    // Under AES-GCM the nonce is made of the SSRC, the rollover counter and the sequence number;
    // no stream here is long enough to roll over.
    let seen = Rc::new(RefCell::new(HashSet::new()));
    let nonces = seen.clone();
    world.set_filter(move |_, way, client, bytes| {
        if way == Direction::Down
            && client == subscriber
            && let Some(name) = rtp_name(bytes)
        {
            assert!(nonces.borrow_mut().insert(name), "{name:?} twice");
        }
        true
    });
    world.run_for(ms(100));
    for _ in 0..10_000 {
        let sub = world.subscribe(subscriber, camera);
        world.cameras[camera].encodings[0].keyframe_wanted = true;
        world.run_for(ms(5));
        world.command(Request::Unsubscribe {
            subscription: sub.id,
        });
        world.events.clear();
        world.runs.clear();
        world.clients[subscriber].rtcp.clear();
    }
    let ssrcs: HashSet<u32> = seen.borrow().iter().map(|(ssrc, _)| *ssrc).collect();
    assert!(ssrcs.len() > 9_000, "{} streams sent", ssrcs.len());
    assert_eq!(world.engine.counters().packets_refused_seal, 0);
    assert_eq!(world.engine.counters().subscriptions, 0);
}
