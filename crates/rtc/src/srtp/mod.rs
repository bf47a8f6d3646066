//! SRTP and SRTCP (RFC 3711) with AES-GCM (RFC 7714) or AES-CM and HMAC-SHA1.
//!
//! A [`Sealer`] protects what one side sends, an [`Opener`] checks what it receives; both work in
//! place and allocate nothing per packet. The rules that keep a nonce from being used twice live
//! here, not with the caller: a [`Sealer`] hands an SSRC out once, and a [`SealStream`] refuses an
//! index that it sealed before or can no longer vouch for.

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
