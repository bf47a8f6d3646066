//! One synthetic participant: its network, and what all its transports have in common.

use crate::impair::{Link, Network};
use crate::message::{AddBot, BotId, TransportId};
use crate::random::Random;
use rtc::path::PathId;
use std::net::SocketAddr;
use wire::time::Time;

/// A datagram on its way from a bot.
#[derive(Clone, Debug)]
pub struct Upward {
    /// Whose it is.
    pub transport: TransportId,
    /// Where it goes.
    pub path: PathId,
    /// What it is.
    pub bytes: Vec<u8>,
}

/// A datagram on its way to a bot.
#[derive(Clone, Debug)]
pub struct Downward {
    /// Whose it is.
    pub transport: TransportId,
    /// Where it came from.
    pub remote: SocketAddr,
    /// What it is.
    pub bytes: Vec<u8>,
}

/// One synthetic participant.
pub struct Bot {
    /// Its name for people.
    pub name: String,
    /// Whether it opens every packet.
    pub decrypted: bool,
    /// Its network towards the server, where it is not perfect.
    pub up: Option<Link<Upward>>,
    /// Its network from the server, where it is not perfect.
    pub down: Option<Link<Downward>>,
    /// When its links are in the wheel, so that they stand there once.
    pub armed: Time,
    seed: u64,
    id: BotId,
}

impl Bot {
    /// Make a bot with a perfect network.
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

    /// Change its network; what is under way stays under way.
    pub fn set_network(&mut self, up: Option<Network>, down: Option<Network>) {
        let (seed, id) = (self.seed, u64::from(self.id));
        set(&mut self.up, up, || Random::new(seed, &[UP, id]));
        set(&mut self.down, down, || Random::new(seed, &[DOWN, id]));
    }

    /// Return when the next datagram comes through one of its links.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        let up = self.up.as_ref().and_then(Link::poll_timeout);
        let down = self.down.as_ref().and_then(Link::poll_timeout);
        up.into_iter().chain(down).min().unwrap_or(Time::FAR)
    }
}

/// A link that was there once stays, so that what is under way arrives.
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

// Names of the streams of random numbers.
const DECRYPT: u64 = 1;
const UP: u64 = 2;
const DOWN: u64 = 3;
