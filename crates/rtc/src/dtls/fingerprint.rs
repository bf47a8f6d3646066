use core::fmt::{self, Write};
use core::str::FromStr;
use openssl::hash::{MessageDigest, hash};

/// Longest digest, SHA-512.
const MAX_LEN: usize = 64;
/// Hash functions under which certificates that collide can be made. RFC 8122 section 5 forbids the
/// last two; sha-1 is rejected as well.
const WEAK: [&str; 3] = ["sha-1", "md5", "md2"];

/// A hash function of an SDP fingerprint (RFC 8122 section 5), weakest first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HashAlgorithm {
    /// sha-224
    Sha224,
    /// sha-256
    Sha256,
    /// sha-384
    Sha384,
    /// sha-512
    Sha512,
}

impl HashAlgorithm {
    const ALL: [HashAlgorithm; 4] = [
        HashAlgorithm::Sha224,
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
    ];

    /// Return the name as in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            HashAlgorithm::Sha224 => "sha-224",
            HashAlgorithm::Sha256 => "sha-256",
            HashAlgorithm::Sha384 => "sha-384",
            HashAlgorithm::Sha512 => "sha-512",
        }
    }

    /// Return the length of a digest in bytes.
    pub const fn digest_len(self) -> usize {
        match self {
            HashAlgorithm::Sha224 => 28,
            HashAlgorithm::Sha256 => 32,
            HashAlgorithm::Sha384 => 48,
            HashAlgorithm::Sha512 => MAX_LEN,
        }
    }

    fn digest(self) -> MessageDigest {
        match self {
            HashAlgorithm::Sha224 => MessageDigest::sha224(),
            HashAlgorithm::Sha256 => MessageDigest::sha256(),
            HashAlgorithm::Sha384 => MessageDigest::sha384(),
            HashAlgorithm::Sha512 => MessageDigest::sha512(),
        }
    }

    /// Compare names without case, as SDP does.
    fn from_name(name: &str) -> Option<HashAlgorithm> {
        HashAlgorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

/// The digest of a certificate, as `a=fingerprint` carries it: `sha-256 AB:CD:...`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    /// The digest, zeros behind it.
    value: [u8; MAX_LEN],
}

impl Fingerprint {
    /// Digest the certificate `der`.
    pub fn of(algorithm: HashAlgorithm, der: &[u8]) -> Fingerprint {
        let mut value = [0; MAX_LEN];
        let digest = hash(algorithm.digest(), der).expect("hashing memory does not fail");
        value[..algorithm.digest_len()].copy_from_slice(&digest);
        Fingerprint { algorithm, value }
    }

    /// Return the hash function.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Return the digest.
    pub fn value(&self) -> &[u8] {
        &self.value[..self.algorithm.digest_len()]
    }

    /// Read all fingerprints of a description. Those with a weak hash are ignored beside a
    /// stronger one.
    ///
    /// # Errors
    /// The first that cannot be parsed; [`FingerprintError::Weak`] where all are weak.
    pub fn parse_all<'a>(
        lines: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Fingerprint>, FingerprintError> {
        let (mut read, mut weak) = (Vec::new(), None);
        for line in lines {
            match line.parse() {
                Err(error @ FingerprintError::Weak) => weak = Some(error),
                parsed => read.push(parsed?),
            }
        }
        match weak.filter(|_| read.is_empty()) {
            Some(error) => Err(error),
            None => Ok(read),
        }
    }
}

