use super::cipher::Cipher;
use super::error::{SealError, SsrcReused};
use super::profile::{MasterKey, Profile};
use super::rtcp::RTCP_HEADER_LEN;
use super::window::{Refused, Window};
use rustc_hash::FxHashSet;
use wire::id::Ssrc;

const RTP_HEADER_LEN: usize = 12;
/// One past the last packet index: 32 bits of rollover counter, 16 of sequence number.
const INDEX_END: u64 = 1 << 48;
/// One past the last SRTCP index.
const RTCP_INDEX_END: u32 = 1 << 31;

/// Encrypts and authenticates the outgoing packets of a transport (protect).
pub struct Sealer {
    cipher: Cipher,
    handed_out: FxHashSet<Ssrc>,
    next_rtcp_index: u32,
}

impl Sealer {
    /// Derive the session keys from `master`.
    pub fn new(profile: Profile, master: &MasterKey) -> Sealer {
        Sealer {
            cipher: Cipher::new(profile, master),
            handed_out: FxHashSet::default(),
            next_rtcp_index: 1,
        }
    }

    /// Return the profile in use.
    pub fn profile(&self) -> Profile {
        self.cipher.profile()
    }

    /// Prefetch the keys.
    #[inline]
    pub fn prefetch(&self) {
        self.cipher.prefetch();
    }

    /// Allocate `ssrc`, once in the life of this sealer: a second stream with the same SSRC would
    /// reuse indices (RFC 3711 section 9.1).
    pub fn stream(&mut self, ssrc: Ssrc) -> Result<SealStream, SsrcReused> {
        if !self.handed_out.insert(ssrc) {
            return Err(SsrcReused(ssrc));
        }
        Ok(SealStream { ssrc, used: None })
    }

    /// Seal the RTP packet of `plain_len` bytes at the start of `packet` in place.
    ///
    /// `index` is rollover counter and sequence number, `header_len` counts CSRCs and extensions.
    /// Returns the sealed length, `plain_len` + [`Profile::rtp_overhead`] bytes.
    pub fn seal_rtp(
        &mut self,
        stream: &mut SealStream,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
        plain_len: usize,
    ) -> Result<usize, SealError> {
        let sealed_len = plain_len + self.profile().rtp_overhead();
        if header_len < RTP_HEADER_LEN || header_len > plain_len || sealed_len > packet.len() {
            return Err(SealError::Size);
        }
        stream.claim(index, packet)?;
        self.cipher
            .seal_rtp(stream.ssrc.0, index, packet, header_len, plain_len)?;
        Ok(sealed_len)
    }

    /// Seal the compound RTCP packet of `plain_len` bytes at the start of `packet` in place.
    ///
    /// Returns the sealed length, `plain_len` + [`Profile::rtcp_overhead`] bytes. All SSRCs of a
    /// transport share one index, so every nonce differs.
    pub fn seal_rtcp(&mut self, packet: &mut [u8], plain_len: usize) -> Result<usize, SealError> {
        let sealed_len = plain_len + self.profile().rtcp_overhead();
        if plain_len < RTCP_HEADER_LEN || sealed_len > packet.len() {
            return Err(SealError::Size);
        }
        let index = self.next_rtcp_index;
        if index >= RTCP_INDEX_END {
            return Err(SealError::IndexExhausted);
        }
        self.next_rtcp_index += 1;
        let ssrc = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        self.cipher.seal_rtcp(ssrc, index, packet, plain_len)?;
        Ok(sealed_len)
    }
}

/// The SRTP stream of one SSRC, with the window of sealed indices.
#[derive(Debug)]
pub struct SealStream {
    ssrc: Ssrc,
    used: Option<Window>,
}

impl SealStream {
    /// Return the SSRC of the stream.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Mark `index` as used, whether or not the packet is sent: a nonce is used once.
    #[inline]
    fn claim(&mut self, index: u64, packet: &[u8]) -> Result<(), SealError> {
        if index >= INDEX_END {
            return Err(SealError::IndexExhausted);
        }
        let same_sequence = packet[2..4] == (index as u16).to_be_bytes();
        if !same_sequence || packet[8..12] != self.ssrc.0.to_be_bytes() {
            return Err(SealError::HeaderMismatch);
        }
        match &mut self.used {
            None => self.used = Some(Window::starting_at(index)),
            Some(used) => {
                used.check(index)?;
                used.accept(index);
            }
        }
        Ok(())
    }
}

impl From<Refused> for SealError {
    fn from(refused: Refused) -> SealError {
        match refused {
            Refused::Used => SealError::IndexReused,
            Refused::TooOld => SealError::IndexTooOld,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtcp_indices_end_before_they_repeat() {
        let master = MasterKey::new(Profile::AeadAes128Gcm, &[1; 16], &[2; 12]).unwrap();
        let mut sealer = Sealer::new(Profile::AeadAes128Gcm, &master);
        sealer.next_rtcp_index = RTCP_INDEX_END - 1;
        assert!(sealer.seal_rtcp(&mut [0; 40], 8).is_ok());
        assert_eq!(
            sealer.seal_rtcp(&mut [0; 40], 8),
            Err(SealError::IndexExhausted)
        );
    }
}
