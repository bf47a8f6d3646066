//! Layers of a stream, selected for a receiver: any descriptors, in any order.

use std::collections::HashMap;

use rtc::codec::{Codec, Described, FrameInfo};
use rtc::layers::Layer;
use rtc::layers::described::DescribedLayers;
use rtc::layers::filter::{Candidate, LayerFilter};

use crate::input::Input;

const CODECS: [Codec; 4] = [Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264];

/// Packets of one stream with and without descriptors; between them the wanted layer changes.
pub fn layers(data: &[u8]) {
    let mut input = Input::new(data);
    let codec = input.pick(&CODECS);
    let mut layers = DescribedLayers::default();
    let mut filter = LayerFilter::new(codec, any_layer(&mut input));
    // Of the last frames: a number that comes again much later is another frame.
    let mut sent: HashMap<u16, (bool, u32)> = HashMap::new();
    for packet in 0.. {
        if input.is_empty() {
            return;
        }
        if input.below(4) == 0 {
            filter.set_wanted(any_layer(&mut input));
        }
        let timestamp = u32::from(input.u8()) * 3_000;
        let mut described = Described {
            info: any_frame(&mut input),
            ..Described::default()
        };
        let frame = layers.read(input.run()).ok();
        if let Some(frame) = &frame {
            frame.describe(&mut described);
        }
        let candidate = Candidate {
            described: &described,
            timestamp,
            number: frame.as_ref().map(|frame| frame.number),
        };
        let verdict = filter.select(&candidate, Some(&layers));
        let targets = layers.targets();
        if let Some(active) = filter.active_targets() {
            assert!(active.count >= 1 && active.count <= 32);
        }
        let Some(frame) = frame else { continue };
        assert!(targets.count >= 1 && targets.best(Layer::ALL).is_none_or(|it| it < targets.count));
        let Some(known) = layers.frame(frame.number) else {
            continue;
        };
        let again = filter.select(&candidate, Some(&layers));
        assert_eq!(again.is_sent, verdict.is_sent, "frames are sent whole");
        if let Some((earlier, _)) = sent.get(&frame.number).filter(|(_, at)| packet - at < 2) {
            assert!(known.is_key || *earlier == verdict.is_sent);
        }
        sent.insert(frame.number, (verdict.is_sent, packet));
    }
}

fn any_layer(input: &mut Input<'_>) -> Layer {
    match input.below(4) {
        0 => Layer::ALL,
        _ => Layer {
            spatial: input.u8() % 5,
            temporal: input.u8() % 9,
        },
    }
}

fn any_frame(input: &mut Input<'_>) -> FrameInfo {
    let (bits, layer) = (input.u8(), input.u8());
    FrameInfo {
        start: bits & 1 != 0,
        end: bits & 2 != 0,
        keyframe: bits & 4 != 0,
        switch_point: bits & 8 != 0,
        discardable: false,
        spatial: layer & 3,
        temporal: layer >> 2 & 7,
    }
}