/// Return whether `der` is the certificate that `announced` describes.
///
/// Of several hash functions the strongest decides; of several fingerprints under it one must match
/// (RFC 8122 section 5).
pub(super) fn matches(announced: &[Fingerprint], der: &[u8]) -> bool {
    let Some(strongest) = announced.iter().map(Fingerprint::algorithm).max() else {
        return false;
    };
    announced.contains(&Fingerprint::of(strongest, der))
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (i, byte) in self.value().iter().enumerate() {
            f.write_char(if i == 0 { ' ' } else { ':' })?;
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Fingerprint, FingerprintError> {
        let (name, digits) = text
            .trim()
            .split_once(' ')
            .ok_or(FingerprintError::Malformed)?;
        if WEAK.iter().any(|weak| weak.eq_ignore_ascii_case(name)) {
            return Err(FingerprintError::Weak);
        }
        let algorithm = HashAlgorithm::from_name(name).ok_or(FingerprintError::UnknownAlgorithm)?;
        let mut value = [0; MAX_LEN];
        let mut bytes = digits.trim_start().split(':');
        for room in &mut value[..algorithm.digest_len()] {
            *room = bytes
                .next()
                .and_then(hex_byte)
                .ok_or(FingerprintError::Malformed)?;
        }
        match bytes.next() {
            Some(_) => Err(FingerprintError::Malformed),
            None => Ok(Fingerprint { algorithm, value }),
        }
    }
}

fn hex_byte(digits: &str) -> Option<u8> {
    let &[high, low] = digits.as_bytes() else {
        return None;
    };
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high << 4 | low).ok()
}

/// Why a fingerprint cannot be parsed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FingerprintError {
    /// Unknown hash function.
    UnknownAlgorithm,
    /// The hash function has collisions: sha-1, md5 or md2.
    Weak,
    /// Not a name, a space and as many hexadecimal bytes as the hash function yields.
    Malformed,
}

impl fmt::Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FingerprintError::UnknownAlgorithm => "unknown hash function",
            FingerprintError::Weak => "fingerprint under a weak hash function: use sha-256",
            FingerprintError::Malformed => "malformed fingerprint",
        })
    }
}

impl std::error::Error for FingerprintError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_survives_a_round_trip_for_each_hash() {
        for algorithm in HashAlgorithm::ALL {
            let fingerprint = Fingerprint::of(algorithm, b"certificate");
            let text = fingerprint.to_string();
            assert_eq!(text.parse(), Ok(fingerprint));
            assert_eq!(text.to_lowercase().parse(), Ok(fingerprint));
            assert_eq!(
                text.len(),
                algorithm.name().len() + 3 * algorithm.digest_len()
            );
        }
    }

    #[test]
    fn wrong_text_is_refused() {
        let good = Fingerprint::of(HashAlgorithm::Sha256, b"").to_string();
        let malformed = Err(FingerprintError::Malformed);
        assert_eq!("".parse::<Fingerprint>(), malformed);
        assert_eq!(good[..good.len() - 3].parse::<Fingerprint>(), malformed);
        assert_eq!(format!("{good}:00").parse::<Fingerprint>(), malformed);
        assert_eq!(good.replace("E3", "+3").parse::<Fingerprint>(), malformed);
        assert_eq!(
            "sha3-256 00:11".parse::<Fingerprint>(),
            Err(FingerprintError::UnknownAlgorithm)
        );
    }

    #[test]
    fn a_weak_hash_is_refused_alone_and_passed_over_beside_another() {
        let weak = ["sha-1", "SHA-1", "md5"].map(|name| format!("{name} {}", ["0A"; 20].join(":")));
        let strong = Fingerprint::of(HashAlgorithm::Sha256, b"mine");
        let text = strong.to_string();
        for weak in &weak {
            let read = |lines: &[&str]| Fingerprint::parse_all(lines.iter().copied());
            assert_eq!(read(&[weak]), Err(FingerprintError::Weak));
            assert_eq!(read(&[weak, &text]), Ok(vec![strong]));
            assert_eq!(read(&[&text, weak, "x"]), Err(FingerprintError::Malformed));
        }
        assert!(FingerprintError::Weak.to_string().contains("sha-256"));
        assert_eq!(Fingerprint::parse_all([].into_iter()), Ok(vec![]));
    }

    #[test]
    fn the_strongest_hash_decides() {
        let weak = Fingerprint::of(HashAlgorithm::Sha224, b"mine");
        let strong = Fingerprint::of(HashAlgorithm::Sha256, b"mine");
        let other = Fingerprint::of(HashAlgorithm::Sha256, b"other");
        assert!(matches(&[weak], b"mine"));
        assert!(matches(&[other, strong], b"mine"));
        assert!(!matches(&[weak, other], b"mine"));
        assert!(!matches(&[], b"mine"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(sha-(1|224|256|384|512) )?[0-9a-fA-F:é ]{0,200}") {
            let _ = text.parse::<Fingerprint>();
        }
    }
}
