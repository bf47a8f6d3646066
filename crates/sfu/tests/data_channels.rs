//! Data channels between participants of a room.

mod common;

use common::data::{both, labelled, lossy};
use common::*;
use sfu::message::DataParameters;
use std::time::Duration;

fn closed_reasons(world: &World) -> Vec<&'static str> {
    let reason = |event: &Event| match event {
        Event::DataChannelClosed { reason, .. } => Some(*reason),
        _ => None,
    };
    world.events.iter().filter_map(reason).collect()
}

#[test]
fn a_message_reaches_the_channel_of_the_same_label_of_every_other_participant() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 3);
    let chat = world.open_channel(keys[0], labelled("chat"));
    world.send_message(keys[0], chat, b"hello");
    world.run_for(ms(500));
    for key in &keys[1..] {
        let data = world.clients[*key].data();
        assert_eq!(data.messages(), [("chat", &b"hello"[..])]);
        assert_eq!(data.opened(), [&labelled("chat")]);
    }
    assert_eq!(world.clients[keys[0]].data().messages(), []);
    let wanted = |event: &&Event| matches!(event, Event::DataWanted { .. });
    assert_eq!(world.events.iter().filter(wanted).count(), 1);
}

#[test]
fn another_room_gets_nothing() {
    let mut world = World::default();
    let (room, other) = (world.open_room(), world.open_room());
    let sender = world.connect_with_data(room, 1)[0];
    let outsider = world.connect_with_data(other, 1)[0];
    let chat = world.open_channel(sender, labelled("chat"));
    world.send_message(sender, chat, b"hello");
    world.run_for(ms(500));
    assert!(world.clients[outsider].data().events.is_empty());
}

#[test]
fn messages_before_the_receiver_has_negotiated_wait_and_those_before_it_joined_do_not() {
    let mut world = World::default();
    let room = world.open_room();
    let sender = world.connect_with_data(room, 1)[0];
    let late = world.connect(room);
    let waiting = DataParameters {
        negotiated: false,
        ..both(2)
    };
    world.enable_data(late, waiting);
    let chat = world.open_channel(sender, labelled("chat"));
    world.send_message(sender, chat, b"first");
    world.run_for(ms(500));
    assert!(world.clients[late].data().events.is_empty());
    let transport = world.clients[late].transport_id;
    let data = both(2);
    world.command(Request::SetData { transport, data });
    let last = world.connect_with_data(room, 1)[0];
    world.send_message(sender, chat, b"second");
    world.run_for(ms(500));
    let (first, second) = (("chat", &b"first"[..]), ("chat", &b"second"[..]));
    assert_eq!(world.clients[late].data().messages(), [first, second]);
    assert_eq!(world.clients[last].data().messages(), [second]);
}

#[test]
fn a_participant_does_not_get_its_own_messages_on_its_other_transport() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_many(room, 3);
    let side = |member, send, receive| DataParameters {
        send,
        receive,
        ..both(member)
    };
    world.enable_data(keys[0], side(7, true, false));
    world.enable_data(keys[1], side(7, true, true));
    world.enable_data(keys[2], side(8, true, true));
    let chat = world.open_channel(keys[0], labelled("chat"));
    world.send_message(keys[0], chat, b"from seven");
    world.run_for(ms(500));
    assert_eq!(world.clients[keys[1]].data().messages(), []);
    // What the server has opened is for both directions.
    let id = world.clients[keys[2]].data().opened_ids()[0];
    world.send_message(keys[2], id, b"from eight");
    world.run_for(ms(500));
    let answer = [("chat", &b"from eight"[..])];
    assert_eq!(world.clients[keys[1]].data().messages(), answer);
    assert_eq!(world.clients[keys[0]].data().messages(), []);
}

#[test]
fn a_channel_without_the_right_or_with_a_bad_label_is_closed_with_its_reason() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_many(room, 2);
    let denied = DataParameters {
        send: false,
        ..both(1)
    };
    world.enable_data(keys[0], denied);
    world.enable_data(keys[1], both(2));
    let chat = world.open_channel(keys[0], labelled("chat"));
    world.send_message(keys[0], chat, b"not allowed");
    world.open_channel(keys[1], labelled("a\nb"));
    world.run_for(ms(500));
    assert_eq!(closed_reasons(&world), ["data_denied", "label_invalid"]);
    assert_eq!(world.clients[keys[1]].data().messages(), []);
    assert!(
        keys.iter()
            .all(|key| world.clients[*key].data().closed() == 1)
    );
}

