//! Layers of one stream: which frames they consist of, and which frames a receiver gets.
//!
//! [`described`] keeps what the dependency descriptors of an incoming stream say; [`filter`] selects
//! for one receiver, by descriptors where there are some, else by payload descriptors (VP8, VP9).
//! Frames are selected whole: all packets of a frame are sent, or none.

pub mod described;
pub mod filter;

/// A spatial and a temporal layer; a receiver of it gets the lower ones that it refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer {
    /// Spatial layer, lowest 0.
    pub spatial: u8,
    /// Temporal layer, lowest 0.
    pub temporal: u8,
}

impl Layer {
    /// All layers of a stream.
    pub const ALL: Self = Self {
        spatial: u8::MAX,
        temporal: u8::MAX,
    };

    /// Return whether a layer is neither spatially nor temporally above this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        other.spatial <= self.spatial && other.temporal <= self.temporal
    }
}
