use super::certificate::Certificate;
use super::error::DtlsError;
use super::fingerprint::Fingerprint;
use crate::aws_lc;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslOptions, SslSessionCacheMode, SslVersion,
};

/// Forward-secret AEAD suites for both kinds of certificate; the first is the one that every WebRTC
/// endpoint has (RFC 8827 section 6.5).
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                       ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
                       ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

/// Certificate and settings that all associations of a process share. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    shared: SslContext,
    fingerprint: Fingerprint,
}

impl Context {
    /// Create a context that presents `certificate`.
    pub fn new(certificate: &Certificate) -> Result<Context, DtlsError> {
        let mut builder = SslContextBuilder::new(aws_lc::dtls_method())?;
        builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
        builder.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
        builder.set_cipher_list(CIPHERS)?;
        // The caller sets the MTU. WebRTC peers do not resume sessions.
        builder.set_options(SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        if !aws_lc::set_identity(&mut builder, certificate.der(), certificate.key()) {
            return Err(DtlsError::Setup("certificate and key differ".to_owned()));
        }
        aws_lc::require_any_certificate(&mut builder);
        aws_lc::use_virtual_clock(&mut builder);
        Ok(Context {
            shared: builder.build(),
            fingerprint: certificate.fingerprint(),
        })
    }

    /// Return the fingerprint to announce.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn ssl(&self) -> Result<Ssl, DtlsError> {
        Ok(Ssl::new(&self.shared)?)
    }
}
