//! What is changed in a descriptor that is sent on: its frame number and its active decode targets.

use super::{Descriptor, MANDATORY_LEN};
use crate::bits::{BitReader, BitWriter};

/// The decode targets that are sent, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveTargets {
    /// The lowest bit is decode target 0.
    pub mask: u32,
    /// Number of decode targets of the structure, 1 to 32.
    pub count: u8,
}

impl ActiveTargets {
    /// Return the bits of the decode targets that there are.
    fn bits(self) -> u32 {
        let unused = u32::BITS - u32::from(self.count).min(u32::BITS);
        self.mask & u32::MAX.checked_shr(unused).unwrap_or(0)
    }
}

/// Changes of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Subtracted from the frame number.
    pub number_shift: u16,
    /// Replaces active_decode_targets_bitmask, or is added.
    pub active_targets: Option<ActiveTargets>,
}

impl Patch {
    /// Write the changed descriptor and return its length.
    ///
    /// `None` where `out` is too short or the descriptor is malformed.
    pub fn write(&self, bytes: &[u8], out: &mut [u8]) -> Option<usize> {
        let number = u16::from_be_bytes([*bytes.get(1)?, *bytes.get(2)?]);
        let len = match self.active_targets {
            None => {
                out.get_mut(..bytes.len())?.copy_from_slice(bytes);
                bytes.len()
            }
            Some(active) => write_active(bytes, active, out)?,
        };
        let number = number.wrapping_sub(self.number_shift);
        out.get_mut(1..3)?.copy_from_slice(&number.to_be_bytes());
        Some(len)
    }
}

/// Write a descriptor with another bitmask.
fn write_active(bytes: &[u8], active: ActiveTargets, out: &mut [u8]) -> Option<usize> {
    let mut reader = BitReader::new(bytes);
    reader.skip(8 * MANDATORY_LEN)?;
    let has_structure = bytes.len() > MANDATORY_LEN && reader.flag()?;
    if has_structure {
        let mut descriptor = Descriptor::read(bytes, None).ok()?;
        descriptor.active_targets = Some(active.bits());
        return descriptor.write(None, out);
    }
    let mut writer = BitWriter::new(out);
    for byte in bytes.get(..MANDATORY_LEN)? {
        writer.bits((*byte).into(), 8)?;
    }
    let (had_active, others) = match bytes.len() > MANDATORY_LEN {
        true => (reader.flag()?, reader.bits(3)?),
        false => (false, 0),
    };
    writer.flag(false)?;
    writer.flag(true)?;
    writer.bits(others, 3)?;
    writer.bits(active.bits(), active.count.into())?;
    if had_active {
        reader.skip(active.count.into())?;
    }
    if others != 0 {
        while let Some(bit) = reader.flag() {
            writer.flag(bit)?;
        }
    }
    Some(writer.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency::{Indication, Indications, Structure};

    fn patched(descriptor: &Descriptor, structure: &Structure, patch: Patch) -> Descriptor {
        let (mut bytes, mut out) = ([0; 255], [0xff; 255]);
        let len = descriptor.write(Some(structure), &mut bytes).expect("room");
        let len = patch.write(&bytes[..len], &mut out).expect("room");
        Descriptor::read(&out[..len], Some(structure)).expect("readable")
    }

    fn descriptors(structure: &Structure) -> [Descriptor; 5] {
        let plain = Descriptor::of(1, 7);
        let active = Descriptor {
            active_targets: Some(1),
            ..plain.clone()
        };
        let custom = Descriptor {
            indications: Some(Indications::default().with(0, Indication::Required)),
            differences: Some([1, 300, 4].into_iter().collect()),
            chains: Some([9; 32]).filter(|_| structure.chains == 32),
            ..plain.clone()
        };
        let both = Descriptor {
            active_targets: Some(1),
            ..custom.clone()
        };
        let first = Descriptor {
            structure: Some(Box::new(structure.clone())),
            ..both.clone()
        };
        [plain, active, custom, both, first]
    }

    #[test]
    fn number_and_bitmask_alone_change() {
        let structure = Structure::single_layer(640, 360);
        for descriptor in descriptors(&structure) {
            for mask in [None, Some(0), Some(1)] {
                let count = structure.targets;
                let patch = Patch {
                    number_shift: 10,
                    active_targets: mask.map(|mask| ActiveTargets { mask, count }),
                };
                let expected = Descriptor {
                    number: 7u16.wrapping_sub(10),
                    active_targets: mask.or(descriptor.active_targets),
                    ..descriptor.clone()
                };
                assert_eq!(patched(&descriptor, &structure, patch), expected);
            }
        }
    }

    #[test]
    fn what_is_truncated_or_does_not_fit_is_refused() {
        let active_targets = Some(ActiveTargets { mask: 1, count: 9 });
        let patch = Patch {
            number_shift: 0,
            active_targets,
        };
        let mut out = [0; 16];
        assert_eq!(patch.write(&[0x80, 1], &mut out), None);
        assert_eq!(patch.write(&[0x80, 0, 1], &mut out[..4]), None);
        assert_eq!(patch.write(&[0x80, 0, 1, 0x80], &mut out), None);
        assert_eq!(patch.write(&[0x80, 0, 1], &mut out), Some(5));
    }
}
