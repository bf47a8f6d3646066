use super::profile::MasterKey;
use crate::aws_lc::{AesCtr, Zeroed};

/// What a session key is for (RFC 3711 section 4.3.2).
#[derive(Clone, Copy)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// Derive a session key of N bytes (RFC 3711 section 4.3, key derivation rate 0).
pub(super) fn derive<const N: usize>(master: &MasterKey, label: Label) -> Zeroed<[u8; N]> {
    let mut counter = [0; 16];
    counter[..14].copy_from_slice(&*master.salt);
    counter[7] ^= label as u8;
    let mut key = Zeroed::new([0; N]);
    AesCtr::new(&master.key).apply(counter, &mut *key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::Profile;

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_match_the_rfc() {
        let key = 0xE1F97A0D3E018BE0D64FA32C06DE4139_u128.to_be_bytes();
        let salt = 0x0EC675AD498AFEEBB6960B3AABE6_u128.to_be_bytes();
        let master = MasterKey::new(Profile::Aes128CmSha1_80, &key, &salt[2..]).unwrap();

        let cipher_key = derive(&master, Label::RtpKey);
        assert_eq!(
            u128::from_be_bytes(*cipher_key),
            0xC61E7A93744F39EE10734AFE3FF7A087
        );
        let mut cipher_salt = [0; 16];
        cipher_salt[2..].copy_from_slice(&*derive::<14>(&master, Label::RtpSalt));
        assert_eq!(
            u128::from_be_bytes(cipher_salt),
            0x30CBBC08863D8C85D49DB34A9AE1
        );
        let auth = derive::<94>(&master, Label::RtpAuth);
        let blocks: [u128; 5] = [
            0xCEBE321F6FF7716B6FD4AB49AF256A15,
            0x6D38BAA48F0A0ACF3C34E2359E6CDBCE,
            0xE049646C43D9327AD175578EF7227098,
            0x6371C10C9A369AC2F94A8C5FBCDDDC25,
            0x6D6E919A48B610EF17C2041E47403576,
        ];
        for (block, expected) in auth.chunks_exact(16).zip(blocks) {
            assert_eq!(block, expected.to_be_bytes());
        }
        assert_eq!(
            auth[80..],
            0x6B68642C59BBFC2F34DB60DBDFB2_u128.to_be_bytes()[2..]
        );
    }
}
