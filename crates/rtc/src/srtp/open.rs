use super::cipher::Cipher;
use super::error::OpenError;
use super::profile::{MasterKey, Profile};
use super::rtcp::RTCP_HEADER_LEN;
use super::window::{Refused, Window};
use rustc_hash::FxHashMap;
use wire::id::Ssrc;
use wire::rtp::Header;

/// SSRCs that a peer may use in the life of a transport. State is created after authentication
/// only, so this bounds a hostile participant, not an unauthenticated peer.
const MAX_STREAMS: usize = 1024;

/// Half of the sequence numbers.
const HALF: u16 = 1 << 15;

/// An accepted RTP packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Rollover counter and sequence number.
    pub index: u64,
    /// Bytes of header and decrypted payload at the start of the packet.
    pub len: usize,
}

/// Authenticates and decrypts the received packets of a transport (unprotect).
pub struct Opener {
    cipher: Cipher,
    rtp: FxHashMap<Ssrc, Window>,
    rtcp: FxHashMap<Ssrc, Window>,
    /// Copy of a received packet, for a second attempt; the buffer is reused.
    sealed: Vec<u8>,
}

impl Opener {
    /// Derive the session keys from `master`.
    pub fn new(profile: Profile, master: &MasterKey) -> Opener {
        Opener {
            cipher: Cipher::new(profile, master),
            rtp: FxHashMap::default(),
            rtcp: FxHashMap::default(),
            sealed: Vec::new(),
        }
    }

    /// Prefetch the keys.
    #[inline]
    pub fn prefetch(&self) {
        self.cipher.prefetch();
    }

    /// Return the profile in use.
    pub fn profile(&self) -> Profile {
        self.cipher.profile()
    }

    /// Authenticate and decrypt `packet`, whose parsed header is `header`, in place.
    ///
    /// Index, rollover counter and window change after authentication only (RFC 3711 section 3.3).
    pub fn open_rtp(&mut self, header: &Header, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let len = packet.len().saturating_sub(self.profile().rtp_overhead());
        if len < header.header_len {
            return Err(OpenError::Truncated);
        }
        let Some(window) = self.rtp.get_mut(&header.ssrc) else {
            let index = self.open_first(header, packet)?;
            return Ok(Opened { index, len });
        };
        let index = guess_index(window.highest(), header.sequence)?;
        window.check(index)?;
        self.cipher
            .open_rtp(header.ssrc.0, index, packet, header.header_len)?;
        window.accept(index);
        Ok(Opened { index, len })
    }

    /// Open the first packet of an SSRC and return its index.
    ///
    /// The rollover counter starts at zero (RFC 3711 section 3.3.1). Where the sequence number is
    /// small it may be one already: the sender began just below the wrap, and what it sent until
    /// then was lost.
    #[cold]
    fn open_first(&mut self, header: &Header, packet: &mut [u8]) -> Result<u64, OpenError> {
        let Header {
            ssrc,
            sequence,
            header_len,
            ..
        } = *header;
        let mut index = u64::from(sequence);
        let may_have_wrapped = sequence < HALF;
        if may_have_wrapped {
            self.sealed.clear();
            self.sealed.extend_from_slice(packet);
        }
        let mut opened = self.cipher.open_rtp(ssrc.0, index, packet, header_len);
        if opened.is_err() && may_have_wrapped {
            packet.copy_from_slice(&self.sealed);
            index += 1 << 16;
            opened = self.cipher.open_rtp(ssrc.0, index, packet, header_len);
        }
        opened?;
        remember(&mut self.rtp, ssrc, index)?;
        Ok(index)
    }

    /// Authenticate and decrypt the compound RTCP packet `packet` in place; return the decrypted
    /// length.
    ///
    /// Both profiles encrypt SRTCP. RFC 3711 section 3.4 lets a sender send a packet unencrypted
    /// by its E flag; such a packet is rejected, authentic or not.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let len = packet.len().saturating_sub(self.profile().rtcp_overhead());
        let Some(&[_, _, _, _, a, b, c, d]) = packet[..len].first_chunk::<RTCP_HEADER_LEN>() else {
            return Err(OpenError::Truncated);
        };
        let ssrc = Ssrc(u32::from_be_bytes([a, b, c, d]));
        let index = self.cipher.rtcp_index(packet);
        let index = index.ok_or(OpenError::NotEncrypted)?;
        let known = self.rtcp.get_mut(&ssrc);
        if let Some(window) = &known {
            window.check(index.into())?;
        }
        self.cipher.open_rtcp(ssrc.0, index, packet)?;
        match known {
            Some(window) => window.accept(index.into()),
            None => remember(&mut self.rtcp, ssrc, index.into())?,
        }
        Ok(len)
    }
}

