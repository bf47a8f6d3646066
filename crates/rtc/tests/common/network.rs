//! A network between any endpoints, on virtual time: one [`Link`] for all, filters, NATs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;

use rtc::outbox::Outbox;
use rtc::path::PathId;
use wire::time::Time;

use super::link::{Conditions, Link};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// Decide whether a datagram passes.
pub type Filter = Box<dyn FnMut(Time, &Datagram) -> bool>;

/// Something with sockets that is driven by datagrams and time.
pub trait Endpoint {
    /// The addresses of its sockets; a [`PathId`] names them by index.
    fn sockets(&self) -> &[SocketAddr];
    fn receive(&mut self, now: Time, path: PathId, datagram: &mut [u8], out: &mut Outbox);
    fn handle_timeout(&mut self, now: Time, out: &mut Outbox);
    fn poll_timeout(&self) -> Option<Time>;
}

pub struct Network {
    pub now: Time,
    link: Link,
    filter: Option<Filter>,
    /// Addresses behind a NAT, and what the world sees instead.
    translations: HashMap<SocketAddr, SocketAddr>,
    in_flight: BinaryHeap<Reverse<(Time, u64, Datagram)>>,
    sent: u64,
}

impl Network {
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        let mut link = Link::new(seed);
        link.conditions = conditions;
        Self {
            // No test should depend on where time begins.
            now: Time::from_secs(1_000),
            link,
            filter: None,
            translations: HashMap::new(),
            in_flight: BinaryHeap::new(),
            sent: 0,
        }
    }

    pub fn set_filter(&mut self, filter: impl FnMut(Time, &Datagram) -> bool + 'static) {
        self.filter = Some(Box::new(filter));
    }

    pub fn clear_filter(&mut self) {
        self.filter = None;
    }

    /// Show `inside` as `outside` from now on; its former outside address leads nowhere.
    pub fn translate(&mut self, inside: SocketAddr, outside: SocketAddr) {
        self.translations.insert(inside, outside);
    }

    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let from = self.translations.get(&from).copied().unwrap_or(from);
        let bytes = bytes.to_vec();
        let datagram = Datagram { from, to, bytes };
        let now = self.now;
        let passes = |filter: &mut Filter| filter(now, &datagram);
        if !self.filter.as_mut().is_none_or(passes) {
            return;
        }
        let arrivals = self.link.arrivals(now, datagram.bytes.len());
        for at in arrivals.into_iter().flatten() {
            self.sent += 1;
            let parcel = (at, self.sent, datagram.clone());
            self.in_flight.push(Reverse(parcel));
        }
    }

    pub fn send_outbox(&mut self, sockets: &[SocketAddr], out: &mut Outbox) {
        for (path, bytes) in out.datagrams() {
            let port = sockets[usize::from(path.socket)].port();
            self.send(SocketAddr::new(path.local, port), path.remote, bytes);
        }
        out.clear();
    }

    /// Go on to the next datagram or timeout and let it take effect. Return false, and do nothing,
    /// where nothing happens until `limit`.
    pub fn step(&mut self, endpoints: &mut [&mut dyn Endpoint], limit: Time) -> bool {
        let timeouts = endpoints.iter().filter_map(|end| end.poll_timeout());
        let arrival = self.in_flight.peek().map(|Reverse((at, ..))| *at);
        let Some(next) = timeouts.chain(arrival).min().filter(|at| *at <= limit) else {
            return false;
        };
        self.now = self.now.max(next);
        let mut out = Outbox::new();
        if arrival.is_some_and(|at| at <= self.now) {
            self.deliver(endpoints, &mut out);
        }
        for endpoint in endpoints {
            if endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                endpoint.handle_timeout(self.now, &mut out);
                self.send_outbox(endpoint.sockets(), &mut out);
                let due = endpoint.poll_timeout();
                assert!(due.is_none_or(|at| at > self.now), "a timeout repeats");
            }
        }
        true
    }

    fn deliver(&mut self, endpoints: &mut [&mut dyn Endpoint], out: &mut Outbox) {
        let Some(Reverse((_, _, mut datagram))) = self.in_flight.pop() else {
            return;
        };
        let translated = self.translations.iter().find(|(_, to)| **to == datagram.to);
        let to = translated.map_or(datagram.to, |(inside, _)| *inside);
        for endpoint in endpoints {
            let sockets = endpoint.sockets();
            if let Some(socket) = sockets.iter().position(|address| *address == to) {
                let path = PathId::udp(socket as u8, to.ip(), datagram.from);
                endpoint.receive(self.now, path, &mut datagram.bytes, out);
                self.send_outbox(endpoint.sockets(), out);
            }
        }
    }
}
