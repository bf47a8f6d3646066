//! A viewer whose publisher leaves gets another publication in the same outgoing stream.

mod common;

use common::payload::read_vp8;
use common::*;

#[test]
fn the_outgoing_stream_continues_at_a_keyframe_of_the_other_publisher() {
    let mut world = World::default();
    let room = world.open_room();
    let (first, second) = (world.connect(room), world.connect(room));
    let viewer = world.connect(room);
    let old = world.publish(first, Codec::Vp8, &[]);
    let new = world.publish(second, Codec::Vp8, &[]);
    let sub = world.subscribe(viewer, old);
    world.run_for(ms(1_000));
    let before = world.clients[viewer].stream(sub.ssrc).count();
    assert!(before > 30, "{before}");

    let publication = world.cameras[new].publication;
    world.command(Request::ReplaceSource {
        subscription: sub.id,
        publication,
    });
    world.run_for(ms(1_000));

    let received: Vec<_> = world.clients[viewer].stream(sub.ssrc).collect();
    assert!(received.len() > before + 30, "{}", received.len());
    let (last, next) = (received[before - 1], received[before]);
    assert_eq!(next.index, last.index + 1);
    assert!(read_vp8(next.payload()).keyframe);
    assert!(
        received
            .windows(2)
            .all(|pair| pair[1].index == pair[0].index + 1)
    );
}

#[test]
fn another_codec_is_refused_and_the_old_source_stays() {
    let mut world = World::default();
    let room = world.open_room();
    let (first, second) = (world.connect(room), world.connect(room));
    let viewer = world.connect(room);
    let old = world.publish(first, Codec::Vp8, &[]);
    let new = world.publish(second, Codec::H264, &[]);
    let sub = world.subscribe(viewer, old);
    world.run_for(ms(1_000));
    let before = world.clients[viewer].stream(sub.ssrc).count();
    let publication = world.cameras[new].publication;
    let outcome = world.try_command(Request::ReplaceSource {
        subscription: sub.id,
        publication,
    });
    let error = outcome.expect_err("another codec");
    assert_eq!(error.code, ErrorCode::CodecUnsupported);
    world.run_for(ms(1_000));
    assert!(world.clients[viewer].stream(sub.ssrc).count() > before + 20);
}
