//! The frames and decode targets of a stream with dependency descriptors.

use wire::dependency::{Chains, Indication, Indications, MAX_TARGETS, Structure};

use super::Layer;
use crate::codec::dependency::{DependencyError, DependencyReader, Frame};

/// Frames that are remembered: more than four seconds of three spatial layers at 10 frames/s.
pub const MAX_FRAMES: usize = 128;

/// A frame of a stream.
#[derive(Clone, Copy, Debug)]
pub struct KnownFrame {
    /// Its frame number.
    pub number: u16,
    /// [`DescribedLayers::generation`] of its structure.
    pub generation: u16,
    /// Its spatial layer.
    pub spatial: u8,
    /// What it is for each decode target.
    pub indications: Indications,
    /// Frames that it refers to: bit n for the one whose number is lower by n + 1.
    pub references: u128,
    /// For each chain, the distance to the last frame of it; 0: the chain begins here.
    pub chains: Chains,
    /// Whether it refers to no other frame.
    pub is_key: bool,
}

/// The decode targets of a structure.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecodeTargets {
    /// How many there are.
    pub count: u8,
    /// Those that the publisher sends, a bit for each.
    pub active: u32,
    /// Number of chains.
    pub chains: u8,
    layers: [Layer; MAX_TARGETS],
    protected_by: [u8; MAX_TARGETS],
    /// For each, the decode targets all of whose frames it has, itself among them.
    included: [u32; MAX_TARGETS],
}

/// Reads the descriptors of one stream and keeps its last frames.
#[derive(Debug)]
pub struct DescribedLayers {
    reader: DependencyReader,
    targets: DecodeTargets,
    generation: u16,
    frames: Box<[Option<KnownFrame>; MAX_FRAMES]>,
    newest: u16,
}

impl Default for DescribedLayers {
    fn default() -> Self {
        Self {
            reader: DependencyReader::default(),
            targets: DecodeTargets::default(),
            generation: 0,
            frames: Box::new([None; MAX_FRAMES]),
            newest: 0,
        }
    }
}

impl DescribedLayers {
    /// Parse the value of the header extension, and keep the frame.
    ///
    /// # Errors
    /// Where it is malformed, or refers to a template that was not received.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Frame, DependencyError> {
        let frame = self.reader.read(bytes)?;
        if self.generation != self.reader.generation() {
            self.generation = self.reader.generation();
            self.targets = self
                .reader
                .structure()
                .map(DecodeTargets::of)
                .unwrap_or_default();
        }
        self.targets.active = self.reader.active_targets();
        self.keep(&frame);
        Ok(frame)
    }

    fn keep(&mut self, frame: &Frame) {
        let ahead = frame.number.wrapping_sub(self.newest) as i16;
        let is_old = ahead <= -(MAX_FRAMES as i16);
        if is_old && frame.info.keyframe {
            // The publisher has begun to count from another number.
            self.frames.fill(None);
        } else if is_old {
            return;
        }
        if ahead > 0 || is_old {
            self.newest = frame.number;
        }
        let known = KnownFrame::new(frame, self.generation);
        self.frames[usize::from(frame.number) % MAX_FRAMES] = Some(known);
    }

    /// Return the latest structure.
    #[must_use]
    pub fn structure(&self) -> Option<&Structure> {
        self.reader.structure()
    }

    /// Return the decode targets of the latest structure.
    #[must_use]
    pub fn targets(&self) -> &DecodeTargets {
        &self.targets
    }

    /// Return the number of the latest structure; equal ones have the same.
    #[must_use]
    pub fn generation(&self) -> u16 {
        self.generation
    }

    /// Return a frame, if it is among the last ones.
    #[must_use]
    pub fn frame(&self, number: u16) -> Option<&KnownFrame> {
        let frame = self.frames[usize::from(number) % MAX_FRAMES].as_ref();
        frame.filter(|frame| frame.number == number)
    }
}

impl KnownFrame {
    fn new(frame: &Frame, generation: u16) -> Self {
        let dependencies = &frame.dependencies;
        let differences = dependencies.differences.as_slice().iter();
        // A reference to a frame that is not remembered counts as one to the oldest: not sent.
        let bit = |difference: &u16| 1 << (difference - 1).min(MAX_FRAMES as u16 - 1);
        Self {
            number: frame.number,
            generation,
            spatial: dependencies.spatial,
            indications: dependencies.indications,
            references: differences.map(bit).fold(0u128, |all, one| all | one),
            chains: dependencies.chains,
            is_key: dependencies.differences.as_slice().is_empty() && dependencies.spatial == 0,
        }
    }
}

impl DecodeTargets {
    fn of(structure: &Structure) -> Self {
        let mut targets = Self {
            count: structure.targets,
            active: 0,
            chains: structure.chains,
            protected_by: structure.protected_by,
            ..Self::default()
        };
        let mut templates_of = [0u64; MAX_TARGETS];
        let count = usize::from(structure.targets);
        for (target, templates) in templates_of.iter_mut().take(count).enumerate() {
            let layer = &mut targets.layers[target];
            for (nth, template) in structure.templates.iter().enumerate() {
                if template.indications.of(target) != Indication::NotPresent {
                    *templates |= 1 << nth;
                    layer.spatial = layer.spatial.max(template.spatial);
                    layer.temporal = layer.temporal.max(template.temporal);
                }
            }
        }
        for (target, included) in targets.included.iter_mut().enumerate() {
            let is_included = |other: &usize| templates_of[*other] & !templates_of[target] == 0;
            let all = (0..usize::from(structure.targets)).filter(is_included);
            *included = all.fold(0, |mask, other| mask | 1 << other);
        }
        targets
    }

    /// Return the layer of a decode target.
    #[must_use]
    pub fn layer(&self, target: u8) -> Layer {
        self.layers[usize::from(target) % MAX_TARGETS]
    }

    /// Return whether the publisher sends a decode target.
    #[must_use]
    pub fn is_active(&self, target: u8) -> bool {
        self.active.checked_shr(target.into()).unwrap_or(0) & 1 == 1
    }

    /// Return the highest active decode target within a layer, else the lowest active one.
    #[must_use]
    pub fn best(&self, within: Layer) -> Option<u8> {
        let active = || (0..self.count).filter(|target| self.is_active(*target));
        let fitting = active().filter(|target| within.covers(self.layer(*target)));
        let best = fitting.max_by_key(|target| self.layer(*target));
        best.or_else(|| active().min_by_key(|target| self.layer(*target)))
    }

    /// Return the decode targets that a receiver of one can decode, of those that the publisher
    /// sends.
    #[must_use]
    pub fn decodable(&self, target: u8) -> u32 {
        self.included[usize::from(target) % MAX_TARGETS] & self.active
    }

    /// Return the chain that protects a decode target; `None` where there are no chains.
    #[must_use]
    pub fn chain(&self, target: u8) -> Option<usize> {
        let chain = self.protected_by[usize::from(target) % MAX_TARGETS];
        (chain < self.chains).then_some(chain.into())
    }
}
