use super::error::DtlsError;
use super::fingerprint::{Fingerprint, HashAlgorithm};
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};

const RSA_BITS: u32 = 2048;
const SERIAL_BITS: i32 = 128;

/// A self-signed certificate and its key, generated once per process.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    key: PKey<Private>,
}

impl Certificate {
    /// Generate a certificate on P-256, the curve that every peer has (RFC 8827 section 6.5).
    pub fn generate_ecdsa() -> Result<Certificate, DtlsError> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        Certificate::self_signed(PKey::from_ec_key(EcKey::generate(&group)?)?)
    }

    /// Generate an RSA certificate of 2048 bits, as older endpoints have.
    pub fn generate_rsa() -> Result<Certificate, DtlsError> {
        Certificate::self_signed(PKey::from_rsa(Rsa::generate(RSA_BITS)?)?)
    }

    /// Return the SHA-256 fingerprint to announce.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(HashAlgorithm::Sha256, &self.der)
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn key(&self) -> &PKeyRef<Private> {
        &self.key
    }

    /// Create a self-signed certificate of an EC or RSA key.
    pub fn self_signed(key: PKey<Private>) -> Result<Certificate, DtlsError> {
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "sfukit")?;
        let name = name.build();
        let mut serial = BigNum::new()?;
        serial.rand(SERIAL_BITS, MsbOption::MAYBE_ZERO, false)?;

        let mut x509 = X509::builder()?;
        x509.set_version(2)?;
        x509.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
        x509.set_subject_name(&name)?;
        x509.set_issuer_name(&name)?;
        // No clock is read here. Peers check the fingerprint; for those that check the dates, this
        // means "does not expire" (RFC 5280 section 4.1.2.5).
        x509.set_not_before(Asn1Time::from_str("20200101000000Z")?.as_ref())?;
        x509.set_not_after(Asn1Time::from_str("99991231235959Z")?.as_ref())?;
        x509.set_pubkey(&key)?;
        x509.sign(&key, MessageDigest::sha256())?;
        Ok(Certificate {
            der: x509.build().to_der()?,
            key,
        })
    }
}
