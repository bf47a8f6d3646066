//! Streams that lie about their layers, and publishers that change them in mid-call.

use rtc::codec::{Codec, Described};
use rtc::layers::Layer;
use rtc::layers::described::{DescribedLayers, MAX_FRAMES};
use rtc::layers::filter::{Candidate, LayerFilter};
use wire::dependency::{Descriptor, Differences, Indication, Indications, Structure, Template};

const ALL: Layer = Layer::ALL;

/// A publisher of temporal layers in one spatial layer: each frame refers to the last base frame.
struct Publisher {
    layers: DescribedLayers,
    structure: Structure,
    number: u16,
    base: u16,
}

fn temporal_layers(count: u8, id_offset: u8) -> Structure {
    let templates = (0..=count).map(|nth| {
        let temporal = nth.saturating_sub(1);
        let targets = (temporal..count).fold(Indications::default(), |all, target| {
            all.with(target.into(), Indication::Switch)
        });
        let mut template = Template {
            temporal,
            indications: targets,
            ..Template::default()
        };
        if nth > 0 {
            template.differences = [1].into_iter().collect();
            template.chains[0] = 1;
        }
        template
    });
    Structure {
        id_offset,
        targets: count,
        chains: 1,
        protected_by: [0; 32],
        templates: templates.collect(),
        resolutions: None,
    }
}

impl Publisher {
    fn new(count: u8) -> Self {
        Self {
            layers: DescribedLayers::default(),
            structure: temporal_layers(count, 0),
            number: 0,
            base: 0,
        }
    }

    /// Send a frame of a temporal layer; return whether it is passed on.
    fn send(&mut self, filter: &mut LayerFilter, temporal: u8, with_structure: bool) -> bool {
        let is_key = with_structure && temporal == 0;
        let template = if is_key { 0 } else { temporal + 1 };
        let mut descriptor = Descriptor::of(self.structure.id_offset + template, self.number);
        descriptor.start = true;
        descriptor.end = true;
        descriptor.structure = with_structure.then(|| Box::new(self.structure.clone()));
        let back = self.number.wrapping_sub(self.base);
        if !is_key && back > 0 {
            let back: Differences = [back].into_iter().collect();
            descriptor.differences = Some(back);
            let mut chains = [0; 32];
            chains[0] = u8::try_from(self.number.wrapping_sub(self.base)).unwrap_or(255);
            descriptor.chains = Some(chains);
        }
        if temporal == 0 {
            self.base = self.number;
        }
        let mut bytes = [0; 255];
        let len = descriptor.write(Some(&self.structure), &mut bytes).unwrap();
        self.number = self.number.wrapping_add(1);
        self.pass(filter, &bytes[..len])
    }

    fn pass(&mut self, filter: &mut LayerFilter, bytes: &[u8]) -> bool {
        let mut described = Described::default();
        let frame = self.layers.read(bytes);
        if let Ok(frame) = &frame {
            frame.describe(&mut described);
        }
        let candidate = Candidate {
            described: &described,
            timestamp: u32::from(self.number) * 3_000,
            number: Some(u16::from_be_bytes([bytes[1], bytes[2]])),
        };
        filter.select(&candidate, Some(&self.layers)).is_sent
    }
}

fn layer(temporal: u8) -> Layer {
    Layer {
        spatial: 0,
        temporal,
    }
}

#[test]
fn a_publisher_may_change_its_layers_in_mid_call() {
    let mut publisher = Publisher::new(3);
    let mut filter = LayerFilter::new(Codec::Av1, layer(0));
    assert!(publisher.send(&mut filter, 0, true));
    for (temporal, is_sent) in [(2, false), (1, false), (0, true)] {
        assert_eq!(publisher.send(&mut filter, temporal, false), is_sent);
    }
    publisher.structure = temporal_layers(1, 20);
    assert!(publisher.send(&mut filter, 0, true));
    assert!(publisher.send(&mut filter, 0, false));
    publisher.structure = temporal_layers(2, 40);
    assert!(publisher.send(&mut filter, 0, true));
    assert!(!publisher.send(&mut filter, 1, false));
    filter.set_wanted(ALL);
    assert!(
        publisher.send(&mut filter, 1, false),
        "a frame that refers to the base alone"
    );
    assert!(publisher.send(&mut filter, 0, false));
    assert!(publisher.send(&mut filter, 1, false));
}

