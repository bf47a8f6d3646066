//! Muted publications and paused subscriptions send nothing, and go on at a keyframe.

mod common;

use common::payload::read_vp8;
use common::*;

fn playing() -> (World, usize, Sub) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    (world, camera, sub)
}

fn set_muted(world: &mut World, camera: usize, muted: bool) {
    let publication = world.cameras[camera].publication;
    world.command(Request::SetMuted { publication, muted });
}

fn set_active(world: &mut World, sub: Sub, active: bool) {
    let subscription = sub.id;
    world.command(Request::SetActive {
        subscription,
        active,
    });
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
    let (last_picture, next_picture) = (read_vp8(last.payload()), read_vp8(next.payload()));
    assert!(next_picture.keyframe);
    assert_eq!(next_picture.picture_id, last_picture.picture_id + 1);
    let ticks = next.header.timestamp.wrapping_sub(last.header.timestamp);
    let elapsed = next.at.since(last.at).as_millis() as u32 * 90;
    assert!(
        ticks.abs_diff(elapsed) < 90 * 50,
        "{ticks} ticks in {elapsed}"
    );
}

#[test]
fn a_muted_publication_sends_nothing_and_comes_back_at_a_keyframe() {
    let (mut world, camera, sub) = playing();
    set_muted(&mut world, camera, true);
    world.run_for(ms(50));
    let before = received(&world, sub);
    world.run_for(ms(2_000));
    assert_eq!(received(&world, sub), before);
    set_muted(&mut world, camera, false);
    world.run_for(ms(1_000));
    assert_resumed(&world, sub, before);
}

#[test]
fn a_paused_subscription_sends_nothing_and_comes_back_at_a_keyframe() {
    let (mut world, _, sub) = playing();
    set_active(&mut world, sub, false);
    world.run_for(ms(50));
    let before = received(&world, sub);
    world.run_for(ms(2_000));
    assert_eq!(received(&world, sub), before);
    set_active(&mut world, sub, true);
    world.run_for(ms(1_000));
    assert_resumed(&world, sub, before);
}

#[test]
fn pausing_concerns_one_subscriber() {
    let (mut world, camera, sub) = playing();
    let room = world.clients[sub.client].room;
    let other = world.connect(room);
    let other = world.subscribe(other, camera);
    world.run_for(ms(500));
    set_active(&mut world, sub, false);
    let before = received(&world, other);
    world.run_for(ms(1_000));
    assert!(received(&world, other) >= before + 48);
}

#[test]
fn a_subscription_may_begin_paused() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe_with(subscriber, camera, |request| request.active = false);
    world.run_for(ms(1_000));
    assert_eq!(received(&world, sub), 0);
    set_active(&mut world, sub, true);
    world.run_for(ms(1_000));
    assert!(received(&world, sub) > 30);
}
