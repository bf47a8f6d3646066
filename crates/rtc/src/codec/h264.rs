//! x
use super::Described;
pub(super) fn describe(_: &[u8], _: bool) -> Option<Described> {
    None
}
/// The last parameter sets seen.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {}
impl ParameterSets {
    /// Keep the parameter sets of a payload whose description says `parameter_sets`.
    pub fn remember(&mut self, _payload: &[u8]) {}
    /// Write one STAP-A; return its length.
    pub fn write(&self, _out: &mut [u8]) -> Option<usize> {
        None
    }
}
