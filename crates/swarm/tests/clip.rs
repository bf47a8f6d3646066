//! The packaged clips and short ones of VP9 and AV1, packetized and depacketized.

use rtc::codec::{Codec, describe};
use std::path::Path;
use swarm::clip::{Clip, ClipError, FrameFields, MAX_PAYLOAD_BYTES};
use swarm::frame_id::{self, FrameId};
use swarm::{nal, obu};

const FIELDS: FrameFields = FrameFields {
    picture_id: 0x7abc,
    id: FrameId {
        source: 9,
        encoding: 2,
        frame: 0,
        tick: 256,
    },
    in_band: true,
};

fn file(name: &str) -> Vec<u8> {
    let clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sfukit/media/clips");
    std::fs::read(clips.join(name)).unwrap()
}

/// A clip of two seconds with a key frame each.
fn fixture(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(fixtures.join(name)).unwrap()
}

fn encoded_frames(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((len, behind)) = rest.split_first_chunk::<4>() {
        let (frame, behind) = behind[8..].split_at(u32::from_le_bytes(*len) as usize);
        frames.push(frame);
        rest = behind;
    }
    frames
}

fn payloads(clip: &Clip, frame: usize) -> Vec<Vec<u8>> {
    payloads_with(clip, frame, &FIELDS)
}

fn payloads_with(clip: &Clip, frame: usize, fields: &FrameFields) -> Vec<Vec<u8>> {
    let mut out = [0; MAX_PAYLOAD_BYTES];
    let packets = clip.frames()[frame].packets.clone();
    let write = |packet| {
        let len = clip.write(packet, fields, &mut out);
        out[..len].to_vec()
    };
    packets.map(write).collect()
}

/// The payloads of a frame that is sent without its frame id.
fn payloads_without_id(clip: &Clip, frame: usize) -> Vec<Vec<u8>> {
    let fields = FrameFields {
        in_band: false,
        ..FIELDS
    };
    let packets = clip.frames()[frame].packets.clone();
    let payloads = payloads_with(clip, frame, &fields).into_iter().zip(packets);
    payloads
        .filter(|(_, packet)| !clip.is_frame_id(*packet))
        .map(|(payload, _)| payload)
        .collect()
}

/// Depacketize H.264 payloads to NAL units (RFC 6184).
fn depacketise_h264(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    for payload in payloads {
        match (payload[0] & nal::TYPE_MASK, payload[1]) {
            (nal::FU_A, fragment) if fragment & 0x80 != 0 => {
                let header = payload[0] & 0xe0 | fragment & nal::TYPE_MASK;
                units.push([&[header], &payload[2..]].concat());
            }
            (nal::FU_A, _) => units.last_mut().unwrap().extend_from_slice(&payload[2..]),
            _ => units.extend(nal::units(payload).map(<[u8]>::to_vec)),
        }
    }
    units
}

#[test]
fn vp8_payloads_make_the_frame_again_with_the_id_behind_it() {
    for name in ["vp8-180p15.ivf", "vp8-360p30.ivf", "vp8-720p30.ivf"] {
        let file = file(name);
        let clip = Clip::parse(&file).unwrap();
        for (nth, frame) in encoded_frames(&file).into_iter().enumerate() {
            let payloads = payloads(&clip, nth);
            let joined = payloads.iter().flat_map(|payload| &payload[4..]).copied();
            let (bytes, id): (Vec<u8>, _) = (joined.collect(), FIELDS.id.to_bytes());
            assert_eq!(bytes, [frame, &id].concat());
            assert!(payloads.iter().all(|payload| payload[2..4] == [0xfa, 0xbc]));
            assert_eq!(payloads[0][0], 0x90);
            assert!(payloads[1..].iter().all(|payload| payload[0] == 0x80));
            assert_eq!(FrameId::from_vp8(payloads.last().unwrap()), Some(FIELDS.id));
        }
    }
}

#[test]
fn h264_payloads_make_the_access_unit_again_with_the_id_before_its_slices() {
    for name in ["h264-180p15.ivf", "h264-360p30.ivf", "h264-720p30.ivf"] {
        let file = file(name);
        let clip = Clip::parse(&file).unwrap();
        for (nth, frame) in encoded_frames(&file).into_iter().enumerate() {
            let payloads = payloads(&clip, nth);
            let kind = |unit: &[u8]| unit[0] & nal::TYPE_MASK;
            let (ids, units): (Vec<_>, Vec<_>) = depacketise_h264(&payloads)
                .into_iter()
                .partition(|unit| kind(unit) == nal::SEI);
            let wanted = nal::split_annex_b(frame)
                .filter(|unit| !matches!(kind(unit), nal::SEI | nal::DELIMITER));
            assert!(
                units.iter().map(Vec::as_slice).eq(wanted),
                "{name} frame {nth}"
            );
            assert_eq!(ids.len(), 1);
            assert_eq!(
                payloads.iter().find_map(|p| FrameId::from_h264(p)),
                Some(FIELDS.id)
            );
            let starts_with_sets = kind(&units[0]) == nal::SPS;
            assert_eq!(clip.frames()[nth].keyframe, starts_with_sets);
        }
    }
}

