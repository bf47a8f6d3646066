use super::derive::{Label, derive};
use super::error::{OpenError, SealError};
use super::profile::MasterKey;
use super::rtcp::{RTCP_HEADER_LEN, index_word};
use crate::aws_lc::Zeroed;
use crate::prefetch::prefetch;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const TAG_LEN: usize = 16;
const WORD_LEN: usize = 4;

/// AEAD_AES_128_GCM for SRTP and SRTCP (RFC 7714).
pub(super) struct Gcm {
    rtp: Half,
    rtcp: Half,
}

impl Gcm {
    pub(super) fn new(master: &MasterKey) -> Gcm {
        let rtp = Half::new(
            &derive(master, Label::RtpKey),
            &derive(master, Label::RtpSalt),
        );
        let rtcp = Half::new(
            &derive(master, Label::RtcpKey),
            &derive(master, Label::RtcpSalt),
        );
        Gcm { rtp, rtcp }
    }

    /// Prefetch the keys for RTP.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch(&self.rtp, size_of::<Half>());
    }

    /// Seal header, payload and tag in place (RFC 7714 section 8).
    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
        plain_len: usize,
    ) -> Result<(), SealError> {
        let (header, rest) = packet.split_at_mut(header_len);
        let (payload, tag) = rest.split_at_mut(plain_len - header_len);
        self.rtp
            .seal(ssrc, index, header, payload, &mut tag[..TAG_LEN])
    }

    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<(), OpenError> {
        let (header, sealed) = packet.split_at_mut(header_len);
        self.rtp.open(ssrc, index, header, sealed)
    }

    /// Seal in place; the index word follows the tag (RFC 7714 section 9).
    pub(super) fn seal_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
        plain_len: usize,
    ) -> Result<(), SealError> {
        let word = index_word(index);
        let (plain, end) = packet.split_at_mut(plain_len);
        let (tag, word_room) = end.split_at_mut(TAG_LEN);
        word_room[..WORD_LEN].copy_from_slice(&word);
        let (header, payload) = plain.split_at_mut(RTCP_HEADER_LEN);
        let aad = rtcp_aad(header, word);
        self.rtcp.seal(ssrc, index.into(), &aad, payload, tag)
    }

    pub(super) fn open_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
    ) -> Result<(), OpenError> {
        let word = self.rtcp_word(packet);
        let end = packet.len() - WORD_LEN;
        let (header, sealed) = packet[..end].split_at_mut(RTCP_HEADER_LEN);
        let aad = rtcp_aad(header, word);
        self.rtcp.open(ssrc, index.into(), &aad, sealed)
    }

    pub(super) fn rtcp_word(&self, packet: &[u8]) -> [u8; WORD_LEN] {
        packet.last_chunk().copied().unwrap_or_default()
    }
}

/// The key of one protocol.
struct Half {
    key: Zeroed<LessSafeKey>,
    /// 96 bits.
    salt: Zeroed<u128>,
}

impl Half {
    fn new(key: &[u8; 16], salt: &[u8; 12]) -> Half {
        let key = UnboundKey::new(&AES_128_GCM, key).expect("a 16-byte key fits AES-128");
        let mut wide = [0; 16];
        wide[4..].copy_from_slice(salt);
        Half {
            key: Zeroed::new(LessSafeKey::new(key)),
            salt: Zeroed::new(u128::from_be_bytes(wide)),
        }
    }

    /// The counter nonce of RFC 7714 sections 8.1 and 9.1: SSRC and index, masked by the salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let wide = (*self.salt ^ (u128::from(ssrc) << 48 | u128::from(index))).to_be_bytes();
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&wide[4..]);
        Nonce::assume_unique_for_key(nonce)
    }

    #[inline]
    fn seal(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        payload: &mut [u8],
        tag_room: &mut [u8],
    ) -> Result<(), SealError> {
        let nonce = self.nonce(ssrc, index);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), payload)
            .map_err(|_| SealError::Size)?;
        tag_room.copy_from_slice(tag.as_ref());
        Ok(())
    }

    #[inline]
    fn open(&self, ssrc: u32, index: u64, aad: &[u8], sealed: &mut [u8]) -> Result<(), OpenError> {
        self.key
            .open_in_place(self.nonce(ssrc, index), Aad::from(aad), sealed)
            .map(|_| ())
            .map_err(|_| OpenError::BadTag)
    }
}

