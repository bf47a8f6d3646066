//! Writer of descriptors.

use super::{Chains, Descriptor, Differences, Indications, MAX_TEMPLATES, Structure};
use crate::bits::BitWriter;

/// next_layer_idc behind the last template.
const NO_MORE_TEMPLATES: u32 = 3;

impl Descriptor {
    /// Write the value of the header extension and return its length; `latest` is the structure of
    /// an earlier packet.
    ///
    /// `None` where `out` is too short, no structure has the template, or a value is out of bounds.
    pub fn write(&self, latest: Option<&Structure>, out: &mut [u8]) -> Option<usize> {
        let current = self.structure.as_deref().or(latest)?;
        current.template(self.template_id)?;
        let mut writer = BitWriter::new(out);
        writer.flag(self.start)?;
        writer.flag(self.end)?;
        writer.bits(self.template_id.into(), 6)?;
        writer.bits(self.number.into(), 16)?;
        if self.has_extended_fields() {
            self.write_extended(current, &mut writer)?;
        }
        Some(writer.len())
    }

    fn has_extended_fields(&self) -> bool {
        self.structure.is_some()
            || self.active_targets.is_some()
            || self.indications.is_some()
            || self.differences.is_some()
            || self.chains.is_some()
    }

    fn write_extended(&self, structure: &Structure, writer: &mut BitWriter) -> Option<()> {
        writer.flag(self.structure.is_some())?;
        writer.flag(self.active_targets.is_some())?;
        writer.flag(self.indications.is_some())?;
        writer.flag(self.differences.is_some())?;
        writer.flag(self.chains.is_some())?;
        if let Some(structure) = &self.structure {
            structure.write(writer)?;
        }
        if let Some(active) = self.active_targets {
            writer.bits(active, structure.targets.into())?;
        }
        if let Some(indications) = self.indications {
            write_indications(writer, indications, structure.targets)?;
        }
        if let Some(differences) = &self.differences {
            write_frame_differences(writer, differences)?;
        }
        if let Some(chains) = &self.chains {
            write_chains(writer, chains, structure.chains, 8)?;
        }
        Some(())
    }
}

impl Structure {
    fn write(&self, writer: &mut BitWriter) -> Option<()> {
        writer.bits(self.id_offset.into(), 6)?;
        writer.bits(u32::from(self.targets).checked_sub(1)?, 5)?;
        self.write_layers(writer)?;
        for template in &self.templates {
            write_indications(writer, template.indications, self.targets)?;
        }
        for template in &self.templates {
            write_template_differences(writer, &template.differences)?;
        }
        self.write_chains(writer)?;
        writer.flag(self.resolutions.is_some())?;
        let resolutions = self.resolutions.as_deref().unwrap_or_default();
        if self.resolutions.is_some() && resolutions.len() != self.spatial_layers() {
            return None;
        }
        for (width, height) in resolutions {
            writer.bits(width.checked_sub(1)?, 16)?;
            writer.bits(height.checked_sub(1)?, 16)?;
        }
        Some(())
    }

    fn write_layers(&self, writer: &mut BitWriter) -> Option<()> {
        let layers = self.templates.iter().map(|it| (it.spatial, it.temporal));
        let layers: Vec<_> = layers.collect();
        if layers.len() > MAX_TEMPLATES || layers.first()? != &(0, 0) {
            return None;
        }
        for pair in layers.windows(2) {
            let ((spatial, temporal), next) = (pair[0], pair[1]);
            let step = match next {
                _ if next == (spatial, temporal) => 0,
                _ if next == (spatial, temporal + 1) => 1,
                _ if next == (spatial + 1, 0) => 2,
                _ => return None,
            };
            writer.bits(step, 2)?;
        }
        writer.bits(NO_MORE_TEMPLATES, 2)
    }

    fn write_chains(&self, writer: &mut BitWriter) -> Option<()> {
        writer.non_symmetric(self.chains.into(), u32::from(self.targets) + 1)?;
        if self.chains == 0 {
            return Some(());
        }
        for chain in &self.protected_by[..usize::from(self.targets)] {
            writer.non_symmetric((*chain).into(), self.chains.into())?;
        }
        let mut templates = self.templates.iter();
        templates.try_for_each(|template| write_chains(writer, &template.chains, self.chains, 4))
    }
}

fn write_indications(writer: &mut BitWriter, indications: Indications, targets: u8) -> Option<()> {
    let mut indications = indications.iter(targets);
    indications.try_for_each(|indication| writer.bits(indication as u32, 2))
}

fn write_template_differences(writer: &mut BitWriter, differences: &Differences) -> Option<()> {
    for difference in differences.as_slice() {
        writer.flag(true)?;
        writer.bits(u32::from(difference.checked_sub(1)?), 4)?;
    }
    writer.flag(false)
}

fn write_frame_differences(writer: &mut BitWriter, differences: &Differences) -> Option<()> {
    for difference in differences.as_slice() {
        let value = u32::from(difference.checked_sub(1)?);
        let nibbles = value.checked_ilog2().unwrap_or(0) / 4 + 1;
        writer.bits(nibbles, 2)?; // `None` above 3 nibbles
        writer.bits(value, 4 * nibbles)?;
    }
    writer.bits(0, 2)
}

fn write_chains(writer: &mut BitWriter, chains: &Chains, count: u8, width: u32) -> Option<()> {
    let mut chains = chains.iter().take(usize::from(count));
    chains.try_for_each(|difference| writer.bits((*difference).into(), width))
}