#[test]
fn vp9_payloads_make_the_frame_again() {
    let file = fixture("vp9-180p15.ivf");
    let clip = Clip::parse(&file).unwrap();
    for (nth, frame) in encoded_frames(&file).into_iter().enumerate() {
        let payloads = payloads(&clip, nth);
        let keyframe = nth % 15 == 0;
        assert_eq!(clip.frames()[nth].keyframe, keyframe);
        let mut joined = Vec::new();
        for (place, payload) in payloads.iter().enumerate() {
            let marker = place + 1 == payloads.len();
            let described = describe(Codec::Vp9, payload, marker);
            assert_eq!(described.info.start, place == 0);
            assert_eq!(described.info.end, marker);
            assert_eq!(described.info.keyframe, keyframe);
            assert_eq!(described.picture_ids.id, FIELDS.picture_id);
            joined.extend_from_slice(&payload[if keyframe { 3 } else { 4 }..]);
        }
        assert_eq!(joined, frame);
    }
}

/// Join the OBUs of AV1 payloads.
fn depacketise_av1(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut obus: Vec<Vec<u8>> = Vec::new();
    let mut continued = false;
    for payload in payloads {
        assert_eq!(payload[0] & obu::CONTINUES != 0, continued);
        for element in obu::elements(payload) {
            if std::mem::take(&mut continued) {
                obus.last_mut().unwrap().extend_from_slice(element);
            } else {
                obus.push(element.to_vec());
            }
        }
        continued = payload[0] & obu::CONTINUED != 0;
    }
    assert!(!continued);
    obus
}

#[test]
fn av1_payloads_make_the_temporal_unit_again_with_the_id_before_its_frame() {
    let file = fixture("av1-180p15.ivf");
    let clip = Clip::parse(&file).unwrap();
    for (nth, unit) in encoded_frames(&file).into_iter().enumerate() {
        let payloads = payloads(&clip, nth);
        let (ids, obus): (Vec<_>, Vec<_>) = depacketise_av1(&payloads)
            .into_iter()
            .partition(|obu| obu[0] >> obu::TYPE_SHIFT == obu::METADATA);
        let sent = obu::split(unit).unwrap();
        let sent = sent
            .iter()
            .filter(|obu| obu.kind != obu::TEMPORAL_DELIMITER);
        assert!(obus.into_iter().eq(sent.map(obu::Obu::without_size)));
        assert_eq!(ids, [FIELDS.id.to_obu()]);
        assert_eq!(FrameId::from_av1(&payloads[0]), Some(FIELDS.id));
        let described = describe(Codec::Av1, &payloads[0], false);
        assert!(described.info.start);
        assert_eq!(described.info.keyframe, nth % 15 == 0);
        assert_eq!(clip.frames()[nth].keyframe, nth % 15 == 0);
    }
}

#[test]
fn payloads_without_a_frame_id_make_the_frame_alone() {
    let (vp8, h264) = (file("vp8-720p30.ivf"), file("h264-720p30.ivf"));
    let clip = Clip::parse(&vp8).unwrap();
    for (nth, frame) in encoded_frames(&vp8).into_iter().enumerate() {
        let payloads = payloads_without_id(&clip, nth);
        let joined: Vec<u8> = payloads.iter().flat_map(|p| p[4..].to_vec()).collect();
        assert_eq!(joined, frame);
    }
    let clip = Clip::parse(&h264).unwrap();
    for (nth, frame) in encoded_frames(&h264).into_iter().enumerate() {
        let payloads = payloads_without_id(&clip, nth);
        assert!(payloads.iter().all(|payload| payload.len() > 1), "{nth}");
        let wanted = nal::split_annex_b(frame)
            .filter(|unit| !matches!(unit[0] & nal::TYPE_MASK, nal::SEI | nal::DELIMITER));
        let units = depacketise_h264(&payloads);
        assert!(units.iter().map(Vec::as_slice).eq(wanted), "{nth}");
    }
    let av1 = fixture("av1-180p15.ivf");
    let clip = Clip::parse(&av1).unwrap();
    for (nth, unit) in encoded_frames(&av1).into_iter().enumerate() {
        let payloads = payloads_without_id(&clip, nth);
        let sent = obu::split(unit).unwrap();
        let sent = sent
            .iter()
            .filter(|obu| obu.kind != obu::TEMPORAL_DELIMITER);
        let obus = depacketise_av1(&payloads).into_iter();
        assert!(obus.eq(sent.map(obu::Obu::without_size)), "{nth}");
    }
}

#[test]
fn damaged_frames_of_vp9_and_av1_are_refused() {
    for name in ["vp9-180p15.ivf", "av1-180p15.ivf"] {
        let mut file = fixture(name);
        file[32 + 12] = 0xff; // the first byte of the first frame
        let error = Clip::parse(&file).unwrap_err();
        assert!(
            matches!(error, ClipError::Malformed | ClipError::NoStart),
            "{error}"
        );
    }
}