#[test]
fn channels_opened_by_the_thousand_are_closed_beyond_the_limit() {
    let mut world = World::default();
    let room = world.open_room();
    let key = world.connect_with_data(room, 1)[0];
    for nth in 0..500 {
        world.open_channel(key, labelled(&format!("label {}", nth % 40)));
        world.run_for(ms(1));
    }
    world.run_for(Duration::from_secs(2));
    let reasons = closed_reasons(&world);
    assert_eq!(reasons.len(), 500 - 32);
    assert!(reasons.iter().all(|reason| *reason == "too_many_channels"));
}

#[test]
fn a_label_ends_everywhere_when_its_last_opener_closes_or_leaves_and_may_be_opened_again() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 3);
    for round in 1..=2 {
        let chat = world.open_channel(keys[0], labelled("chat"));
        world.send_message(keys[0], chat, b"hello");
        world.run_for(ms(500));
        let now = world.now;
        let association = &mut world.clients[keys[0]].data_mut().association;
        association.close(now, chat, rtc::sctp::CloseReason::Closed);
        world.settle_data(keys[0]);
        world.run_for(ms(500));
        let data = world.clients[keys[2]].data();
        assert_eq!((data.messages().len(), data.closed()), (round, round));
    }
    world.open_channel(keys[1], labelled("other"));
    world.run_for(ms(500));
    world.leave(keys[1]);
    world.run_for(ms(500));
    assert_eq!(world.clients[keys[2]].data().closed(), 3);
}

#[test]
fn a_reader_that_is_stuck_loses_its_channel_and_slows_no_other() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 3);
    let bulk = world.open_channel(keys[0], labelled("bulk"));
    world.run_for(ms(500));
    world.clients[keys[2]].data_mut().is_stuck = true;
    let payload = vec![1; 100_000];
    for _ in 0..40 {
        world.send_message(keys[0], bulk, &payload);
        world.run_for(ms(100));
    }
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.clients[keys[1]].data().messages().len(), 40);
    let counters = world.engine.counters();
    assert!(counters.data_messages_dropped >= 20);
    world.run_for(Duration::from_secs(5));
    assert_eq!(closed_reasons(&world), ["slow_reader"]);
}

#[test]
fn a_sender_waits_where_all_its_receivers_are_full_and_goes_on_after_the_stuck_one_is_closed() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 2);
    let bulk = world.open_channel(keys[0], labelled("bulk"));
    world.run_for(ms(500));
    world.clients[keys[1]].data_mut().is_stuck = true;
    for _ in 0..60 {
        let now = world.now;
        let association = &mut world.clients[keys[0]].data_mut().association;
        let _ = association.send(now, bulk, false, &[1; 50_000]);
        world.settle_data(keys[0]);
        world.run_for(ms(50));
    }
    // The rest waits in the association of the sender.
    let sender = &world.clients[keys[0]].data().association;
    assert!(sender.buffered_bytes(bulk) > 100_000);
    assert_eq!(world.engine.counters().data_messages_dropped, 0);
    world.run_for(Duration::from_secs(6));
    assert_eq!(closed_reasons(&world), ["slow_reader"]);
    let sender = &world.clients[keys[0]].data().association;
    assert_eq!(sender.buffered_bytes(bulk), 0);
}

#[test]
fn a_bulk_transfer_to_one_receiver_is_complete_and_in_order_however_slow_its_link_is() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 2);
    let bulk = world.open_channel(keys[0], labelled("bulk"));
    world.run_for(ms(500));
    world.clients[keys[1]].down.conditions.rate_bps = Some(8_000_000);
    let mut sent = 0_u32;
    while sent < 100 {
        let mut message = vec![0; 60_000];
        message[..4].copy_from_slice(&sent.to_be_bytes());
        let now = world.now;
        let association = &mut world.clients[keys[0]].data_mut().association;
        sent += u32::from(association.send(now, bulk, false, &message).is_ok());
        world.settle_data(keys[0]);
        world.run_for(ms(20));
    }
    world.run_for(Duration::from_secs(10));
    let messages = world.clients[keys[1]].data().messages();
    let order = messages.iter().map(|(_, it)| it.first_chunk().copied());
    let order: Vec<u32> = order.flatten().map(u32::from_be_bytes).collect();
    assert_eq!(order, (0..100).collect::<Vec<u32>>());
    assert_eq!(world.engine.counters().data_messages_dropped, 0);
}

#[test]
fn a_lossy_channel_of_a_stuck_reader_is_not_closed() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 2);
    let pointer = world.open_channel(keys[0], lossy("pointer"));
    world.run_for(ms(500));
    world.clients[keys[1]].data_mut().is_stuck = true;
    for _ in 0..40 {
        world.send_message(keys[0], pointer, &[1; 100_000]);
        world.run_for(ms(100));
    }
    world.run_for(Duration::from_secs(10));
    assert_eq!(closed_reasons(&world), [] as [&str; 0]);
    assert!(world.engine.counters().data_messages_dropped > 0);
}

