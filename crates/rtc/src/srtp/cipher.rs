use super::cm::Cm;
use super::error::{OpenError, SealError};
use super::gcm::Gcm;
use super::profile::{MasterKey, Profile};
use super::rtcp::ENCRYPTED;
use crate::prefetch::prefetch;

/// The keyed transforms of one direction. Callers have checked all lengths.
pub(super) enum Cipher {
    Gcm(Box<Gcm>),
    Cm(Box<Cm>),
}

impl Cipher {
    /// Prefetch the keys for RTP.
    #[inline]
    pub(super) fn prefetch(&self) {
        match self {
            Cipher::Gcm(gcm) => gcm.prefetch(),
            Cipher::Cm(cm) => prefetch(&**cm, size_of::<Cm>()),
        }
    }

    pub(super) fn new(profile: Profile, master: &MasterKey) -> Cipher {
        match profile {
            Profile::AeadAes128Gcm => Cipher::Gcm(Box::new(Gcm::new(master))),
            Profile::Aes128CmSha1_80 => Cipher::Cm(Box::new(Cm::new(master))),
        }
    }

    pub(super) fn profile(&self) -> Profile {
        match self {
            Cipher::Gcm(_) => Profile::AeadAes128Gcm,
            Cipher::Cm(_) => Profile::Aes128CmSha1_80,
        }
    }

    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
        plain_len: usize,
    ) -> Result<(), SealError> {
        match self {
            Cipher::Gcm(gcm) => gcm.seal_rtp(ssrc, index, packet, header_len, plain_len),
            Cipher::Cm(cm) => {
                cm.seal_rtp(ssrc, index, packet, header_len, plain_len);
                Ok(())
            }
        }
    }

    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<(), OpenError> {
        match self {
            Cipher::Gcm(gcm) => gcm.open_rtp(ssrc, index, packet, header_len),
            Cipher::Cm(cm) => cm.open_rtp(ssrc, index, packet, header_len),
        }
    }

    pub(super) fn seal_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
        plain_len: usize,
    ) -> Result<(), SealError> {
        match self {
            Cipher::Gcm(gcm) => gcm.seal_rtcp(ssrc, index, packet, plain_len),
            Cipher::Cm(cm) => {
                cm.seal_rtcp(ssrc, index, packet, plain_len);
                Ok(())
            }
        }
    }

    pub(super) fn open_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
    ) -> Result<(), OpenError> {
        match self {
            Cipher::Gcm(gcm) => gcm.open_rtcp(ssrc, index, packet),
            Cipher::Cm(cm) => cm.open_rtcp(ssrc, index, packet),
        }
    }

    /// Return the 31-bit index of an SRTCP packet, `None` where its E flag is not set.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let word = match self {
            Cipher::Gcm(gcm) => gcm.rtcp_word(packet),
            Cipher::Cm(cm) => cm.rtcp_word(packet),
        };
        let word = u32::from_be_bytes(word);
        (word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)
    }
}
