use core::fmt;

use crate::aws_lc::Zeroed;

/// An SRTP protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Profile {
    /// AEAD_AES_128_GCM: a quarter of the CPU time of the other.
    AeadAes128Gcm,
    /// AES128_CM_SHA1_80: supported by every peer.
    Aes128CmSha1_80,
}

impl Profile {
    /// Both profiles, the preferred one first.
    pub const ALL: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];

    /// Return the name that IANA registered.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Profile::Aes128CmSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
        }
    }

    /// Return the bytes that sealing adds to an RTP packet.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Profile::AeadAes128Gcm => 16,
            Profile::Aes128CmSha1_80 => 10,
        }
    }

    /// Return the bytes that sealing adds to an RTCP packet: the tag and the index.
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }

    /// Return the length of the master key in bytes.
    pub const fn key_len(self) -> usize {
        16
    }

    /// Return the length of the master salt in bytes.
    pub const fn salt_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm => 12,
            Profile::Aes128CmSha1_80 => 14,
        }
    }

    /// Return the bytes to export for both directions (RFC 5764 section 4.2).
    pub const fn keying_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }
}

/// The master key and salt of one direction. A 12-byte salt is padded with zeros for key
/// derivation (RFC 7714 section 11). Both are zeroed when dropped.
pub struct MasterKey {
    pub(super) key: Zeroed<[u8; 16]>,
    pub(super) salt: Zeroed<[u8; 14]>,
}

impl MasterKey {
    /// Create a key of 16 bytes and a salt of 12 or 14, as `profile` requires; else `None`.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<MasterKey> {
        if salt.len() != profile.salt_len() {
            return None;
        }
        let mut padded = Zeroed::new([0; 14]);
        padded[..salt.len()].copy_from_slice(salt);
        Some(MasterKey {
            key: Zeroed::new(key.try_into().ok()?),
            salt: padded,
        })
    }
}

impl Clone for MasterKey {
    fn clone(&self) -> MasterKey {
        MasterKey {
            key: Zeroed::new(*self.key),
            salt: Zeroed::new(*self.salt),
        }
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &MasterKey) -> bool {
        *self.key == *other.key && *self.salt == *other.salt
    }
}

impl Eq for MasterKey {}

/// Omits the secrets, for logs.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// Keying material that a DTLS handshake exports: a profile and a key for each direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyingMaterial {
    /// The negotiated profile.
    pub profile: Profile,
    /// The key under which the DTLS client sends.
    pub client: MasterKey,
    /// The key under which the DTLS server sends.
    pub server: MasterKey,
}

impl KeyingMaterial {
    /// Split exported bytes: client key, server key, client salt, server salt (RFC 5764 section
    /// 4.2). A wrong length is `None`.
    pub fn split(profile: Profile, exported: &[u8]) -> Option<KeyingMaterial> {
        if exported.len() != profile.keying_len() {
            return None;
        }
        let (keys, salts) = exported.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Some(KeyingMaterial {
            profile,
            client: MasterKey::new(profile, client_key, client_salt)?,
            server: MasterKey::new(profile, server_key, server_salt)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_bytes_split_keys_first() {
        let exported: Vec<u8> = (0..60).collect();
        let keying = KeyingMaterial::split(Profile::Aes128CmSha1_80, &exported).unwrap();
        assert_eq!(keying.client.key[0], 0);
        assert_eq!(keying.server.key[0], 16);
        assert_eq!(keying.client.salt[0], 32);
        assert_eq!(keying.server.salt[0], 46);
        assert!(KeyingMaterial::split(Profile::AeadAes128Gcm, &exported).is_none());
    }

    #[test]
    fn a_short_salt_is_padded_behind() {
        let exported: Vec<u8> = (0..56).collect();
        let keying = KeyingMaterial::split(Profile::AeadAes128Gcm, &exported).unwrap();
        assert_eq!(keying.server.salt[..2], [44, 45]);
        assert_eq!(keying.server.salt[11..], [55, 0, 0]);
    }

    #[test]
    fn debug_output_shows_no_key() {
        let key = MasterKey::new(Profile::AeadAes128Gcm, &[0xab; 16], &[0xcd; 12]).unwrap();
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }
}
