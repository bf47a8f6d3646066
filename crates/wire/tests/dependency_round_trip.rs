//! Dependency descriptors that we write are read back as they were, and the bytes of others are
//! written as they were read.

use proptest::prelude::*;
use wire::dependency::{
    Chains, DependencyError, Descriptor, Differences, Indication, Indications, MAX_DIFFERENCES,
    MAX_SPATIAL, MAX_TARGETS, MAX_TEMPORAL, Structure, Template,
};

/// Longer than any structure: 64 templates of 32 decode targets and chains.
const ROOM: usize = 2_500;

fn indication() -> impl Strategy<Value = Indication> {
    prop_oneof![
        Just(Indication::NotPresent),
        Just(Indication::Discardable),
        Just(Indication::Switch),
        Just(Indication::Required),
    ]
}

fn indications(targets: u8) -> impl Strategy<Value = Indications> {
    prop::collection::vec(indication(), usize::from(targets)).prop_map(|all| {
        let with = |found: Indications, (target, one)| found.with(target, one);
        all.into_iter()
            .enumerate()
            .fold(Indications::default(), with)
    })
}

fn differences(most: u16) -> impl Strategy<Value = Differences> {
    prop::collection::vec(1..=most, 0..=MAX_DIFFERENCES).prop_map(Differences::from_iter)
}

fn chains(count: u8, most: u8) -> impl Strategy<Value = Chains> {
    prop::collection::vec(0..=most, usize::from(count)).prop_map(|found| {
        let mut chains = [0; MAX_TARGETS];
        chains[..found.len()].copy_from_slice(&found);
        chains
    })
}

/// Layers in the order of a structure: 0 is the same one again, 1 the next temporal, 2 the next
/// spatial one.
fn layers() -> impl Strategy<Value = Vec<(u8, u8)>> {
    prop::collection::vec(0..3, 0..63).prop_map(|steps| {
        let mut layers = vec![(0, 0)];
        let mut layer = (0, 0);
        for step in steps {
            let next = match step {
                1 => (layer.0, layer.1 + 1),
                2 => (layer.0 + 1, 0),
                _ => layer,
            };
            if next.0 <= MAX_SPATIAL && next.1 <= MAX_TEMPORAL {
                layer = next;
            }
            layers.push(layer);
        }
        layers
    })
}

fn template((spatial, temporal): (u8, u8), targets: u8, count: u8) -> BoxedStrategy<Template> {
    (indications(targets), differences(16), chains(count, 15))
        .prop_map(move |(indications, differences, chains)| Template {
            spatial,
            temporal,
            indications,
            differences,
            chains,
        })
        .boxed()
}

fn structure() -> impl Strategy<Value = Structure> {
    let counts = (1..=32_u8).prop_flat_map(|targets| (Just(targets), 0..=targets));
    (0..64_u8, counts, layers()).prop_flat_map(|(id_offset, (targets, count), layers)| {
        let spatial_layers = usize::from(layers.last().unwrap().0) + 1;
        let templates: Vec<_> = layers
            .into_iter()
            .map(|layer| template(layer, targets, count))
            .collect();
        let protected = if count == 0 {
            Just([0; MAX_TARGETS]).boxed()
        } else {
            chains(targets, count - 1).boxed()
        };
        let sizes = prop::collection::vec((1..=65_536_u32, 1..=65_536_u32), spatial_layers);
        (templates, protected, prop::option::of(sizes)).prop_map(
            move |(templates, protected_by, resolutions)| Structure {
                id_offset,
                targets,
                chains: count,
                protected_by,
                templates,
                resolutions,
            },
        )
    })
}

/// A descriptor, and the structure that it refers to.
fn descriptor() -> impl Strategy<Value = (Descriptor, Structure)> {
    structure().prop_flat_map(|structure| {
        let (targets, count) = (structure.targets, structure.chains);
        let active = 0..=u32::MAX >> (32 - u32::from(targets));
        let custom = (
            prop::option::of(active),
            prop::option::of(indications(targets)),
            prop::option::of(differences(4_096)),
            prop::option::of(chains(count, 255)),
        );
        let head = (
            any::<[bool; 3]>(),
            0..structure.templates.len(),
            any::<u16>(),
        );
        (head, custom).prop_map(move |((flags, template, number), custom)| {
            let [start, end, has_structure] = flags;
            let descriptor = Descriptor {
                start,
                end,
                template_id: (structure.id_offset + template as u8) % 64,
                number,
                structure: has_structure.then(|| Box::new(structure.clone())),
                active_targets: custom.0,
                indications: custom.1,
                differences: custom.2,
                chains: custom.3,
            };
            (descriptor, structure.clone())
        })
    })
}