fn rtcp_aad(header: &[u8], word: [u8; WORD_LEN]) -> [u8; RTCP_HEADER_LEN + WORD_LEN] {
    let mut aad = [0; RTCP_HEADER_LEN + WORD_LEN];
    aad[..RTCP_HEADER_LEN].copy_from_slice(header);
    aad[RTCP_HEADER_LEN..].copy_from_slice(&word);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7714 sections 16 and 17 give session keys, not a master key.
    fn gcm() -> Gcm {
        let half = || {
            Half::new(
                &0x000102030405060708090a0b0c0d0e0f_u128.to_be_bytes(),
                b"Quid pro quo",
            )
        };
        Gcm {
            rtp: half(),
            rtcp: half(),
        }
    }

    const RTP: [u8; 12] = [
        0x80, 0x40, 0xf1, 0x7b, 0x80, 0x41, 0xf8, 0xd3, 0x55, 0x01, 0xa0, 0xb2,
    ];
    const GALLIA: &[u8; 38] = b"Gallia est omnis divisa in partes tres";
    const SEALED_GALLIA: [u8; 54] = [
        0xf2, 0x4d, 0xe3, 0xa3, 0xfb, 0x34, 0xde, 0x6c, 0xac, 0xba, 0x86, 0x1c, 0x9d, 0x7e, 0x4b,
        0xca, 0xbe, 0x63, 0x3b, 0xd5, 0x0d, 0x29, 0x4e, 0x6f, 0x42, 0xa5, 0xf4, 0x7a, 0x51, 0xc7,
        0xd1, 0x9b, 0x36, 0xde, 0x3a, 0xdf, 0x88, 0x33, 0x89, 0x9d, 0x7f, 0x27, 0xbe, 0xb1, 0x6a,
        0x91, 0x52, 0xcf, 0x76, 0x5e, 0xe4, 0x39, 0x0c, 0xce,
    ];

    /// RFC 7714 section 16.1.
    #[test]
    fn rtp_matches_the_rfc() {
        let mut packet = [&RTP[..], GALLIA, &[0; TAG_LEN]].concat();
        let sealed = [&RTP[..], &SEALED_GALLIA].concat();
        gcm()
            .seal_rtp(0x5501a0b2, 0xf17b, &mut packet, 12, 50)
            .unwrap();
        assert_eq!(packet, sealed);
        gcm().open_rtp(0x5501a0b2, 0xf17b, &mut packet, 12).unwrap();
        assert_eq!(packet[12..50], GALLIA[..]);
    }

    const RTCP: [u8; 44] = [
        0x81, 0xc8, 0x00, 0x0d, 0x4d, 0x61, 0x72, 0x73, 0x4e, 0x54, 0x50, 0x31, 0x4e, 0x54, 0x50,
        0x32, 0x52, 0x54, 0x50, 0x20, 0x00, 0x00, 0x04, 0x2a, 0x00, 0x00, 0xe9, 0x30, 0x4c, 0x75,
        0x6e, 0x61, 0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef,
    ];
    const SEALED_RTCP: [u8; 60] = [
        0x63, 0xe9, 0x48, 0x85, 0xdc, 0xda, 0xb6, 0x7c, 0xa7, 0x27, 0xd7, 0x66, 0x2f, 0x6b, 0x7e,
        0x99, 0x7f, 0xf5, 0xc0, 0xf7, 0x6c, 0x06, 0xf3, 0x2d, 0xc6, 0x76, 0xa5, 0xf1, 0x73, 0x0d,
        0x6f, 0xda, 0x4c, 0xe0, 0x9b, 0x46, 0x86, 0x30, 0x3d, 0xed, 0x0b, 0xb9, 0x27, 0x5b, 0xc8,
        0x4a, 0xa4, 0x58, 0x96, 0xcf, 0x4d, 0x2f, 0xc5, 0xab, 0xf8, 0x72, 0x45, 0xd9, 0xea, 0xde,
    ];

    fn rtcp_plain() -> Vec<u8> {
        [&RTCP[..], &[0xde, 0xad, 0xbe, 0xef].repeat(2)].concat()
    }

    /// RFC 7714 section 17.1.
    #[test]
    fn rtcp_matches_the_rfc() {
        let mut packet = [rtcp_plain(), vec![0; 20]].concat();
        let sealed = [&RTCP[..8], &SEALED_RTCP, &[0x80, 0x00, 0x05, 0xd4]].concat();
        gcm().seal_rtcp(0x4d617273, 0x5d4, &mut packet, 52).unwrap();
        assert_eq!(packet, sealed);
        gcm().open_rtcp(0x4d617273, 0x5d4, &mut packet).unwrap();
        assert_eq!(packet[..52], rtcp_plain());
    }
}
