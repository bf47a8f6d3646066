//! Frame assembly from packets that are late, duplicated, reordered or lost.

use swarm::assemble::{Assembled, Assembler, FrameStart, PacketInfo};
use swarm::measure::LossMeter;
use wire::time::Time;

/// One stream: packets in, timestamps of complete and decodable frames out.
#[derive(Default)]
struct Stream {
    loss: LossMeter,
    assembler: Assembler,
    complete: Vec<u32>,
    decodable: Vec<u32>,
    now_ms: u64,
}

impl Stream {
    fn push(&mut self, part: PacketInfo) {
        self.now_ms += 1;
        if self.loss.record(part.index, false) {
            self.assembler
                .push(Time::from_millis(self.now_ms), &part, &self.loss);
        }
        self.take();
    }

    fn padding(&mut self, index: u64) {
        self.now_ms += 1;
        self.loss.record(index, false);
        self.assembler
            .push_padding(Time::from_millis(self.now_ms), &self.loss);
        self.take();
    }

    fn take(&mut self) {
        while let Some(event) = self.assembler.poll() {
            match event {
                Assembled::Complete(frame) => self.complete.push(frame.timestamp),
                Assembled::Decodable(frame) => self.decodable.push(frame.timestamp),
            }
        }
    }
}

/// VP8: three packets a frame, a key frame every ten.
fn vp8(index: u64) -> PacketInfo {
    let frame = index / 3;
    PacketInfo {
        index,
        timestamp: frame as u32,
        len: 100,
        start: if index.is_multiple_of(3) {
            FrameStart::Certain
        } else {
            FrameStart::Unknown
        },
        end: index % 3 == 2,
        keyframe: index.is_multiple_of(30),
        picture_id: Some(frame as u16 & 0x7fff),
        id: None,
        captured: None,
    }
}

/// H.264: the same, but only the packet before shows where a frame starts.
fn h264(index: u64) -> PacketInfo {
    let start = if index.is_multiple_of(3) {
        FrameStart::Possible
    } else {
        FrameStart::Unknown
    };
    PacketInfo {
        start,
        picture_id: None,
        ..vp8(index)
    }
}

#[test]
fn packets_in_order_make_every_frame_decodable() {
    for packet in [vp8, h264] {
        let mut stream = Stream::default();
        (0..60).for_each(|index| stream.push(packet(index)));
        assert_eq!(stream.decodable, (0..20).collect::<Vec<_>>());
        assert_eq!(stream.complete, stream.decodable);
        assert_eq!(
            (
                stream.assembler.undecodable_since(),
                stream.assembler.skipped()
            ),
            (None, 0)
        );
    }
}

#[test]
fn a_late_packet_makes_later_frames_decodable_in_order() {
    for packet in [vp8, h264] {
        for lost in [3, 4, 5] {
            let mut stream = Stream::default();
            (0..15)
                .filter(|index| *index != lost)
                .for_each(|index| stream.push(packet(index)));
            assert_eq!(stream.decodable, [0], "lost {lost}");
            assert!(stream.assembler.undecodable_since().is_some());
            stream.push(packet(lost));
            assert_eq!(stream.decodable, [0, 1, 2, 3, 4]);
            assert_eq!(stream.assembler.undecodable_since(), None);
        }
    }
}

#[test]
fn after_a_loss_only_a_key_frame_goes_on() {
    for packet in [vp8, h264] {
        let mut stream = Stream::default();
        (0..45)
            .filter(|index| *index != 7)
            .for_each(|index| stream.push(packet(index)));
        assert_eq!(stream.decodable, [0, 1, 10, 11, 12, 13, 14]);
        assert_eq!(stream.assembler.skipped(), 8);
        assert!(stream.complete.len() >= 13);
        // A packet of a skipped frame has no effect.
        stream.push(packet(7));
        assert_eq!(stream.decodable.len(), 7);
    }
}

#[test]
fn a_stream_joined_between_key_frames_starts_at_the_next_one() {
    for packet in [vp8, h264] {
        let mut stream = Stream::default();
        (16..36).for_each(|index| stream.push(packet(index)));
        assert_eq!(stream.decodable, [10, 11]);
        assert!(stream.complete.contains(&6));
    }
}

#[test]
fn order_of_arrival_does_not_matter() {
    for packet in [vp8, h264] {
        let mut stream = Stream::default();
        stream.push(packet(0));
        for pair in 0..29 {
            stream.push(packet(2 * pair + 2));
            stream.push(packet(2 * pair + 1));
        }
        assert_eq!(stream.decodable, (0..19).collect::<Vec<_>>());
    }
}

#[test]
fn padding_between_frames_breaks_nothing_once_it_is_there() {
    let shifted = |index: u64| PacketInfo {
        index: if index < 6 { index } else { index + 2 },
        ..h264(index)
    };
    let mut stream = Stream::default();
    (0..12).for_each(|index| stream.push(shifted(index)));
    assert_eq!(stream.decodable, [0, 1]);
    stream.padding(6);
    stream.padding(7);
    assert_eq!(stream.decodable, [0, 1, 2, 3]);
}

#[test]
fn lost_padding_is_no_gap_after_consecutive_picture_ids() {
    let shifted = |index: u64| PacketInfo {
        index: if index < 6 { index } else { index + 2 },
        ..vp8(index)
    };
    let mut stream = Stream::default();
    (0..12).for_each(|index| stream.push(shifted(index)));
    assert_eq!(stream.decodable, [0, 1, 2, 3]);
}

#[test]
fn a_stream_that_never_gets_a_key_frame_stays_bounded() {
    let mut stream = Stream::default();
    for index in 1..3_000 {
        stream.push(PacketInfo {
            keyframe: false,
            ..vp8(index)
        });
    }
    assert!(stream.decodable.is_empty());
    assert!(stream.assembler.skipped() > 800);
    assert_eq!(
        stream.assembler.undecodable_since(),
        Some(Time::from_millis(5))
    );
}

#[test]
fn a_complete_frame_ignores_further_packets_of_its_timestamp() {
    let mut stream = Stream::default();
    let waits_for_a_key_frame = |index| PacketInfo {
        keyframe: false,
        ..vp8(index)
    };
    (3..6).for_each(|index| stream.push(waits_for_a_key_frame(index)));
    stream.push(PacketInfo {
        timestamp: 1,
        ..vp8(30)
    });
    assert_eq!(stream.complete, [1]);
    assert!(stream.decodable.is_empty());
}
