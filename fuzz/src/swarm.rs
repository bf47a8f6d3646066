//! Clips from any file, and networks of any shape.

use core::ops::Range;
use core::time::Duration;

use swarm::assemble::{Assembled, Assembler, FrameStart, PacketInfo};
use swarm::clip::{Clip, FrameFields, MAX_PAYLOAD_BYTES};
use swarm::frame_id::FrameId;
use swarm::impair::{GilbertElliott, Link, Network};
use swarm::measure::LossMeter;
use swarm::random::Random;
use wire::time::Time;

use crate::input::Input;

const FIELDS: FrameFields = FrameFields {
    picture_id: 0x7abc,
    id: FrameId {
        source: 9,
        encoding: 2,
        frame: 1,
        tick: 256,
    },
    in_band: true,
};

/// A file is no clip, or every packet of it can be written and every frame has packets.
pub fn clip(file: &[u8]) {
    if let Ok(clip) = Clip::parse(file) {
        let (frames, mut out) = (clip.frames(), [0; MAX_PAYLOAD_BYTES]);
        assert!(frames.is_sorted_by_key(|frame| frame.at_ticks));
        assert!(
            frames
                .iter()
                .all(|frame| frame.at_ticks < clip.loop_ticks())
        );
        assert!(frames[clip.next_keyframe(frames.len() - 1)].keyframe);
        for Range { start, end } in frames.iter().map(|frame| frame.packets.clone()) {
            for packet in start..end {
                assert!(clip.write(packet, &FIELDS, &mut out) <= MAX_PAYLOAD_BYTES);
            }
        }
        let _ = (clip.bitrate_bps(), clip.packets_per_s());
    }
    let _ = (FrameId::from_vp8(file), FrameId::from_h264(file));
    let _ = FrameId::from_av1(file);
}

/// Datagrams through a link of any shape: each comes out in time, or is counted as lost.
pub fn impairment(data: &[u8]) {
    let mut input = Input::new(data);
    let (network, seed) = (any_network(&mut input), input.u64());
    let mut link = Link::new(network, Random::new(seed, &[]));
    let (mut now, mut pushed, mut arrived) = (Time::from_secs(1), 0, 0u64);
    while !input.is_empty() {
        match input.below(4) {
            0..=2 => {
                link.push(now, usize::from(input.u16()), pushed);
                pushed += 1;
            }
            _ => {
                now = now + input.span();
                while let Some(datagram) = link.pop(now) {
                    assert!(datagram < pushed);
                    arrived += 1;
                }
                assert!(link.poll_timeout().is_none_or(|due| due > now));
            }
        }
    }
    while link.pop(Time::FAR).is_some() {
        arrived += 1;
    }
    let counters = link.counters();
    let through = counters.datagrams - counters.queue_drops - counters.losses;
    assert_eq!(counters.datagrams, pushed);
    assert!(
        (through..=2 * through).contains(&arrived),
        "{arrived} of {through}"
    );
}

fn any_network(input: &mut Input<'_>) -> Network {
    Network {
        rate_bps: Some(u64::from(input.u32())).filter(|rate| rate % 4 > 0),
        queue_ms: any_number(input),
        bottleneck: None,
        delay_ms: any_number(input),
        jitter_ms: any_number(input),
        loss: any_number(input),
        bursts: input.flag().then(|| GilbertElliott {
            p: any_number(input),
            r: any_number(input),
            h: any_number(input),
            k: any_number(input),
        }),
        reorder: any_number(input),
        duplicate: any_number(input),
        trace: input.flag(),
    }
}

/// Mostly a ratio; at times a number that JSON cannot represent, or an absurd one.
fn any_number(input: &mut Input<'_>) -> f64 {
    match input.u8() {
        255 => f64::from_bits(input.u64()),
        254 => f64::from(input.u16()),
        byte => f64::from(byte) / 253.0,
    }
}

/// Parts of frames in any order, with forged ones: a frame reported complete has all its packets.
pub fn assembly(data: &[u8]) {
    let mut input = Input::new(data);
    let (mut assembler, mut loss) = (Assembler::default(), LossMeter::default());
    let (mut now, mut center) = (Time::ZERO, u64::from(input.u16()));
    let mut decoded = None;
    while !input.is_empty() {
        now = now + Duration::from_millis(5);
        let index = input.near(center, 1 << 48);
        center = center.max(index);
        let is_padding = input.below(16) == 0;
        if !loss.record(index, input.flag()) {
            continue;
        }
        match is_padding {
            true => assembler.push_padding(now, &loss),
            false => assembler.push(now, &any_packet(&mut input, index), &loss),
        }
        while let Some(event) = assembler.poll() {
            let (Assembled::Complete(frame) | Assembled::Decodable(frame)) = event;
            assert!(frame.first <= frame.last);
            if let Assembled::Decodable(frame) = event {
                assert!(decoded < Some(frame.last), "a frame again");
                decoded = Some(frame.last);
            }
        }
    }
}

fn any_packet(input: &mut Input<'_>, index: u64) -> PacketInfo {
    let flags = input.u8();
    PacketInfo {
        index,
        // Frames of a few packets each, unless the script says otherwise.
        timestamp: ((index >> 2) as u32).wrapping_add(u32::from(flags >> 6)),
        len: usize::from(input.u8()),
        start: [
            FrameStart::Certain,
            FrameStart::Possible,
            FrameStart::Unknown,
        ][usize::from(flags) % 3],
        end: flags & 4 != 0,
        keyframe: flags & 8 != 0,
        picture_id: (flags & 16 != 0).then_some((index >> 2) as u16 & 0x7fff),
        id: None,
        captured: None,
    }
}
