use super::derive::{Label, derive};
use super::error::OpenError;
use super::profile::MasterKey;
use super::rtcp::{RTCP_HEADER_LEN, index_word};
use crate::aws_lc::{AesCtr, HmacSha1, Zeroed};

const TAG_LEN: usize = 10;
const WORD_LEN: usize = 4;

/// AES_CM_128_HMAC_SHA1_80 for SRTP and SRTCP (RFC 3711).
pub(super) struct Cm {
    rtp: Half,
    rtcp: Half,
}

impl Cm {
    pub(super) fn new(master: &MasterKey) -> Cm {
        let rtp = Half {
            cipher: AesCtr::new(&derive(master, Label::RtpKey)),
            auth: HmacSha1::new(&derive(master, Label::RtpAuth)),
            salt: wide_salt(&derive(master, Label::RtpSalt)),
        };
        let rtcp = Half {
            cipher: AesCtr::new(&derive(master, Label::RtcpKey)),
            auth: HmacSha1::new(&derive(master, Label::RtcpAuth)),
            salt: wide_salt(&derive(master, Label::RtcpSalt)),
        };
        Cm { rtp, rtcp }
    }

    /// Encrypt the payload in place and append the tag (RFC 3711 section 3.3).
    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
        plain_len: usize,
    ) {
        let (plain, tag) = packet.split_at_mut(plain_len);
        self.rtp.apply(ssrc, index, &mut plain[header_len..]);
        tag[..TAG_LEN].copy_from_slice(&self.rtp.tag(plain, &rollover(index)));
    }

    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<(), OpenError> {
        let (sealed, tag) = packet.split_at_mut(packet.len() - TAG_LEN);
        self.rtp.check(sealed, &rollover(index), tag)?;
        self.rtp.apply(ssrc, index, &mut sealed[header_len..]);
        Ok(())
    }

    /// Encrypt all behind the first SSRC, append index word and tag (RFC 3711 section 3.4).
    pub(super) fn seal_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8], plain_len: usize) {
        let (plain, end) = packet.split_at_mut(plain_len);
        let (word, tag) = end.split_at_mut(WORD_LEN);
        word.copy_from_slice(&index_word(index));
        self.rtcp
            .apply(ssrc, index.into(), &mut plain[RTCP_HEADER_LEN..]);
        tag[..TAG_LEN].copy_from_slice(&self.rtcp.tag(plain, word));
    }

    pub(super) fn open_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
    ) -> Result<(), OpenError> {
        let word = self.rtcp_word(packet);
        let (rest, tag) = packet.split_at_mut(packet.len() - TAG_LEN);
        let (sealed, _) = rest.split_at_mut(rest.len() - WORD_LEN);
        self.rtcp.check(sealed, &word, tag)?;
        self.rtcp
            .apply(ssrc, index.into(), &mut sealed[RTCP_HEADER_LEN..]);
        Ok(())
    }

    pub(super) fn rtcp_word(&self, packet: &[u8]) -> [u8; WORD_LEN] {
        packet
            .len()
            .checked_sub(TAG_LEN)
            .and_then(|end| packet[..end].last_chunk())
            .copied()
            .unwrap_or_default()
    }
}

/// The keys of one protocol.
struct Half {
    cipher: AesCtr,
    auth: HmacSha1,
    /// 112 bits, already shifted by 16.
    salt: Zeroed<u128>,
}

impl Half {
    /// XOR the keystream of RFC 3711 section 4.1.1.
    #[inline]
    fn apply(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        let counter = *self.salt ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
        self.cipher.apply(counter.to_be_bytes(), data);
    }

    #[inline]
    fn tag(&self, data: &[u8], suffix: &[u8]) -> [u8; TAG_LEN] {
        let digest = self.auth.sign([data, suffix]);
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&digest[..TAG_LEN]);
        tag
    }

    fn check(&self, data: &[u8], suffix: &[u8], tag: &[u8]) -> Result<(), OpenError> {
        if !openssl::memcmp::eq(&self.tag(data, suffix), tag) {
            return Err(OpenError::BadTag);
        }
        Ok(())
    }
}

fn wide_salt(salt: &[u8; 14]) -> Zeroed<u128> {
    let mut wide = [0; 16];
    wide[..14].copy_from_slice(salt);
    Zeroed::new(u128::from_be_bytes(wide))
}

/// The rollover counter, which is signed but not sent (RFC 3711 section 4.2).
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix B.2, its first three blocks and its last three.
    #[test]
    fn the_keystream_matches_the_rfc() {
        let half = Half {
            cipher: AesCtr::new(&0x2B7E151628AED2A6ABF7158809CF4F3C_u128.to_be_bytes()),
            auth: HmacSha1::new(&[0; 20]),
            salt: Zeroed::new(0xF0F1F2F3F4F5F6F7F8F9FAFBFCFD0000),
        };
        let mut keystream = vec![0; 1_044_512];
        half.apply(0, 0, &mut keystream);
        let first: [u128; 3] = [
            0xE03EAD0935C95E80E166B16DD92B4EB4,
            0xD23513162B02D0F72A43A2FE4A5F97AB,
            0x41E95B3BB0A2E8DD477901E4FCA894C0,
        ];
        let last: [u128; 3] = [
            0xEC8CDF7398607CB0F2D21675EA9EA1E4,
            0x362B7C3C6773516318A077D7FC5073AE,
            0x6A2CC3787889374FBEB4C81B17BA6C44,
        ];
        assert_eq!(keystream[..48], first.map(u128::to_be_bytes).concat());
        assert_eq!(
            keystream[1_044_512 - 48..],
            last.map(u128::to_be_bytes).concat()
        );
    }

    #[test]
    fn the_counter_depends_on_ssrc_and_index() {
        let master = MasterKey {
            key: Zeroed::new([7; 16]),
            salt: Zeroed::new([9; 14]),
        };
        let keystream = |ssrc, index| {
            let mut block = [0; 16];
            Cm::new(&master).rtp.apply(ssrc, index, &mut block);
            block
        };
        assert_ne!(keystream(1, 0), keystream(2, 0));
        assert_ne!(keystream(1, 0), keystream(1, 1));
        assert_ne!(keystream(1, 0), keystream(1, 1 << 16));
    }
}
