//! Forwarding: complete, in order, with the SSRC and payload type of the subscriber.

mod common;

use common::payload::read_vp8;
use common::*;

#[test]
fn packets_arrive_in_order_with_the_subscribers_ssrc_and_mid() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(3_000));
    world.cameras[camera].running = false;
    world.run_for(ms(200));

    let sent: Vec<_> = world.cameras[camera].sent.iter().collect();
    let received: Vec<_> = world.clients[subscriber].stream(sub.ssrc).collect();
    assert!(sent.len() > 100);
    assert_eq!(received.len(), sent.len());
    let ids = id_map(&DOWN_IDS);
    let shift = received[0]
        .header
        .timestamp
        .wrapping_sub(sent[0].packet.timestamp);
    for (nth, (arrived, sent)) in received.iter().zip(&sent).enumerate() {
        assert_eq!(arrived.payload(), sent.packet.payload);
        assert_eq!(arrived.index, received[0].index + nth as u64);
        assert_eq!(
            arrived.header.timestamp,
            sent.packet.timestamp.wrapping_add(shift)
        );
        assert_eq!(arrived.header.marker, sent.packet.marker);
        assert_eq!(arrived.header.payload_type.0, sub.payload_type);
        let values = arrived.values(&ids);
        assert_eq!(
            values.mid.map(|mid| mid.to_string()),
            Some(format!("s{:02}", sub.id))
        );
        assert_eq!(arrived.extension_ids(), received[0].extension_ids());
    }
    assert!(received[0].index < 1 << 15, "a first number below 2^15");
    assert!(read_vp8(received[0].payload()).keyframe);
}

#[test]
fn every_subscriber_receives_the_same() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscribers = world.connect_many(room, 8);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let subs: Vec<Sub> = subscribers
        .iter()
        .map(|subscriber| world.subscribe(*subscriber, camera))
        .collect();
    world.run_for(ms(2_000));
    let payloads = |sub: &Sub| -> Vec<Vec<u8>> {
        let stream = world.clients[sub.client].stream(sub.ssrc);
        stream.map(|arrived| arrived.payload().to_vec()).collect()
    };
    let first = payloads(&subs[0]);
    assert!(first.len() > 80);
    for sub in &subs[1..] {
        assert_eq!(payloads(sub), first);
    }
}

#[test]
fn rooms_are_isolated() {
    let mut world = World::default();
    let (one, other) = (world.open_room(), world.open_room());
    let publisher = world.connect(one);
    let outsider = world.connect(other);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let request = world.subscribe_request(outsider, camera, 99);
    let refused = world.try_command(Request::Subscribe(request));
    assert_eq!(refused.expect_err("another room").code, ErrorCode::NotFound);
    world.run_for(ms(500));
    assert!(world.clients[outsider].rtp.is_empty());
}

#[test]
fn each_srtp_profile_carries_media() {
    use sfu::message::SrtpChoice;
    for (choice, name) in [
        (SrtpChoice::Auto, "SRTP_AEAD_AES_128_GCM"),
        (SrtpChoice::Gcm128, "SRTP_AEAD_AES_128_GCM"),
        (SrtpChoice::Cm80, "SRTP_AES128_CM_HMAC_SHA1_80"),
    ] {
        let mut world = World::new(Config {
            srtp: choice,
            ..Config::default()
        });
        let room = world.open_room();
        let publisher = world.connect(room);
        let subscriber = world.connect(room);
        let camera = world.publish(publisher, Codec::Vp8, &[]);
        let sub = world.subscribe(subscriber, camera);
        world.run_for(ms(500));
        assert!(world.clients[subscriber].stream(sub.ssrc).count() > 20);
        let profile = |event: &Event| match event {
            Event::TransportState { srtp_profile, .. } => *srtp_profile,
            _ => None,
        };
        let profiles: Vec<_> = world.events.iter().filter_map(profile).collect();
        assert_eq!(profiles, [name, name]);
    }
}

#[test]
fn the_orientation_is_on_every_packet_once_received() {
    use wire::extension::Extension;
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| camera.running = false);
    let sub = world.subscribe(subscriber, camera);
    for (index, orientation) in [(1, None), (2, Some(3)), (3, None), (4, Some(0)), (5, None)] {
        let mut packet = plain_packet(&world.cameras[camera], index);
        packet.timestamp = index as u32 * 3_000;
        if let Some(value) = orientation {
            packet
                .extensions
                .push((Extension::VideoOrientation, vec![value]));
        }
        world.clients[publisher].send_rtp(&packet);
        world.run_for(ms(33));
    }
    let ids = id_map(&DOWN_IDS);
    let turned: Vec<u8> = world.clients[subscriber]
        .stream(sub.ssrc)
        .map(|it| it.values(&ids).video_orientation.expect("always there")[0])
        .collect();
    assert_eq!(turned, [0, 3, 3, 0, 0]);
}

