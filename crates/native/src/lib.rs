//! The Python extension module `sfukit._native`: a list of what it offers.

pub mod udp;