#[test]
fn a_structure_without_a_keyframe_keeps_the_layer_that_is_sent() {
    let mut publisher = Publisher::new(2);
    let mut filter = LayerFilter::new(Codec::Vp9, layer(0));
    assert!(publisher.send(&mut filter, 0, true));
    publisher.structure = temporal_layers(3, 10);
    assert!(!publisher.send(&mut filter, 2, true));
    assert!(publisher.send(&mut filter, 0, false));
    assert!(!publisher.send(&mut filter, 1, false));
    assert_eq!(filter.current(), layer(0));
}

#[test]
fn templates_that_were_not_received_change_nothing() {
    let mut publisher = Publisher::new(2);
    let mut filter = LayerFilter::new(Codec::Av1, layer(0));
    assert!(publisher.send(&mut filter, 0, true));
    for template in 3..64 {
        publisher.pass(&mut filter, &[0xc0 | template, 0, 1]);
        publisher.pass(&mut filter, &[0xc0 | template, 0xff, 0xff, 0x80]);
    }
    assert!(!publisher.send(&mut filter, 1, false));
    assert!(publisher.send(&mut filter, 0, false));
}

#[test]
fn layers_out_of_range_are_the_nearest_that_there_are() {
    for (wanted, is_sent) in [(layer(255), true), (layer(7), true), (ALL, true)] {
        let mut publisher = Publisher::new(2);
        let mut filter = LayerFilter::new(Codec::Av1, wanted);
        publisher.send(&mut filter, 0, true);
        assert_eq!(publisher.send(&mut filter, 1, false), is_sent);
    }
}

#[test]
fn without_an_active_decode_target_nothing_changes() {
    let mut publisher = Publisher::new(2);
    let mut filter = LayerFilter::new(Codec::Av1, ALL);
    publisher.send(&mut filter, 0, true);
    let mut none = Descriptor::of(1, publisher.number);
    none.active_targets = Some(0);
    let mut bytes = [0; 16];
    let len = none.write(Some(&publisher.structure), &mut bytes).unwrap();
    publisher.number += 1;
    assert!(publisher.pass(&mut filter, &bytes[..len]));
    assert!(publisher.send(&mut filter, 1, false));
}

#[test]
fn frame_numbers_may_jump_and_wrap() {
    let mut publisher = Publisher::new(2);
    let mut filter = LayerFilter::new(Codec::Av1, layer(0));
    for number in [0, 1, 40_000, 39_000, 65_535, 0, 7] {
        publisher.number = number;
        assert!(
            publisher.send(&mut filter, 0, true),
            "a keyframe with number {number}"
        );
        for _ in 0..2 * MAX_FRAMES {
            assert!(!publisher.send(&mut filter, 1, false));
        }
    }
}

#[test]
fn a_reference_to_a_frame_that_was_not_sent_allows_no_change() {
    let mut publisher = Publisher::new(2);
    let mut filter = LayerFilter::new(Codec::Av1, layer(0));
    publisher.send(&mut filter, 0, true);
    publisher.send(&mut filter, 1, false);
    filter.set_wanted(ALL);
    // It refers to the frame before, which was left out, and to one that is not remembered.
    for back in [1, 4_000] {
        let mut upper = Descriptor::of(2, publisher.number);
        upper.differences = Some([back].into_iter().collect());
        let mut bytes = [0; 16];
        let len = upper.write(Some(&publisher.structure), &mut bytes).unwrap();
        publisher.number += 1;
        assert!(!publisher.pass(&mut filter, &bytes[..len]), "{back}");
    }
}
