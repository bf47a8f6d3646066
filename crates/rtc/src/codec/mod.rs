//! What the SFU needs to know of a payload, and what it must rewrite, per codec.
//!
//! [`describe`] reads a payload once per incoming packet. Its answer, [`Described`], is small and
//! `Copy`, so that it can stand in the history beside the packet and serve every subscriber.
//! [`picture::Rewriter`] keeps one subscriber's picture ids continuous.

pub mod av1;
mod bits;
pub mod dependency;
pub mod h264;
pub mod h265;
pub mod opus;
pub mod picture;
pub mod red;
pub mod vp8;
pub mod vp9;

pub use picture::{PictureShift, Rewriter};

/// The codecs that are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Codec {
    Vp8,
    Vp9,
    H264,
    H265,
    Av1,
    Opus,
    Red,
    Pcmu,
    Pcma,
}

/// Whether a codec carries sound or pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    Audio,
    Video,
}

/// What one packet says of the frame it belongs to: all that layer selection ever sees.
///
/// Of a frame that spans several packets each field holds only what this packet itself tells: the
/// later packets of a VP8 key frame do not say that it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// A frame (of its spatial layer) can begin with this packet.
    pub start: bool,
    /// The frame (of its spatial layer) ends with this packet.
    pub end: bool,
    /// The frame needs no earlier one. A gate opens where `start` and `keyframe` meet.
    pub keyframe: bool,
    /// A receiver may move up to this temporal layer from here.
    pub switch_point: bool,
    /// No other frame refers to this one.
    pub discardable: bool,
    /// Spatial layer, lowest 0.
    pub spatial: u8,
    /// Temporal layer, lowest 0.
    pub temporal: u8,
}

/// A payload as [`describe`] read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// The frame it belongs to.
    pub info: FrameInfo,
    /// Where the numbers stand that must stay continuous over a switch (VP8, VP9).
    pub picture: picture::Fields,
    /// The payload could be read; if not, count it, and `info` says nothing but `end`.
    pub readable: bool,
    /// An H.264 SPS or H.265 SPS stands in this packet.
    pub parameter_sets: bool,
    /// Silence (Opus DTX); such packets are never padded.
    pub dtx: bool,
}

impl Described {
    /// Say whether a gate may open here: a frame begins that needs no earlier one.
    #[inline]
    #[must_use]
    pub fn starts_keyframe(&self) -> bool {
        self.info.start && self.info.keyframe
    }
}

impl Codec {
    /// Parse the encoding name of `a=rtpmap`, in any case (RFC 4855 section 3).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Return the encoding name as it is registered with IANA.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Av1 => "AV1",
            Self::Opus => "opus",
            Self::Red => "red",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// Tell sound from pictures.
    pub fn kind(self) -> Kind {
        match self {
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1 => Kind::Video,
            Self::Opus | Self::Red | Self::Pcmu | Self::Pcma => Kind::Audio,
        }
    }

    /// Return the RTP clock rate in Hz. RED is taken as carrying Opus, as browsers offer it.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1 => 90_000,
            Self::Opus | Self::Red => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    const ALL: [Self; 9] = [
        Self::Vp8,
        Self::Vp9,
        Self::H264,
        Self::H265,
        Self::Av1,
        Self::Opus,
        Self::Red,
        Self::Pcmu,
        Self::Pcma,
    ];
}

/// Describe a payload (without padding), given the RTP marker bit.
///
/// Never fails: an unreadable payload is not `readable`, starts nothing and is no key frame.
pub fn describe(codec: Codec, payload: &[u8], marker: bool) -> Described {
    let described = match codec {
        Codec::Vp8 => vp8::describe(payload, marker),
        Codec::Vp9 => vp9::describe(payload),
        Codec::H264 => h264::describe(payload, marker),
        Codec::H265 => h265::describe(payload, marker),
        Codec::Av1 => av1::describe(payload, marker),
        Codec::Opus => opus::describe(payload),
        Codec::Red => red::describe(payload),
        Codec::Pcmu | Codec::Pcma => (!payload.is_empty()).then(Described::sound),
    };
    described.unwrap_or_else(|| Described::unreadable(marker))
}

impl Described {
    /// A packet of sound: a frame of its own that needs no other.
    fn sound() -> Self {
        let info = FrameInfo {
            start: true,
            end: true,
            keyframe: true,
            switch_point: true,
            ..FrameInfo::default()
        };
        Self {
            info,
            readable: true,
            ..Self::default()
        }
    }

    fn unreadable(marker: bool) -> Self {
        let info = FrameInfo {
            end: marker,
            ..FrameInfo::default()
        };
        Self {
            info,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn described_stays_small_enough_to_copy_per_subscriber() {
        assert!(size_of::<Described>() <= 32);
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!(Codec::from_name("vp8"), Some(Codec::Vp8));
        assert_eq!(Codec::from_name("OPUS"), Some(Codec::Opus));
        assert_eq!(Codec::from_name("VP80"), None);
        for codec in Codec::ALL {
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
    }

    #[test]
    fn an_empty_payload_is_unreadable_in_every_codec() {
        for codec in Codec::ALL {
            let described = describe(codec, &[], true);
            assert!(!described.readable && !described.info.start && !described.info.keyframe);
        }
    }
}
