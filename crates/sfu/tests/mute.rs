//! A muted publication is not forwarded, and goes on at a keyframe.

mod common;

use common::payload::read_vp8;
use common::*;

fn set_muted(world: &mut World, camera: usize, muted: bool) {
    let publication = world.cameras[camera].publication;
    world.command(Request::SetMuted { publication, muted });
}

fn received(world: &World, sub: Sub) -> usize {
    world.clients[sub.client].stream(sub.ssrc).count()
}

/// It goes on at a keyframe, with the next numbers.
fn assert_resumed(world: &World, sub: Sub, before: usize) {
    let received: Vec<_> = world.clients[sub.client].stream(sub.ssrc).collect();
    assert!(received.len() > before + 30);
    let (last, next) = (received[before - 1], received[before]);
    assert_eq!(next.index, last.index + 1);
    let (last_frame, next_frame) = (read_vp8(last.payload()), read_vp8(next.payload()));
    assert!(next_frame.keyframe);
    assert_eq!(next_frame.picture_id, last_frame.picture_id + 1);
    let ticks = next.header.timestamp.wrapping_sub(last.header.timestamp);
    let elapsed = next.at.since(last.at).as_millis() as u32 * 90;
    assert!(
        ticks.abs_diff(elapsed) < 90 * 50,
        "{ticks} ticks in {elapsed}"
    );
}

#[test]
fn a_muted_publication_is_not_sent_and_resumes_at_a_keyframe() {
    let (mut world, camera, sub) = World::playing();
    set_muted(&mut world, camera, true);
    world.run_for(ms(50));
    let before = received(&world, sub);
    world.run_for(ms(2_000));
    assert_eq!(received(&world, sub), before);
    set_muted(&mut world, camera, false);
    world.run_for(ms(1_000));
    assert_resumed(&world, sub, before);
}
