//! Frames out of packets that arrive late, twice, out of order or never.

use swarm::assemble::{Assembled, Assembler, Part, Start};
use swarm::measure::LossMeter;
use wire::time::Time;

/// One stream: packets go in by number, the timestamps of complete and decodable frames come out.
#[derive(Default)]
struct Stream {
    loss: LossMeter,
    assembler: Assembler,
    complete: Vec<u32>,
    decodable: Vec<u32>,
    now_ms: u64,
}

impl Stream {
    fn push(&mut self, part: Part) {
        self.now_ms += 1;
        if self.loss.arrived(part.index, false) {
            self.assembler
                .push(Time::from_millis(self.now_ms), &part, &self.loss);
        }
        self.take();
    }

    fn padding(&mut self, index: u64) {
        self.now_ms += 1;
        self.loss.arrived(index, false);
        self.assembler
            .push_padding(Time::from_millis(self.now_ms), &self.loss);
        self.take();
    }

    fn take(&mut self) {
        while let Some(news) = self.assembler.poll() {
            match news {
                Assembled::Complete(frame) => self.complete.push(frame.timestamp),
                Assembled::Decodable(frame) => self.decodable.push(frame.timestamp),
            }
        }
    }
}

/// VP8: three packets a frame, a key frame every ten.
fn vp8(index: u64) -> Part {
    let frame = index / 3;
    Part {
        index,
        timestamp: frame as u32,
        len: 100,
        start: if index.is_multiple_of(3) {
            Start::Here
        } else {
            Start::Unknown
        },
        end: index % 3 == 2,
        keyframe: index.is_multiple_of(30),
        picture_id: Some(frame as u16 & 0x7fff),
        id: None,
    }
}

/// H.264: the same, but only the packet before tells where a frame begins.
fn h264(index: u64) -> Part {
    let start = if index.is_multiple_of(3) {
        Start::MaybeHere
    } else {
        Start::Unknown
    };
    Part {
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
            (stream.assembler.stuck_since(), stream.assembler.skipped()),
            (None, 0)
        );
    }
}

#[test]
fn a_late_packet_releases_what_waited_for_it_in_order() {
    for packet in [vp8, h264] {
        for lost in [3, 4, 5] {
            let mut stream = Stream::default();
            (0..15)
                .filter(|index| *index != lost)
                .for_each(|index| stream.push(packet(index)));
            assert_eq!(stream.decodable, [0], "lost {lost}");
            assert!(stream.assembler.stuck_since().is_some());
            stream.push(packet(lost));
            assert_eq!(stream.decodable, [0, 1, 2, 3, 4]);
            assert_eq!(stream.assembler.stuck_since(), None);
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
        // What comes too late changes nothing.
        stream.push(packet(7));
        assert_eq!(stream.decodable.len(), 7);
    }
}

#[test]
fn who_joins_between_key_frames_waits_for_one() {
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
    let shifted = |index: u64| Part {
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
fn picture_ids_that_follow_each_other_make_up_for_lost_padding() {
    let shifted = |index: u64| Part {
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
        stream.push(Part {
            keyframe: false,
            ..vp8(index)
        });
    }
    assert!(stream.decodable.is_empty());
    assert!(stream.assembler.skipped() > 800);
    assert_eq!(stream.assembler.stuck_since(), Some(Time::from_millis(5)));
}

#[test]
fn a_whole_frame_takes_nothing_more_under_its_timestamp() {
    let mut stream = Stream::default();
    let waits_for_a_key_frame = |index| Part {
        keyframe: false,
        ..vp8(index)
    };
    (3..6).for_each(|index| stream.push(waits_for_a_key_frame(index)));
    stream.push(Part {
        timestamp: 1,
        ..vp8(30)
    });
    assert_eq!(stream.complete, [1]);
    assert!(stream.decodable.is_empty());
}
