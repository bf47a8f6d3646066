//! SRTP and SRTCP (RFC 3711) with AES-GCM (RFC 7714) or AES-CM and HMAC-SHA1.
//!
//! A [`Sealer`] protects (encrypts and authenticates) outgoing packets, an [`Opener`] unprotects
//! received ones; both work in place and allocate nothing per packet. Nonce reuse is prevented
//! here, not by the caller: a [`Sealer`] allocates an SSRC once, and a [`SealStream`] rejects an
//! index that was sealed before or is older than its window.

#![deny(unsafe_code)]

mod cipher;
mod cm;
mod derive;
mod error;
mod gcm;
mod open;
mod profile;
mod rtcp;
mod seal;
mod window;

pub use error::{OpenError, SealError, SsrcReused};
pub use open::{Opened, Opener};
pub use profile::{KeyingMaterial, MasterKey, Profile};
pub use seal::{SealStream, Sealer};
