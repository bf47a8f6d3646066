//! One transport and its streams: payloads, keys, paths and numbers of untrusted peers.

pub mod codec;
pub mod dtls;
pub mod history;
pub mod ice;
pub mod inbound;
pub mod layers;
pub mod sctp;
pub mod sequence;
pub mod srtp;
pub mod timeline;
pub mod transport;
pub mod turn;
