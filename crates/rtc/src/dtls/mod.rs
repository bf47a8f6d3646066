//! DTLS 1.2 for SRTP keys and application data (RFC 6347, RFC 5764), driven by datagrams and time.
//!
//! [`Dtls`] is one association. Its run loop is that of the crate: datagrams and timeouts in,
//! datagrams and events out. No event is reported before the peer's certificate matched a
//! fingerprint of its session description, however late that description arrives.

#![deny(unsafe_code)]

mod certificate;
mod context;
mod datagram_bio;
mod error;
mod fingerprint;
mod record_filter;
mod role;
mod session;

pub use certificate::Certificate;
pub use context::Context;
pub use error::DtlsError;
pub use fingerprint::{Fingerprint, FingerprintError, HashAlgorithm};
pub use role::Role;
pub use session::{Dtls, DtlsEvent};
