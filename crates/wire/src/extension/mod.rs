//! RTP header extensions: URIs, negotiated identifiers and elements (RFC 8285).

mod block;
mod elements;
mod value;

pub use block::{BlockWriter, Form, MAX_BLOCK_LEN, append};
pub use elements::Elements;
pub use value::{AbsCaptureTime, AudioLevel, Values, read_transport_sequence};

use crate::error::ExtensionMapError;

/// A supported header extension.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Extension {
    /// SDES MID (RFC 9143 section 15).
    Mid,
    /// SDES RtpStreamId (RFC 8852 section 3.1).
    Rid,
    /// SDES RepairedRtpStreamId (RFC 8852 section 3.2).
    RepairedRid,
    /// Departure time, 24 bits of 6.18 seconds.
    AbsSendTime,
    /// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportSequence,
    /// Client-to-mixer audio level (RFC 6464).
    AudioLevel,
    /// Coordination of video orientation (3GPP TS 26.114).
    VideoOrientation,
    /// Limits of the receiver's playout delay.
    PlayoutDelay,
    /// Capture time at the first capturer.
    AbsCaptureTime,
    /// Dependency descriptor (AV1 RTP specification, appendix A).
    DependencyDescriptor,
    /// Bitrates and sizes of the layers sent.
    VideoLayersAllocation,
}

impl Extension {
    /// Every extension, in the order of its discriminant.
    pub const ALL: [Extension; 11] = [
        Extension::Mid,
        Extension::Rid,
        Extension::RepairedRid,
        Extension::AbsSendTime,
        Extension::TransportSequence,
        Extension::AudioLevel,
        Extension::VideoOrientation,
        Extension::PlayoutDelay,
        Extension::AbsCaptureTime,
        Extension::DependencyDescriptor,
        Extension::VideoLayersAllocation,
    ];

    /// Return the URI of the extension in `a=extmap`.
    pub const fn uri(self) -> &'static str {
        match self {
            Extension::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Extension::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Extension::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Extension::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Extension::TransportSequence => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Extension::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Extension::VideoOrientation => "urn:3gpp:video-orientation",
            Extension::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Extension::AbsCaptureTime => {
                "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
            }
            Extension::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Extension::VideoLayersAllocation => {
                "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
            }
        }
    }

    /// Return the extension with this URI.
    pub fn from_uri(uri: &str) -> Option<Extension> {
        Extension::ALL.into_iter().find(|known| known.uri() == uri)
    }
}

/// Identifiers of one-byte elements are 1..=14 (RFC 8285 section 4.2).
const ONE_BYTE_IDS: usize = 15;

/// The negotiated identifiers of one transport; 26 bytes, looked up by index.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExtensionMap {
    ids: [u8; Extension::ALL.len()],
    by_id: [Option<Extension>; ONE_BYTE_IDS],
}

impl ExtensionMap {
    /// Create a map without extensions.
    pub fn new() -> ExtensionMap {
        ExtensionMap::default()
    }

    /// Assign `id` to `extension`; an earlier identifier of the same extension is removed.
    ///
    /// Under BUNDLE one identifier means one extension across all m-lines (RFC 9143 section 9.2).
    pub fn insert(&mut self, id: u8, extension: Extension) -> Result<(), ExtensionMapError> {
        if id == 0 || id == 15 {
            return Err(ExtensionMapError::ReservedId);
        }
        if self.extension(id).is_some_and(|other| other != extension) {
            return Err(ExtensionMapError::IdTaken);
        }
        let earlier = core::mem::replace(&mut self.ids[extension as usize], id);
        if let Some(slot) = self.by_id.get_mut(usize::from(earlier)) {
            *slot = None;
        }
        if let Some(slot) = self.by_id.get_mut(usize::from(id)) {
            *slot = Some(extension);
        }
        Ok(())
    }

    /// Return the identifier of `extension`.
    #[inline]
    pub fn id(&self, extension: Extension) -> Option<u8> {
        match self.ids[extension as usize] {
            0 => None,
            id => Some(id),
        }
    }

    /// Return the extension with this identifier.
    #[inline]
    pub fn extension(&self, id: u8) -> Option<Extension> {
        match self.by_id.get(usize::from(id)) {
            Some(&found) => found,
            None => Extension::ALL
                .into_iter()
                .find(|&known| self.id(known) == Some(id)),
        }
    }

    /// Return the smallest element form that carries every identifier of the map.
    pub fn form(&self) -> Form {
        if self.ids.iter().any(|&id| usize::from(id) >= ONE_BYTE_IDS) {
            Form::TwoByte
        } else {
            Form::OneByte
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uri_finds_its_extension() {
        for (index, extension) in Extension::ALL.into_iter().enumerate() {
            assert_eq!(extension as usize, index);
            assert_eq!(Extension::from_uri(extension.uri()), Some(extension));
        }
        assert_eq!(Extension::from_uri("urn:unknown"), None);
    }

    #[test]
    fn one_identifier_means_one_extension() {
        let mut map = ExtensionMap::new();
        map.insert(3, Extension::Mid).unwrap();
        map.insert(3, Extension::Mid).unwrap();
        assert_eq!(
            map.insert(3, Extension::Rid),
            Err(ExtensionMapError::IdTaken)
        );
        assert_eq!(
            map.insert(0, Extension::Rid),
            Err(ExtensionMapError::ReservedId)
        );
        assert_eq!(
            map.insert(15, Extension::Rid),
            Err(ExtensionMapError::ReservedId)
        );
        assert_eq!(map.extension(3), Some(Extension::Mid));
        assert_eq!(map.id(Extension::Rid), None);
    }

    #[test]
    fn a_new_identifier_replaces_the_old_one() {
        let mut map = ExtensionMap::new();
        map.insert(3, Extension::Mid).unwrap();
        map.insert(200, Extension::Mid).unwrap();
        assert_eq!(map.extension(3), None);
        assert_eq!(map.extension(200), Some(Extension::Mid));
        assert_eq!(map.form(), Form::TwoByte);
    }

    #[test]
    fn unset_identifiers_stand_for_nothing() {
        let map = ExtensionMap::new();
        assert!((0..=255).all(|id| map.extension(id).is_none()));
        assert_eq!(map.form(), Form::OneByte);
    }
}
