//! The dependency descriptor (RTP Payload Format For AV1, appendix A): frames and layers without
//! parsing the payload.

use super::bits::BitReader;
use super::picture_id::Width;
use super::{Described, FrameInfo};

/// A parsed descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Frame of the packet. `keyframe` is set in the first packet of a key frame only.
    pub info: FrameInfo,
    /// frame_number; frame differences refer to it, so it may be shifted but gaps must stay.
    pub number: u16,
}

/// Why a descriptor cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyError {
    /// Truncated, or a count out of bounds.
    Malformed,
    /// It refers to a template structure that was not received.
    UnknownTemplate,
}

/// Reads the descriptors of one incoming stream, keeping the latest template structure.
#[derive(Clone, Debug, Default)]
pub struct DependencyReader {
    structure: Option<Box<Structure>>,
}

#[derive(Clone, Debug)]
struct Structure {
    id_offset: u8,
    decode_targets: u32,
    count: usize,
    templates: [Template; MAX_TEMPLATES],
}

#[derive(Clone, Copy, Debug, Default)]
struct Template {
    spatial: u8,
    temporal: u8,
    dependencies: u8,
    targets: Targets,
}

/// Decode target indications of a frame, combined over all decode targets.
#[derive(Clone, Copy, Debug, Default)]
struct Targets {
    is_required: bool,
    is_switch: bool,
}

impl DependencyReader {
    /// Parse the value of the header extension.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Frame, DependencyError> {
        let mut reader = BitReader::new(bytes);
        let head = Head::read(&mut reader).ok_or(DependencyError::Malformed)?;
        let extended = match bytes.len() > MANDATORY_LEN {
            true => Extended::read(&mut reader).ok_or(DependencyError::Malformed)?,
            false => Extended::default(),
        };
        if extended.has_structure {
            let structure = Structure::read(&mut reader).ok_or(DependencyError::Malformed)?;
            self.structure = Some(Box::new(structure));
        }
        let structure = self.structure.as_deref();
        let structure = structure.ok_or(DependencyError::UnknownTemplate)?;
        let mut template = structure
            .template(head.template_id)
            .ok_or(DependencyError::UnknownTemplate)?;
        customise(&mut template, &extended, structure, &mut reader)
            .ok_or(DependencyError::Malformed)?;
        Ok(head.frame(template, extended.has_structure))
    }
}

impl Frame {
    /// Replace the description of a payload by that of its descriptor.
    ///
    /// Picture ids of the payload, where present, stay the numbers that are rewritten.
    pub fn describe(&self, described: &mut Described) {
        described.info = self.info;
        described.readable = true;
        if described.picture_ids.width == Width::Absent {
            described.picture_ids.id = self.number;
            described.picture_ids.width = Width::DependencyDescriptor;
        }
    }
}

/// The mandatory fields.
struct Head {
    start: bool,
    end: bool,
    template_id: u8,
    number: u16,
}

impl Head {
    fn read(reader: &mut BitReader) -> Option<Self> {
        Some(Self {
            start: reader.flag()?,
            end: reader.flag()?,
            template_id: reader.bits(6)? as u8,
            number: reader.bits(16)? as u16,
        })
    }

    fn frame(&self, template: Template, has_structure: bool) -> Frame {
        let keyframe = has_structure && template.dependencies == 0 && template.spatial == 0;
        let info = FrameInfo {
            start: self.start,
            end: self.end,
            keyframe,
            switch_point: keyframe || template.targets.is_switch,
            discardable: !template.targets.is_required,
            spatial: template.spatial,
            temporal: template.temporal,
        };
        Frame {
            info,
            number: self.number,
        }
    }
}

/// The flags of the extended fields.
#[derive(Default)]
struct Extended {
    has_structure: bool,
    has_active_targets: bool,
    has_targets: bool,
    has_dependencies: bool,
}

impl Extended {
    fn read(reader: &mut BitReader) -> Option<Self> {
        let extended = Self {
            has_structure: reader.flag()?,
            has_active_targets: reader.flag()?,
            has_targets: reader.flag()?,
            has_dependencies: reader.flag()?,
        };
        reader.skip(1)?; // custom_chains_flag: the chains are last and are not read
        Some(extended)
    }
}

