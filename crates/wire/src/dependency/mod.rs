//! The dependency descriptor (RTP Payload Format For AV1, appendix A): a frame, its layer, the
//! frames it refers to, and what it means for each decode target.
//!
//! A structure of templates comes with key frames; later descriptors name a template, and differ
//! from it where they say so. [`Structure::frame`] returns a frame with its differences applied.

mod patch;
mod read;
mod write;

pub use patch::{ActiveTargets, Patch};

/// Most templates of a structure.
pub const MAX_TEMPLATES: usize = 64;
/// Most decode targets, and most chains.
pub const MAX_TARGETS: usize = 32;
/// Most frames that one frame refers to: more than any codec has references.
pub const MAX_DIFFERENCES: usize = 16;
/// Highest temporal layer.
pub const MAX_TEMPORAL: u8 = 7;
/// Highest spatial layer.
pub const MAX_SPATIAL: u8 = 3;

/// Length of a descriptor without extended fields.
pub const MANDATORY_LEN: usize = 3;

/// Why a descriptor cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyError {
    /// Truncated, or a count out of bounds.
    Malformed,
    /// It refers to a template structure that was not received.
    UnknownTemplate,
}

/// One descriptor; a field that is `None` is that of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet is the first of its frame.
    pub start: bool,
    /// The packet is the last of its frame.
    pub end: bool,
    /// frame_dependency_template_id, 6 bits.
    pub template_id: u8,
    /// frame_number; frame differences refer to it, so it may be shifted but gaps must stay.
    pub number: u16,
    /// A new structure: the first packet of a coded video sequence has one.
    pub structure: Option<Box<Structure>>,
    /// active_decode_targets_bitmask; all are active since the structure where none was sent.
    pub active_targets: Option<u32>,
    /// Decode target indications.
    pub indications: Option<Indications>,
    /// Frame differences.
    pub differences: Option<Differences>,
    /// Chain differences, 8 bits each.
    pub chains: Option<Chains>,
}

/// A template dependency structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Id of the first template, 6 bits.
    pub id_offset: u8,
    /// Number of decode targets, 1 to 32.
    pub targets: u8,
    /// Number of chains, at most that of the decode targets.
    pub chains: u8,
    /// The chain that protects each decode target; 0 beyond them, and where there are no chains.
    pub protected_by: [u8; MAX_TARGETS],
    /// 1 to 64 templates, in order of their layers.
    pub templates: Vec<Template>,
    /// Width and height of each spatial layer, in pixels (1 to 65,536).
    pub resolutions: Option<Vec<(u32, u32)>>,
}

/// A frame, or the template of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// Decode target indications.
    pub indications: Indications,
    /// Frames that this one refers to.
    pub differences: Differences,
    /// For each chain, the distance to the last frame of it.
    pub chains: Chains,
}

/// What a frame is for a decode target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indication {
    /// Not part of it.
    #[default]
    NotPresent,
    /// Part of it, and no later frame refers to it.
    Discardable,
    /// A receiver may switch to the decode target here.
    Switch,
    /// Part of it.
    Required,
}

/// Indications by decode target; those beyond the decode targets are `NotPresent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indications(u64);

/// Frame differences: by how much the numbers of referred frames are lower, 1 to 4,096.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    values: [u16; MAX_DIFFERENCES],
    len: u8,
}

/// Differences by chain, 0 beyond the chains.
pub type Chains = [u8; MAX_TARGETS];

/// Return the frame number of a descriptor, without reading the rest.
#[must_use]
pub fn frame_number(descriptor: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([
        *descriptor.get(1)?,
        *descriptor.get(2)?,
    ]))
}

impl Descriptor {
    /// Describe a frame as its template does, in a packet amid the frame.
    #[must_use]
    pub fn of(template_id: u8, number: u16) -> Self {
        Self {
            start: false,
            end: false,
            template_id,
            number,
            structure: None,
            active_targets: None,
            indications: None,
            differences: None,
            chains: None,
        }
    }
}

impl Structure {
    /// Return the template with an id.
    #[must_use]
    pub fn template(&self, id: u8) -> Option<&Template> {
        let index = id.wrapping_sub(self.id_offset) % MAX_TEMPLATES as u8;
        self.templates.get(usize::from(index))
    }

    /// Return the frame of a descriptor: its template, with its differences applied.
    #[must_use]
    pub fn frame(&self, descriptor: &Descriptor) -> Option<Template> {
        let template = *self.template(descriptor.template_id)?;
        Some(Template {
            indications: descriptor.indications.unwrap_or(template.indications),
            differences: descriptor.differences.unwrap_or(template.differences),
            chains: descriptor.chains.unwrap_or(template.chains),
            ..template
        })
    }

    /// Return the number of spatial layers.
    #[must_use]
    pub fn spatial_layers(&self) -> usize {
        let last = self.templates.last();
        last.map_or(0, |template| usize::from(template.spatial) + 1)
    }

    /// Return one layer, in which each frame refers to the one before (L1T1).
    ///
    /// Template 0 is that of the key frame, template 1 that of all others.
    #[must_use]
    pub fn single_layer(width: u32, height: u32) -> Self {
        let key = Template {
            indications: Indications::default().with(0, Indication::Switch),
            ..Template::default()
        };
        let mut delta = Template {
            differences: [1].into_iter().collect(),
            ..key
        };
        delta.chains[0] = 1;
        Self {
            id_offset: 0,
            targets: 1,
            chains: 1,
            protected_by: [0; MAX_TARGETS],
            templates: vec![key, delta],
            resolutions: Some(vec![(width, height)]),
        }
    }
}

impl Indications {
    /// Return the indication for a decode target.
    #[must_use]
    pub fn of(self, target: usize) -> Indication {
        match self.0.checked_shr(2 * target as u32).unwrap_or(0) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }

    /// Return these with another indication for a decode target, which is below 32.
    #[must_use]
    pub fn with(self, target: usize, indication: Indication) -> Self {
        let at = 2 * (target % MAX_TARGETS);
        Self(self.0 & !(3 << at) | (indication as u64) << at)
    }

    /// Iterate over the indications of the first `targets` decode targets.
    pub fn iter(self, targets: u8) -> impl Iterator<Item = Indication> {
        (0..usize::from(targets)).map(move |target| self.of(target))
    }
}

impl Differences {
    /// Return the differences.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.values[..usize::from(self.len)]
    }

    /// Append one; `None` where there are 16.
    fn push(&mut self, difference: u16) -> Option<()> {
        *self.values.get_mut(usize::from(self.len))? = difference;
        self.len += 1;
        Some(())
    }
}

/// The first 16.
impl FromIterator<u16> for Differences {
    fn from_iter<I: IntoIterator<Item = u16>>(differences: I) -> Self {
        let mut found = Self::default();
        for difference in differences {
            if found.push(difference).is_none() {
                break;
            }
        }
        found
    }
}