#[test]
fn an_addressed_message_reaches_the_participant_that_it_names_and_names_its_sender() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 3);
    let addressed = rtc::sctp::ChannelParameters {
        protocol: "sfukit.to".into(),
        ..labelled("private")
    };
    let id = world.open_channel(keys[0], addressed);
    let to = format!("member {}\nhello", keys[2]);
    world.send_message(keys[0], id, to.as_bytes());
    world.send_message(keys[0], id, b"\nto all");
    world.send_message(keys[0], id, b"member 99\nlost");
    world.send_message(keys[0], id, b"no line");
    world.run_for(ms(500));
    let from = |text: &str| format!("member {}\n{text}", keys[0]).into_bytes();
    let (hello, all) = (from("hello"), from("to all"));
    let messages = |key: usize| world.clients[key].data().messages();
    assert_eq!(messages(keys[1]), [("private", &all[..])]);
    assert_eq!(
        messages(keys[2]),
        [("private", &hello[..]), ("private", &all[..])]
    );
    assert_eq!(world.engine.counters().data_messages_refused, 2);
}

#[test]
fn a_receiver_that_takes_short_messages_loses_its_channel_by_a_long_one() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 2);
    let short = world.connect(room);
    let parameters = DataParameters {
        max_message_bytes: 65_536,
        ..both(9)
    };
    world.enable_data(short, parameters);
    let bulk = world.open_channel(keys[0], labelled("bulk"));
    world.send_message(keys[0], bulk, b"short");
    world.send_message(keys[0], bulk, &[1; 65_537]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.clients[keys[1]].data().messages().len(), 2);
    assert_eq!(world.clients[short].data().messages().len(), 1);
    assert_eq!(closed_reasons(&world), ["message_too_large"]);
}

#[test]
fn messages_of_the_control_plane_have_a_channel_that_the_peer_opens() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 3);
    let id = world.open_channel(keys[0], labelled("sfukit"));
    world.run_for(ms(200));
    let now = world.now;
    let association = &mut world.clients[keys[0]].data_mut().association;
    association.send(now, id, true, b"{}").expect("sent");
    world.settle_data(keys[0]);
    let transports = keys.iter().map(|key| world.clients[*key].transport_id);
    let transports: Vec<u32> = transports.chain([999]).collect();
    let text = "to those that listen".to_owned();
    world.command(Request::SendMessages {
        room,
        transports,
        text,
    });
    world.run_for(ms(200));
    let got = [("own", &b"to those that listen"[..])];
    assert_eq!(world.clients[keys[0]].data().messages(), got);
    assert!(world.clients[keys[1]].data().events.is_empty());
    let now = world.now;
    let association = &mut world.clients[keys[0]].data_mut().association;
    association.close(now, id, rtc::sctp::CloseReason::Closed);
    world.settle_data(keys[0]);
    world.run_for(ms(500));
    let transport = world.clients[keys[0]].transport_id;
    let told = world.events.iter().filter_map(|event| match event {
        Event::DataMessages { transport, open } => Some((*transport, open.to_string())),
        Event::DataMessage { transport, text } => Some((*transport, text.clone())),
        _ => None,
    });
    let expected = ["true", "{}", "false"].map(|text| (transport, text.to_owned()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    // It is no label of the room.
    assert!(
        !world
            .events
            .iter()
            .any(|it| matches!(it, Event::DataWanted { .. }))
    );
}

#[test]
fn text_that_is_no_utf8_and_data_without_data_channels_are_refused() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 2);
    let without = world.connect(room);
    let chat = world.open_channel(keys[0], labelled("chat"));
    let now = world.now;
    let association = &mut world.clients[keys[0]].data_mut().association;
    association
        .send(now, chat, true, &[0xff, 0xfe])
        .expect("sent");
    world.settle_data(keys[0]);
    let client = &mut world.clients[without];
    let sent = client.transport.send_data(now, &[0; 100], &mut client.out);
    sent.expect("connected");
    world.run_for(ms(500));
    assert_eq!(world.clients[keys[1]].data().messages(), []);
    let counters = world.engine.counters();
    assert_eq!(counters.data_messages_refused, 1);
    assert_eq!(counters.data_packets_refused, 1);
}

#[test]
fn nothing_is_left_of_a_room_that_all_participants_left() {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_with_data(room, 3);
    let chat = world.open_channel(keys[0], labelled("chat"));
    world.send_message(keys[0], chat, b"hello");
    world.run_for(ms(500));
    assert_eq!(world.engine.counters().data_associations, 3);
    keys.iter().for_each(|key| world.leave(*key));
    world.run_for(Duration::from_secs(60));
    let counters = world.engine.counters();
    assert_eq!((counters.data_associations, counters.timers), (0, 0));
}
