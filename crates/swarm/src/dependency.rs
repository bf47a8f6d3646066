//! Dependency descriptors of published AV1 (RTP Payload Format For AV1, appendix A): one layer, in
//! which each frame refers to the one before.

use wire::dependency::{Descriptor, MANDATORY_LEN, Structure};

/// Bytes of a descriptor with its structure.
pub const WITH_STRUCTURE_LEN: usize = 13;

const KEY: u8 = 0;
const DELTA: u8 = 1;

/// The descriptors of one clip.
#[derive(Debug)]
pub struct Descriptors {
    structure: Structure,
    with_structure: [u8; WITH_STRUCTURE_LEN],
}

/// The position of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// It is the first of its frame.
    pub first: bool,
    /// It is the last of its frame.
    pub last: bool,
    /// It belongs to a key frame.
    pub keyframe: bool,
    /// Number of the frame.
    pub number: u16,
}

/// The value of the header extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorValue {
    bytes: [u8; WITH_STRUCTURE_LEN],
    with_structure: bool,
}

impl Descriptors {
    /// Describe video of this size; `None` where a side is 0.
    #[must_use]
    pub fn new(width: u16, height: u16) -> Option<Self> {
        let structure = Structure::single_layer(width.into(), height.into());
        let mut with_structure = [0; WITH_STRUCTURE_LEN];
        let key = Descriptor {
            structure: Some(Box::new(structure.clone())),
            ..Descriptor::of(KEY, 0)
        };
        key.write(None, &mut with_structure)?;
        Some(Self {
            structure,
            with_structure,
        })
    }

    /// Return the descriptor of a packet: the first one of a key frame has the structure.
    #[must_use]
    pub fn value(&self, place: Place) -> DescriptorValue {
        let descriptor = Descriptor {
            start: place.first,
            end: place.last,
            ..Descriptor::of(if place.keyframe { KEY } else { DELTA }, place.number)
        };
        let mut bytes = self.with_structure;
        let written = descriptor.write(Some(&self.structure), &mut bytes[..MANDATORY_LEN]);
        debug_assert_eq!(written, Some(MANDATORY_LEN));
        DescriptorValue {
            bytes,
            with_structure: place.first && place.keyframe,
        }
    }
}

impl DescriptorValue {
    /// Return whether it has the structure, and so is longer.
    #[must_use]
    pub fn has_structure(&self) -> bool {
        self.with_structure
    }

    /// Return its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let len = if self.with_structure {
            WITH_STRUCTURE_LEN
        } else {
            MANDATORY_LEN
        };
        &self.bytes[..len]
    }
}