/// Guess the packet index of `sequence` around the highest one seen (RFC 3711 section 3.3.1).
#[inline]
fn guess_index(highest: u64, sequence: u16) -> Result<u64, OpenError> {
    let (rollover, last) = (highest >> 16, highest as u16);
    let rollover = if last < HALF && sequence > last && sequence - last > HALF {
        // There is no index before zero.
        rollover.checked_sub(1).ok_or(OpenError::TooOld)?
    } else if last >= HALF && last - HALF > sequence {
        rollover + 1
    } else {
        rollover
    };
    Ok(rollover << 16 | u64::from(sequence))
}

fn remember(
    windows: &mut FxHashMap<Ssrc, Window>,
    ssrc: Ssrc,
    index: u64,
) -> Result<(), OpenError> {
    if windows.len() >= MAX_STREAMS {
        return Err(OpenError::TooManyStreams);
    }
    windows.insert(ssrc, Window::starting_at(index));
    Ok(())
}

impl From<Refused> for OpenError {
    fn from(refused: Refused) -> OpenError {
        match refused {
            Refused::Used => OpenError::Replayed,
            Refused::TooOld => OpenError::TooOld,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws_lc::HmacSha1;
    use crate::srtp::Sealer;
    use crate::srtp::derive::{Label, derive};
    use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    const PLAIN: [u8; 12] = [0x80, 201, 0, 2, 0, 0, 0, 9, 1, 2, 3, 4];
    /// Index 5, E flag clear.
    const CLEAR_WORD: [u8; 4] = [0, 0, 0, 5];

    fn master(profile: Profile) -> MasterKey {
        MasterKey::new(profile, &[7; 16], &[9; 14][..profile.salt_len()]).unwrap()
    }

    /// RFC 3711 section 3.4: the tag is valid, and the E flag says that the packet is not
    /// encrypted.
    fn authentic_in_the_clear(profile: Profile) -> Vec<u8> {
        let (master, signed) = (master(profile), [&PLAIN[..], &CLEAR_WORD].concat());
        match profile {
            Profile::Aes128CmSha1_80 => {
                let auth = HmacSha1::new(&derive(&master, Label::RtcpAuth));
                let tag = auth.sign([&signed, &[]]);
                [&signed, &tag[..10]].concat()
            }
            // RFC 7714 section 9.3.
            Profile::AeadAes128Gcm => {
                let key = derive::<16>(&master, Label::RtcpKey);
                let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &*key).unwrap());
                let mut nonce = *derive::<12>(&master, Label::RtcpSalt);
                nonce[5] ^= 9;
                nonce[11] ^= 5;
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&signed), &mut []);
                [&PLAIN, tag.unwrap().as_ref(), &CLEAR_WORD].concat()
            }
        }
    }

    #[test]
    fn unencrypted_rtcp_is_rejected_though_authentic() {
        for profile in Profile::ALL {
            let mut opener = Opener::new(profile, &master(profile));
            let mut packet = authentic_in_the_clear(profile);
            let refused = Err(OpenError::NotEncrypted);
            assert_eq!(opener.open_rtcp(&mut packet), refused, "{}", profile.name());
            // It used up no index and no state.
            let mut sealer = Sealer::new(profile, &master(profile));
            let mut packet = [&PLAIN[..], &[0; 20][..profile.rtcp_overhead()]].concat();
            sealer.seal_rtcp(&mut packet, PLAIN.len()).unwrap();
            assert_eq!(opener.open_rtcp(&mut packet), Ok(PLAIN.len()));
        }
    }

    #[test]
    fn the_guess_takes_the_nearer_rollover() {
        assert_eq!(guess_index(65_535, 0), Ok(65_536));
        assert_eq!(guess_index(65_536, 65_535), Ok(65_535));
        assert_eq!(guess_index(3 << 16 | 10, 65_000), Ok(2 << 16 | 65_000));
        assert_eq!(guess_index(3 << 16 | 40_000, 10_000), Ok(3 << 16 | 10_000));
        assert_eq!(guess_index(3 << 16 | 50_000, 10), Ok(4 << 16 | 10));
        assert_eq!(guess_index(10, 65_000), Err(OpenError::TooOld));
    }
}
