//! What a video subscription asks for, and the layers that it may get.

/// A video subscription of a transport.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Its identifier, unique among the wishes; the lower one comes first where all else is equal.
    pub id: u32,
    /// Its priority.
    pub rank: Rank,
    /// What it asks for.
    pub ask: Ask,
    /// The layers of its publication, from the lowest quality to the highest: by encoding, then
    /// spatial layer, then temporal layer.
    pub candidates: &'a [Candidate],
    /// What it has now.
    pub held: Held,
}

/// The priority of a subscription: a higher rank gets its steps first. The most significant
/// comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Whether the client pinned it.
    pub pinned: bool,
    /// The priority that the client gave, 0 the lowest.
    pub priority: u8,
    /// Whether it is a shared screen.
    pub screen: bool,
    /// Whether its publisher is the active speaker.
    pub speaker: bool,
}

/// What a subscription asks for; all of it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// No encoding above this one, by [`Candidate::encoding`].
    pub encoding: Option<u8>,
    /// The size at which the video is shown.
    pub size: Option<FrameSize>,
    /// The highest useful frame rate, in frames per second.
    pub fps: Option<u16>,
    /// No spatial layer above this one.
    pub spatial: Option<u8>,
    /// No temporal layer above this one.
    pub temporal: Option<u8>,
}

/// A frame size in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameSize {
    /// Pixels per line.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

impl FrameSize {
    /// Return the number of pixels.
    #[must_use]
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// One layer of a publication: an encoding up to a spatial and a temporal layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Number of the encoding in the publication.
    pub encoding: u8,
    /// The highest spatial layer of it.
    pub spatial: u8,
    /// The highest temporal layer of it.
    pub temporal: u8,
    /// Bitrate on the wire of all packets up to this layer, bit/s.
    pub wire_bps: u64,
    /// Frame size; `None`: unknown.
    pub size: Option<FrameSize>,
    /// Frames per second; 0: unknown.
    pub fps: u16,
    /// Whether it is being sent, or will be as soon as it is granted (dynacast).
    pub usable: bool,
}

/// What a subscription has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// Nothing has been granted to it yet.
    #[default]
    New,
    /// It is paused.
    Paused,
    /// This candidate.
    Candidate(usize),
}