#[test]
fn no_payload_is_longer_than_a_datagram_takes_and_the_even_split_is_even() {
    let shipped = ["vp8-720p30.ivf", "h264-720p30.ivf", "opus.ivf"].map(|name| (name, file(name)));
    let short = ["vp9-180p15.ivf", "av1-180p15.ivf"].map(|name| (name, fixture(name)));
    for (name, bytes) in shipped.into_iter().chain(short) {
        let clip = Clip::parse(&bytes).unwrap();
        for nth in 0..clip.frames().len() {
            let lens: Vec<usize> = payloads(&clip, nth).iter().map(Vec::len).collect();
            assert!(lens.iter().all(|len| (1..=MAX_PAYLOAD_BYTES).contains(len)));
            if name.starts_with("vp8") {
                assert!(lens.iter().max().unwrap() - lens.iter().min().unwrap() <= 1);
            }
        }
    }
}

#[test]
fn a_key_frame_is_never_far_and_the_loop_is_as_long_as_the_file() {
    let clip = Clip::parse(&file("vp8-720p30.ivf")).unwrap();
    assert_eq!(clip.loop_ticks(), 4 * 90_000);
    assert_eq!(
        (
            clip.next_keyframe(0),
            clip.next_keyframe(1),
            clip.next_keyframe(91)
        ),
        (0, 30, 0)
    );
    let bitrate = clip.bitrate_bps();
    assert!((1_500_000..1_800_000).contains(&bitrate), "{bitrate}");
}

#[test]
fn dtx_in_an_opus_clip_stays_a_gap() {
    let clip = Clip::parse(&file("opus.ivf")).unwrap();
    let gaps = clip
        .frames()
        .windows(2)
        .map(|pair| pair[1].at_ticks - pair[0].at_ticks);
    let (shortest, longest) = (gaps.clone().min(), gaps.max());
    assert_eq!(shortest, Some(960));
    assert!(longest > Some(960));
}

#[test]
fn invalid_clips_are_refused() {
    let good = file("opus.ivf");
    let refused = |bytes: &[u8]| Clip::parse(bytes).unwrap_err();
    assert_eq!(refused(b"RIFF"), ClipError::NotIvf);
    assert_eq!(refused(&good[..good.len() - 1]), ClipError::Malformed);
    assert_eq!(refused(&good[..32]), ClipError::NoStart);
    let mut unknown = good.clone();
    unknown[8..12].copy_from_slice(b"H265");
    assert_eq!(refused(&unknown), ClipError::UnknownCodec);
    let begins_late = [
        &file("vp8-180p15.ivf")[..32],
        &file("vp8-180p15.ivf")[32 + 12 + 5_008..],
    ];
    assert_eq!(refused(&begins_late.concat()), ClipError::NoStart);
    for cut in 0..200 {
        let _ = Clip::parse(&good[..cut]);
    }
    assert_eq!(frame_id::LEN, 16);
}

/// An IVF file of which a unit of time lasts `scale / rate` seconds.
fn ivf(codec: &[u8; 4], rate: u32, scale: u32, frames: &[(u64, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; 32];
    file[..4].copy_from_slice(b"DKIF");
    file[6] = 32;
    file[8..12].copy_from_slice(codec);
    file[16..20].copy_from_slice(&rate.to_le_bytes());
    file[20..24].copy_from_slice(&scale.to_le_bytes());
    for (at, bytes) in frames {
        file.extend((bytes.len() as u32).to_le_bytes());
        file.extend(at.to_le_bytes());
        file.extend(*bytes);
    }
    file
}

#[test]
fn a_loop_takes_time_and_no_more_than_the_rtp_clock_counts() {
    let parsed = |rate, scale, second_at| {
        let file = ivf(b"OPUS", rate, scale, &[(0, b"ab"), (second_at, b"cd")]);
        Clip::parse(&file).map(|clip| clip.loop_ticks())
    };
    assert_eq!(parsed(50, 1, 1), Ok(1_920));
    assert_eq!(parsed(96_000, 1, 1), Err(ClipError::Malformed));
    assert_eq!(parsed(1, 1, 40_000), Ok(2 * 40_000 * 48_000));
    assert_eq!(parsed(1, 1, 80_000), Err(ClipError::Malformed));
    assert_eq!(parsed(1, u32::MAX, u64::MAX), Err(ClipError::Malformed));
}

#[test]
fn units_that_are_never_split_fit_a_packet() {
    let longest = [b'x'; MAX_PAYLOAD_BYTES + 1];
    let opus = |len| ivf(b"OPUS", 50, 1, &[(0, &longest[..len])]);
    assert!(Clip::parse(&opus(MAX_PAYLOAD_BYTES)).is_ok());
    let refused = Clip::parse(&opus(MAX_PAYLOAD_BYTES + 1));
    assert_eq!(refused.unwrap_err(), ClipError::Malformed);
    let sets = [
        &[0, 0, 1, 0x67][..],
        &longest[..1_100],
        &[0, 0, 1, 0x65, 0x88],
    ]
    .concat();
    let refused = Clip::parse(&ivf(b"H264", 30, 1, &[(0, &sets)]));
    assert_eq!(refused.unwrap_err(), ClipError::Malformed);
}