/// Apply the fields in which a frame differs from its template.
fn customise(
    template: &mut Template,
    extended: &Extended,
    structure: &Structure,
    reader: &mut BitReader,
) -> Option<()> {
    if extended.has_active_targets {
        reader.skip(structure.decode_targets as usize)?;
    }
    if extended.has_targets {
        template.targets = Targets::read(reader, structure.decode_targets)?;
    }
    if extended.has_dependencies {
        template.dependencies = skip_sized_differences(reader)?;
    }
    Some(())
}

impl Structure {
    fn read(reader: &mut BitReader) -> Option<Self> {
        let id_offset = reader.bits(6)? as u8;
        let decode_targets = reader.bits(5)? + 1;
        let mut templates = [Template::default(); MAX_TEMPLATES];
        let count = read_layers(reader, &mut templates)?;
        let used = templates.get_mut(..count)?;
        for template in &mut *used {
            template.targets = Targets::read(reader, decode_targets)?;
        }
        for template in &mut *used {
            template.dependencies = skip_differences(reader)?;
        }
        skip_chains(reader, decode_targets, count)?;
        let layers = used.last().map_or(0, |last| usize::from(last.spatial) + 1);
        if reader.flag()? {
            reader.skip(layers * RESOLUTION_BITS)?;
        }
        Some(Self {
            id_offset,
            decode_targets,
            count,
            templates,
        })
    }

    fn template(&self, id: u8) -> Option<Template> {
        let index = usize::from(id.wrapping_sub(self.id_offset) % MAX_TEMPLATES as u8);
        self.templates.get(..self.count)?.get(index).copied()
    }
}

/// Read template_layers() and return the number of templates.
fn read_layers(reader: &mut BitReader, templates: &mut [Template]) -> Option<usize> {
    let mut layer = Template::default();
    for (i, template) in templates.iter_mut().enumerate() {
        *template = layer;
        match reader.bits(2)? {
            0 => {}
            1 => layer.temporal += 1,
            2 => {
                layer.temporal = 0;
                layer.spatial += 1;
            }
            _ => return Some(i + 1),
        }
        if layer.temporal > MAX_TEMPORAL || layer.spatial > MAX_SPATIAL {
            return None;
        }
    }
    None
}

impl Targets {
    fn read(reader: &mut BitReader, count: u32) -> Option<Self> {
        let mut targets = Self::default();
        for _ in 0..count {
            let indication = reader.bits(2)?;
            targets.is_required |= matches!(indication, SWITCH | REQUIRED);
            targets.is_switch |= indication == SWITCH;
        }
        Some(targets)
    }
}

/// Skip and count the frame differences of a template.
fn skip_differences(reader: &mut BitReader) -> Option<u8> {
    let mut count = 0u8;
    while reader.flag()? {
        reader.skip(4)?;
        count = count.saturating_add(1);
    }
    Some(count)
}

/// Skip and count the frame differences of a frame, each with its own width.
fn skip_sized_differences(reader: &mut BitReader) -> Option<u8> {
    let mut count = 0u8;
    loop {
        let nibbles = reader.bits(2)? as usize;
        if nibbles == 0 {
            return Some(count);
        }
        reader.skip(4 * nibbles)?;
        count = count.saturating_add(1);
    }
}

fn skip_chains(reader: &mut BitReader, decode_targets: u32, templates: usize) -> Option<()> {
    let chains = reader.non_symmetric(decode_targets + 1)?;
    if chains == 0 {
        return Some(());
    }
    for _ in 0..decode_targets {
        reader.non_symmetric(chains)?;
    }
    reader.skip(4 * templates * chains as usize)
}

const MANDATORY_LEN: usize = 3;
const MAX_TEMPLATES: usize = 64;
const MAX_TEMPORAL: u8 = 7;
const MAX_SPATIAL: u8 = 3;
const RESOLUTION_BITS: usize = 32;
/// Decode target indications.
const SWITCH: u32 = 2;
const REQUIRED: u32 = 3;
