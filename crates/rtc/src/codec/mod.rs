//! Payload descriptors per codec: what forwarding reads and what it rewrites.
//!
//! [`describe`] parses a payload once per incoming packet. Its result, [`Described`], is small and
//! `Copy`, so that it is kept in the history beside the packet for every subscriber.
//! [`picture_id::Rewriter`] keeps the picture ids of one subscriber continuous.

pub mod av1;
pub mod dependency;
pub mod frame_size;
pub mod h264;
pub mod h265;
pub mod opus;
pub mod picture_id;
pub mod red;
pub mod vp8;
pub mod vp9;

pub use picture_id::Rewriter;

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

/// Media kind of a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    Audio,
    Video,
}

/// Frame of one packet, as layer selection reads it.
///
/// Each field is read from this packet alone: the later packets of a VP8 key frame do not have
/// `keyframe` set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// A frame (of its spatial layer) can begin with this packet.
    pub start: bool,
    /// The frame (of its spatial layer) ends with this packet.
    pub end: bool,
    /// The frame needs no earlier one. Forwarding can start where both `start` and `keyframe` are
    /// set.
    pub keyframe: bool,
    /// A receiver may switch up to this temporal layer from here.
    pub switch_point: bool,
    /// No other frame refers to this one.
    pub discardable: bool,
    /// Spatial layer, lowest 0.
    pub spatial: u8,
    /// Temporal layer, lowest 0.
    pub temporal: u8,
}

/// Result of [`describe`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// The frame of the packet.
    pub info: FrameInfo,
    /// Picture id, TL0PICIDX and KEYIDX, which stay continuous over a switch (VP8, VP9).
    pub picture_ids: picture_id::Fields,
    /// The payload was parsed; if not, only `info.end` is set.
    pub readable: bool,
    /// The packet has H.264 or H.265 parameter sets.
    pub parameter_sets: bool,
    /// Opus DTX; such packets are never padded.
    pub dtx: bool,
}

impl Described {
    /// Return whether a keyframe starts with this packet, so that forwarding can start.
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

    /// Return the media kind.
    pub fn kind(self) -> Kind {
        match self {
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1 => Kind::Video,
            Self::Opus | Self::Red | Self::Pcmu | Self::Pcma => Kind::Audio,
        }
    }

    /// Return the RTP clock rate in Hz. RED is assumed to carry Opus, as browsers offer it.
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
        Codec::Pcmu | Codec::Pcma => (!payload.is_empty()).then(Described::audio),
    };
    described.unwrap_or_else(|| Described::unreadable(marker))
}

impl Described {
    /// Return the description of an audio packet: a frame of its own that needs no other.
    fn audio() -> Self {
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

    /// Return the description of a packet that cannot be read.
    #[must_use]
    pub fn unreadable(marker: bool) -> Self {
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