proptest! {
    #[test]
    fn descriptors_come_back((descriptor, structure) in descriptor()) {
        let mut out = [0xff; ROOM];
        let len = descriptor.write(Some(&structure), &mut out).unwrap();
        let read = Descriptor::read(&out[..len], Some(&structure)).unwrap();
        prop_assert_eq!(&read, &descriptor);
        prop_assert_eq!(structure.frame(&read), structure.frame(&descriptor));
        prop_assert!(descriptor.write(Some(&structure), &mut out[..len - 1]).is_none());
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_written_as_the_same_descriptor(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        latest in prop::option::of(structure()),
    ) {
        let Ok(read) = Descriptor::read(&bytes, latest.as_ref()) else {
            return Ok(());
        };
        let mut out = [0; ROOM];
        let len = read.write(latest.as_ref(), &mut out).unwrap();
        prop_assert_eq!(Descriptor::read(&out[..len], latest.as_ref()), Ok(read));
    }
}

/// As a browser sends it for L3T3: every field of the structure, and the bytes that follow from it.
#[test]
fn the_structure_of_a_browser_is_written_as_it_was_read() {
    let hex = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a8000600\
               0040001d954926e082b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230\
               eca877530077004200ef008601df010d";
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    let read = Descriptor::read(&bytes, None).unwrap();
    let structure = read.structure.as_deref().unwrap();
    assert_eq!((structure.targets, structure.chains), (9, 3));
    assert_eq!(structure.protected_by[..9], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    let sizes = [(120, 67), (240, 135), (480, 270)];
    assert_eq!(structure.resolutions.as_deref(), Some(&sizes[..]));
    let key = structure.frame(&read).unwrap();
    assert_eq!(key.differences.as_slice(), [] as [u16; 0]);
    assert!(key.indications.iter(9).all(|one| one == Indication::Switch));
    let mut out = [0; ROOM];
    let len = read.write(None, &mut out).unwrap();
    assert_eq!(out[..len], bytes);
}

#[test]
fn one_layer_takes_thirteen_bytes_with_its_structure_and_three_without() {
    let structure = Structure::single_layer(1_280, 720);
    let mut key = Descriptor {
        structure: Some(Box::new(structure.clone())),
        ..Descriptor::of(0, 500)
    };
    let mut out = [0; ROOM];
    assert_eq!(key.write(None, &mut out), Some(13));
    key.structure = None;
    assert_eq!(key.write(None, &mut out), None, "no structure is known");
    key.template_id = 1;
    assert_eq!(key.write(Some(&structure), &mut out), Some(3));
    key.template_id = 2;
    assert_eq!(key.write(Some(&structure), &mut out), None);
    let unknown = Descriptor::read(&[0x82, 1, 2], Some(&structure));
    assert_eq!(unknown, Err(DependencyError::UnknownTemplate));
}

#[test]
fn values_that_do_not_fit_their_field_are_not_written() {
    let whole = Structure::single_layer(640, 360);
    let written = |change: fn(&mut Structure)| {
        let mut structure = whole.clone();
        change(&mut structure);
        let key = Descriptor {
            structure: Some(Box::new(structure)),
            ..Descriptor::of(0, 0)
        };
        key.write(None, &mut [0; ROOM]).is_some()
    };
    assert!(written(|_| ()));
    assert!(!written(|it| it.resolutions = Some(vec![(0, 360)])));
    assert!(!written(|it| it.resolutions = Some(vec![])));
    assert!(!written(|it| it.templates[1].temporal = 2));
    assert!(!written(|it| it.templates[0].spatial = 1));
    assert!(!written(
        |it| it.templates[1].differences = [17].into_iter().collect()
    ));
    assert!(!written(
        |it| it.templates[1].differences = [0].into_iter().collect()
    ));
    assert!(!written(|it| it.templates[1].chains[0] = 16));
    assert!(!written(|it| it.chains = 2));
    assert!(!written(|it| it.targets = 0));
    assert!(!written(|it| it.templates.clear()));
}
