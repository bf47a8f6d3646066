//! One synthetic participant: its network impairment, shared by all its transports.

use crate::impair::{Link, Network};
use crate::message::{AddBot, BotId, TransportId};
use crate::random::Random;
use rtc::path::PathId;
use std::net::SocketAddr;
use wire::time::Time;

/// A datagram in flight from a bot to the server.
#[derive(Clone, Debug)]
pub struct UplinkDatagram {
    /// The sending transport.
    pub transport: TransportId,
    /// Number of the transport's local address.
    pub address: u32,
    /// The path to the server.
    pub path: PathId,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// A datagram in flight from the server to a bot.
#[derive(Clone, Debug)]
pub struct DownlinkDatagram {
    /// The receiving transport.
    pub transport: TransportId,
    /// Number of the transport's local address.
    pub address: u32,
    /// The server's address.
    pub remote: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// One synthetic participant.
pub struct Bot {
    /// Display name.
    pub name: String,
    /// Whether the bot decrypts every packet.
    pub decrypted: bool,
    /// Uplink impairment; none forwards directly.
    pub up: Option<Link<UplinkDatagram>>,
    /// Downlink impairment; none forwards directly.
    pub down: Option<Link<DownlinkDatagram>>,
    /// Deadline of the links' timer in the wheel, so that there is one entry.
    pub armed: Time,
    seed: u64,
    id: BotId,
}

impl Bot {
    /// Create a bot without network impairment.
    #[must_use]
    pub fn new(request: &AddBot, seed: u64, sample_decrypt: f64) -> Self {
        let mut random = Random::new(seed, &[DECRYPT, u64::from(request.bot)]);
        Self {
            name: request.name.clone(),
            decrypted: random.chance(sample_decrypt),
            up: None,
            down: None,
            armed: Time::FAR,
            seed,
            id: request.bot,
        }
    }

    /// Change the network impairment; datagrams in flight stay in flight.
    pub fn set_network(&mut self, up: Option<Network>, down: Option<Network>) {
        let (seed, id) = (self.seed, u64::from(self.id));
        set(&mut self.up, up, || Random::new(seed, &[UP, id]));
        set(&mut self.down, down, || Random::new(seed, &[DOWN, id]));
    }

    /// Return when to take what has left the links, of all bots at the same instants.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        let up = self.up.as_ref().and_then(Link::poll_timeout);
        let down = self.down.as_ref().and_then(Link::poll_timeout);
        let up = up.map(|arrival| next_multiple(arrival, UPLINK_NANOS));
        let down = down.map(|arrival| next_multiple(arrival, DOWNLINK_NANOS));
        up.into_iter().chain(down).min().unwrap_or(Time::FAR)
    }
}

fn next_multiple(at: Time, nanos: u64) -> Time {
    Time::from_nanos(at.as_nanos().div_ceil(nanos).saturating_mul(nanos))
}

/// A link is never removed, so that datagrams in flight arrive.
fn set<T: Clone>(
    link: &mut Option<Link<T>>,
    network: Option<Network>,
    random: impl FnOnce() -> Random,
) {
    match (link, network) {
        (Some(link), network) => link.set_network(network.unwrap_or_default()),
        (None, None) => {}
        (link @ None, Some(network)) => *link = Some(Link::new(network, random())),
    }
}

// A wake-up for each datagram would cost more than the datagram: those of one interval are taken
// together. The time of arrival of received ones stays exact; sent ones are this much late at most.
const UPLINK_NANOS: u64 = 1_000_000;
const DOWNLINK_NANOS: u64 = 2_000_000;
// Identifiers of the random number streams.
const DECRYPT: u64 = 1;
const UP: u64 = 2;
const DOWN: u64 = 3;
