//! Reader of descriptors.

use super::{
    Chains, DependencyError, Descriptor, Differences, Indication, Indications, MANDATORY_LEN,
    MAX_SPATIAL, MAX_TARGETS, MAX_TEMPLATES, MAX_TEMPORAL, Structure, Template,
};
use crate::bits::BitReader;

impl Descriptor {
    /// Read the value of the header extension; `latest` is the structure of an earlier packet.
    ///
    /// # Errors
    /// Where it is malformed, or refers to a template that neither structure has.
    pub fn read(bytes: &[u8], latest: Option<&Structure>) -> Result<Self, DependencyError> {
        let mut reader = BitReader::new(bytes);
        let mut descriptor = mandatory(&mut reader).ok_or(DependencyError::Malformed)?;
        let mut flags = Flags::default();
        if bytes.len() > MANDATORY_LEN {
            flags = Flags::read(&mut reader).ok_or(DependencyError::Malformed)?;
        }
        if flags.structure {
            let structure = Structure::read(&mut reader).ok_or(DependencyError::Malformed)?;
            descriptor.structure = Some(Box::new(structure));
        }
        let structure = descriptor.structure.take();
        let current = structure.as_deref().or(latest);
        let current = current.ok_or(DependencyError::UnknownTemplate)?;
        if current.template(descriptor.template_id).is_none() {
            return Err(DependencyError::UnknownTemplate);
        }
        let custom = descriptor.read_custom(&flags, current, &mut reader);
        custom.ok_or(DependencyError::Malformed)?;
        descriptor.structure = structure;
        Ok(descriptor)
    }

    /// Read the fields in which the frame differs from its template.
    fn read_custom(
        &mut self,
        flags: &Flags,
        structure: &Structure,
        reader: &mut BitReader,
    ) -> Option<()> {
        if flags.active_targets {
            self.active_targets = Some(reader.bits(u32::from(structure.targets))?);
        }
        if flags.indications {
            self.indications = Some(indications(reader, structure.targets)?);
        }
        if flags.differences {
            self.differences = Some(frame_differences(reader)?);
        }
        if flags.chains {
            self.chains = Some(chains(reader, structure.chains, 8)?);
        }
        Some(())
    }
}

fn mandatory(reader: &mut BitReader) -> Option<Descriptor> {
    let (start, end) = (reader.flag()?, reader.flag()?);
    let (template_id, number) = (reader.bits(6)? as u8, reader.bits(16)? as u16);
    Some(Descriptor {
        start,
        end,
        ..Descriptor::of(template_id, number)
    })
}

/// Which extended fields are present.
#[derive(Default)]
struct Flags {
    structure: bool,
    active_targets: bool,
    indications: bool,
    differences: bool,
    chains: bool,
}

impl Flags {
    fn read(reader: &mut BitReader) -> Option<Self> {
        Some(Self {
            structure: reader.flag()?,
            active_targets: reader.flag()?,
            indications: reader.flag()?,
            differences: reader.flag()?,
            chains: reader.flag()?,
        })
    }
}

impl Structure {
    fn read(reader: &mut BitReader) -> Option<Self> {
        let mut structure = Self {
            id_offset: reader.bits(6)? as u8,
            targets: reader.bits(5)? as u8 + 1,
            chains: 0,
            protected_by: [0; MAX_TARGETS],
            templates: layers(reader)?,
            resolutions: None,
        };
        for template in &mut structure.templates {
            template.indications = indications(reader, structure.targets)?;
        }
        for template in &mut structure.templates {
            template.differences = template_differences(reader)?;
        }
        structure.read_chains(reader)?;
        if reader.flag()? {
            structure.resolutions = Some(resolutions(reader, structure.spatial_layers())?);
        }
        Some(structure)
    }

    fn read_chains(&mut self, reader: &mut BitReader) -> Option<()> {
        let count = reader.non_symmetric(u32::from(self.targets) + 1)?;
        if count == 0 {
            return Some(());
        }
        self.chains = count as u8;
        for chain in self.protected_by.iter_mut().take(usize::from(self.targets)) {
            *chain = reader.non_symmetric(count)? as u8;
        }
        for template in &mut self.templates {
            template.chains = chains(reader, self.chains, 4)?;
        }
        Some(())
    }
}

/// Read template_layers(): a template for each layer that is named.
fn layers(reader: &mut BitReader) -> Option<Vec<Template>> {
    let mut templates = Vec::new();
    let mut layer = Template::default();
    while templates.len() < MAX_TEMPLATES {
        templates.push(layer);
        match reader.bits(2)? {
            0 => {}
            1 => layer.temporal += 1,
            2 => {
                layer.temporal = 0;
                layer.spatial += 1;
            }
            _ => return Some(templates),
        }
        if layer.temporal > MAX_TEMPORAL || layer.spatial > MAX_SPATIAL {
            return None;
        }
    }
    None
}

fn indications(reader: &mut BitReader, targets: u8) -> Option<Indications> {
    let mut found = Indications::default();
    for target in 0..usize::from(targets) {
        let indication = match reader.bits(2)? {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        };
        found = found.with(target, indication);
    }
    Some(found)
}

/// Read template_fdiffs() of one template.
fn template_differences(reader: &mut BitReader) -> Option<Differences> {
    let mut found = Differences::default();
    while reader.flag()? {
        found.push(reader.bits(4)? as u16 + 1)?;
    }
    Some(found)
}

/// Read frame_fdiffs(), each with its own width.
fn frame_differences(reader: &mut BitReader) -> Option<Differences> {
    let mut found = Differences::default();
    loop {
        match reader.bits(2)? {
            0 => return Some(found),
            nibbles => found.push(reader.bits(4 * nibbles)? as u16 + 1)?,
        }
    }
}

fn chains(reader: &mut BitReader, count: u8, width: u32) -> Option<Chains> {
    let mut found = [0; MAX_TARGETS];
    for difference in found.iter_mut().take(usize::from(count)) {
        *difference = reader.bits(width)? as u8;
    }
    Some(found)
}

fn resolutions(reader: &mut BitReader, layers: usize) -> Option<Vec<(u32, u32)>> {
    let mut read = || Some((reader.bits(16)? + 1, reader.bits(16)? + 1));
    (0..layers).map(|_| read()).collect()
}
