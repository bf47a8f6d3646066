//! Frames by their dependency descriptors (`wire::dependency`): layers without parsing the payload.

use super::{Described, FrameInfo};
use wire::dependency::{Descriptor, Indication, Structure, Template};

pub use wire::dependency::DependencyError;

/// A frame by its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Frame of the packet. `keyframe` is set in the first packet of a key frame only.
    pub info: FrameInfo,
    /// frame_number; frame differences refer to it, so it may be shifted but gaps must stay.
    pub number: u16,
    /// Its layer, its indications by decode target, and the frames that it refers to.
    pub dependencies: Template,
}

/// Reads the descriptors of one incoming stream, keeping the latest template structure.
#[derive(Clone, Debug, Default)]
pub struct DependencyReader {
    structure: Option<Box<Structure>>,
    active_targets: u32,
    generation: u16,
}

impl DependencyReader {
    /// Parse the value of the header extension.
    ///
    /// # Errors
    /// Where it is malformed, or refers to a template that was not received.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Frame, DependencyError> {
        let mut descriptor = Descriptor::read(bytes, self.structure.as_deref())?;
        let is_first = descriptor.structure.is_some();
        if let Some(structure) = descriptor.structure.take() {
            self.active_targets = u32::MAX >> (u32::BITS - u32::from(structure.targets));
            if self.structure.as_ref() != Some(&structure) {
                self.generation = self.generation.wrapping_add(1);
                self.structure = Some(structure);
            }
        }
        self.active_targets = descriptor.active_targets.unwrap_or(self.active_targets);
        let structure = self.structure.as_deref();
        let structure = structure.ok_or(DependencyError::UnknownTemplate)?;
        let dependencies = structure.frame(&descriptor);
        let dependencies = dependencies.ok_or(DependencyError::UnknownTemplate)?;
        Ok(Frame {
            info: frame_info(&descriptor, &dependencies, structure.targets, is_first),
            number: descriptor.number,
            dependencies,
        })
    }

    /// Return the latest structure: decode targets, the chains that protect them, resolutions.
    #[must_use]
    pub fn structure(&self) -> Option<&Structure> {
        self.structure.as_deref()
    }

    /// Return how often the structure has changed.
    #[must_use]
    pub fn generation(&self) -> u16 {
        self.generation
    }

    /// Return the decode targets that the publisher sends, a bit for each.
    #[must_use]
    pub fn active_targets(&self) -> u32 {
        self.active_targets
    }
}

/// Return the frame with its indications combined over all decode targets.
fn frame_info(
    descriptor: &Descriptor,
    frame: &Template,
    targets: u8,
    has_structure: bool,
) -> FrameInfo {
    let refers = !frame.differences.as_slice().is_empty();
    let keyframe = has_structure && !refers && frame.spatial == 0;
    let has = |wanted| frame.indications.iter(targets).any(|found| found == wanted);
    let is_switch = has(Indication::Switch);
    FrameInfo {
        start: descriptor.start,
        end: descriptor.end,
        keyframe,
        switch_point: keyframe || is_switch,
        discardable: !(is_switch || has(Indication::Required)),
        spatial: frame.spatial,
        temporal: frame.temporal,
    }
}

impl Frame {
    /// Replace the description of a payload by that of its descriptor.
    ///
    /// The payload may be encrypted (encoded transforms): what was read in its frame is not used.
    /// Payload descriptors of VP8 and VP9 are not encrypted; their numbers stay.
    pub fn describe(&self, described: &mut Described) {
        described.info = self.info;
        described.readable = true;
        described.parameter_sets = false;
    }
}
