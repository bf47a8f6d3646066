//! Two associations and a wire between them, on virtual time.

#![allow(dead_code, reason = "each test file uses its part of the wire")]

use core::time::Duration;
use rtc::dtls::{Certificate, Context, Dtls, DtlsEvent, Role};
use rtc::srtp::{KeyingMaterial, Profile};
use std::sync::OnceLock;
use wire::time::Time;

pub const MTU: usize = 1200;
const LATENCY: Duration = Duration::from_millis(20);
const GIVE_UP: Duration = Duration::from_secs(60);

pub fn ecdsa() -> &'static Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    CONTEXT.get_or_init(|| Context::new(&Certificate::generate_ecdsa().unwrap()).unwrap())
}

pub fn rsa() -> &'static Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    CONTEXT.get_or_init(|| Context::new(&Certificate::generate_rsa().unwrap()).unwrap())
}

/// One end: an association and what it reported.
pub struct End {
    pub dtls: Dtls,
    pub events: Vec<DtlsEvent>,
}

impl End {
    pub fn new(context: &Context, role: Role, profiles: &[Profile], mtu: usize) -> End {
        End {
            dtls: Dtls::new(context, role, profiles, mtu).unwrap(),
            events: Vec::new(),
        }
    }

    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        let (mut datagrams, mut datagram) = (Vec::new(), Vec::new());
        while self.dtls.poll_transmit(&mut datagram) {
            datagrams.push(datagram.clone());
        }
        datagrams
    }

    pub fn keying(&self) -> Option<&KeyingMaterial> {
        self.events.iter().find_map(|event| match event {
            DtlsEvent::Connected { keying } => Some(keying),
            _ => None,
        })
    }

    fn poll(&mut self) {
        while let Some(event) = self.dtls.poll_event() {
            self.events.push(event);
        }
    }
}

/// A flight is what one end sends at one instant.
pub struct Flight {
    pub number: usize,
    pub from: Role,
    pub datagrams: Vec<Vec<u8>>,
}

pub struct Pair {
    pub now: Time,
    pub client: End,
    pub server: End,
    pub flights: usize,
}

impl Pair {
    /// Create two ends with each other's fingerprint.
    pub fn new(client: &Context, server: &Context) -> Pair {
        let mut pair = Pair::without_fingerprints(client, server, &Profile::ALL, MTU);
        pair.exchange_fingerprints(client, server);
        pair
    }

    pub fn without_fingerprints(
        client: &Context,
        server: &Context,
        offered: &[Profile],
        mtu: usize,
    ) -> Pair {
        Pair {
            now: Time::from_secs(1000),
            client: End::new(client, Role::Client, offered, mtu),
            server: End::new(server, Role::Server, &Profile::ALL, mtu),
            flights: 0,
        }
    }

    pub fn exchange_fingerprints(&mut self, client: &Context, server: &Context) {
        self.client
            .dtls
            .expect_fingerprint(vec![server.fingerprint()]);
        self.server
            .dtls
            .expect_fingerprint(vec![client.fingerprint()]);
    }

    pub fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    pub fn deliver(&mut self, to: Role, datagram: &[u8]) {
        let now = self.now;
        self.end(to).dtls.handle_datagram(now, datagram);
        self.end(to).poll();
    }

    /// Run until nothing moves any more. `wire` decides what becomes of each flight.
    pub fn run_over(&mut self, mut wire: impl FnMut(&mut Pair, Flight) -> Vec<Vec<u8>>) {
        let end = self.now + GIVE_UP;
        while self.now < end {
            if !self.carry(&mut wire) && !self.wait(end) {
                return;
            }
        }
    }

    pub fn run(&mut self) {
        self.run_over(|_, flight| flight.datagrams);
    }

    pub fn is_connected(&self) -> bool {
        match (self.client.keying(), self.server.keying()) {
            (Some(client), Some(server)) => client == server,
            _ => false,
        }
    }

    fn carry(&mut self, wire: &mut impl FnMut(&mut Pair, Flight) -> Vec<Vec<u8>>) -> bool {
        let mut moved = false;
        for (from, to) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            let datagrams = self.end(from).sent();
            if datagrams.is_empty() {
                continue;
            }
            moved = true;
            self.now = self.now + LATENCY;
            let number = self.flights;
            self.flights += 1;
            let flight = Flight {
                number,
                from,
                datagrams,
            };
            for datagram in wire(self, flight) {
                self.deliver(to, &datagram);
            }
        }
        moved
    }

    /// Go to the next timeout, if there is one before `end`.
    fn wait(&mut self, end: Time) -> bool {
        let due = [&self.client, &self.server].map(|end| end.dtls.poll_timeout());
        let Some(due) = due.into_iter().flatten().min().filter(|&due| due < end) else {
            return false;
        };
        self.now = self.now.max(due);
        for role in [Role::Client, Role::Server] {
            let now = self.now;
            self.end(role).dtls.handle_timeout(now);
            self.end(role).poll();
        }
        true
    }
}
