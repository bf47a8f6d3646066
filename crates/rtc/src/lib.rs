//! One WebRTC transport and its RTP streams, for the server and for bots.
//!
//! # The run loop
//!
//! Nothing here reads a clock, opens a socket or starts a thread. The caller owns all three and
//! drives every object the same way:
//!
//! 1. pass in datagrams and timeouts (`receive(now, ...)`, `handle_timeout(now)`),
//! 2. send the datagrams in the [`outbox::Outbox`],
//! 3. read the events (`poll_event`) until there are none,
//! 4. sleep until `poll_timeout` or the next datagram.
//!
//! Time passed in never runs backwards. Tests drive two endpoints against each other on virtual
//! time this way, with a seeded network between them.

mod aws_lc;
pub mod codec;
pub mod dtls;
pub mod ice;
pub mod inbound;
pub mod layers;
pub mod outbound;
pub mod outbox;
pub mod pace;
pub mod path;
pub mod prefetch;
pub mod rtt;
pub mod sctp;
pub mod srtp;
pub mod timeline;
pub mod transport;
pub mod turn;
pub mod wheel;