#[test]
fn capture_times_are_on_every_packet_once_one_was_received() {
    use wire::extension::{AbsCaptureTime, Extension};
    use wire::time::NtpTime;
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| camera.running = false);
    let sub = world.subscribe(subscriber, camera);
    let at_second = |second: u64| AbsCaptureTime {
        captured: NtpTime(second << 32),
        clock_offset: Some(-7),
    };
    // Half a second apart; the publisher tells now and then.
    for (index, told) in [(1, None), (2, Some(at_second(50))), (3, None), (4, None)] {
        let mut packet = plain_packet(&world.cameras[camera], index);
        packet.timestamp = index as u32 * 45_000;
        if let Some(time) = told {
            let mut value = [0; 16];
            time.write(&mut value);
            packet
                .extensions
                .push((Extension::AbsCaptureTime, value.into()));
        }
        world.clients[publisher].send_rtp(&packet);
        world.run_for(ms(100));
    }
    let ids = id_map(&DOWN_IDS);
    let received: Vec<_> = world.clients[subscriber].stream(sub.ssrc).collect();
    let times: Vec<_> = received
        .iter()
        .map(|it| it.values(&ids).abs_capture_time)
        .collect();
    let between = AbsCaptureTime {
        captured: NtpTime(50 << 32 | 1 << 31),
        clock_offset: Some(-7),
    };
    let expected = [
        None,
        Some(at_second(50)),
        Some(between),
        Some(at_second(51)),
    ];
    assert_eq!(times, expected);
    let lens: Vec<usize> = received[1..]
        .iter()
        .map(|it| it.header.header_len)
        .collect();
    assert!(lens.iter().all(|len| *len == lens[0]), "{lens:?}");
}

#[test]
fn abs_send_time_follows_the_clock() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    let ids = id_map(&DOWN_IDS);
    let received: Vec<_> = world.clients[subscriber].stream(sub.ssrc).collect();
    for pair in received.windows(2) {
        let sent = |it: &Arrived| it.values(&ids).abs_send_time.expect("a time");
        // 6.18 seconds, modulo 64.
        let ticks = sent(pair[1]).wrapping_sub(sent(pair[0])) & 0x00ff_ffff;
        let elapsed = pair[1].at.since(pair[0].at).as_secs_f64();
        let apart = f64::from(ticks) / f64::from(1 << 18);
        assert!((apart - elapsed).abs() < 0.000_01, "{apart} s in {elapsed}");
    }
}

#[test]
fn audio_other_than_opus_is_forwarded_unchanged() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Pcmu, &[], |camera| {
        camera.encodings[0].packets = 1;
        camera.encodings[0].keyframe_packets = 1;
        camera.encodings[0].payload_len = 160;
        camera.interval = ms(20);
    });
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    let received = world.clients[subscriber].stream(sub.ssrc);
    let payloads: Vec<_> = received.map(|it| it.payload().to_vec()).collect();
    let sent = &world.cameras[camera].sent;
    assert!(sent.len() >= 50);
    assert!(
        payloads
            .iter()
            .eq(sent.iter().map(|sent| &sent.packet.payload))
    );
}

#[test]
fn an_unknown_codec_is_refused() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = common::camera::Camera::new(world.now, publisher, 77, Codec::Vp8, &[]);
    let transport = world.clients[publisher].transport_id;
    let mut request = camera.publish_request(transport, &UP_IDS);
    request.codec = "theora".into();
    let refused = world.try_command(Request::Publish(request.clone()));
    assert_eq!(
        refused.expect_err("unknown").code,
        ErrorCode::CodecUnsupported
    );
    request.codec = "vp8".into();
    request.encodings.clear();
    let refused = world.try_command(Request::Publish(request.clone()));
    assert_eq!(refused.expect_err("nothing").code, ErrorCode::Invalid);
    request.mid = "far too long for a media identification".into();
    let refused = world.try_command(Request::Publish(request));
    assert_eq!(refused.expect_err("too long").code, ErrorCode::Invalid);
    let counters = world.engine.counters();
    assert_eq!((counters.transports, counters.publications), (1, 0));
}
