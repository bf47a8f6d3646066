//! A lite agent on virtual time, with the checks and responses of its peer.

use std::net::SocketAddr;
use std::time::Duration;

use rtc::ice::{IceEvent, IceLite, Rejected};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use wire::stun::{Builder, Class, Message, Method, TransactionId};
use wire::time::Time;

use super::pair::{client_credentials, server_credentials};
use super::stun::{Check, key};

pub const START: Time = Time::from_secs(50);

pub fn path(port: u16) -> PathId {
    let local = "192.0.2.1".parse().unwrap();
    PathId::udp(0, local, SocketAddr::from(([198, 51, 100, 7], port)))
}

/// A check that an agent sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Time,
    pub port: u16,
    pub bytes: Vec<u8>,
}

impl Sent {
    pub fn transaction(&self) -> TransactionId {
        Message::parse(&self.bytes).unwrap().transaction
    }

    /// What a peer makes of it.
    pub fn answered_by(&self, pwd: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let signer = rtc::ice::Credentials {
            ufrag: String::new(),
            pwd: pwd.to_owned(),
        };
        Builder::new(
            &mut out,
            Class::Success,
            Method::BINDING,
            self.transaction(),
        )
        .xor_mapped_address(([192, 0, 2, 1], 7081).into())
        .integrity(&key(&signer))
        .fingerprint();
        out
    }

    pub fn answered(&self) -> Vec<u8> {
        self.answered_by(&client_credentials().pwd)
    }
}

/// An agent with its outbox and an own idea of time.
pub struct Server {
    pub ice: IceLite,
    pub out: Outbox,
    pub now: Time,
    /// The checks that it sent, in order.
    pub checks: Vec<Sent>,
    /// Bytes that it sent to each port.
    pub sent_bytes: std::collections::HashMap<u16, usize>,
}

impl Server {
    pub fn new() -> Self {
        let mut ice = IceLite::new(&server_credentials());
        ice.set_remote(START, &client_credentials());
        Self {
            ice,
            out: Outbox::new(),
            now: START,
            checks: Vec::new(),
            sent_bytes: Default::default(),
        }
    }

    pub fn take(&mut self, port: u16, datagram: &[u8]) -> Result<(), Rejected> {
        self.out.clear();
        let taken = self
            .ice
            .receive(self.now, path(port), datagram, &mut self.out);
        self.note_checks();
        taken
    }

    pub fn check(&mut self, port: u16) {
        let check = Check::of(&server_credentials()).bytes();
        self.take(port, &check).unwrap();
    }

    pub fn nominate(&mut self, port: u16) {
        let check = Check::nominating(&server_credentials()).bytes();
        self.take(port, &check).unwrap();
    }

    /// The latest check that was sent to a port.
    pub fn last_check(&self, port: u16) -> Sent {
        let mut checks = self.checks.iter().rev();
        checks.find(|check| check.port == port).unwrap().clone()
    }

    /// Respond to the latest check at a port.
    pub fn respond_at(&mut self, port: u16) {
        let answer = self.last_check(port).answered();
        self.take(port, &answer).unwrap();
    }

    /// Advance the time as a caller does: from timeout to timeout.
    pub fn wait(&mut self, span: Duration) {
        self.wait_with(span, |_| {});
    }

    /// Advance the time and run `peer` after each timeout.
    pub fn wait_with(&mut self, span: Duration, mut peer: impl FnMut(&mut Self)) {
        let end = self.now + span;
        while let Some(due) = self.ice.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.out.clear();
            self.ice.handle_timeout(self.now, &mut self.out);
            self.note_checks();
            let next = self.ice.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timeout repeats");
            peer(self);
        }
        self.now = end;
    }

    /// The response that was sent last.
    pub fn answer(&self) -> Option<Message<'_>> {
        let messages = self.out.datagrams();
        let messages = messages.map(|(_, bytes)| Message::parse(bytes).unwrap());
        let mut responses = messages.filter(|message| message.class != Class::Request);
        let response = responses.next();
        assert!(responses.next().is_none(), "one request, one response");
        response
    }

    pub fn error_code(&self) -> Option<u16> {
        let answer = self.answer()?;
        assert_eq!(answer.class, Class::Error);
        assert_eq!(answer.check_fingerprint(), Some(true));
        answer.error_code().map(|(code, _)| code)
    }

    pub fn events(&mut self) -> Vec<IceEvent> {
        std::iter::from_fn(|| self.ice.poll_event()).collect()
    }

    pub fn send_port(&self) -> Option<u16> {
        self.ice.send_path().map(|path| path.remote.port())
    }

    fn note_checks(&mut self) {
        for (path, bytes) in self.out.datagrams() {
            let port = path.remote.port();
            *self.sent_bytes.entry(port).or_default() += bytes.len();
            if Message::parse(bytes).unwrap().class == Class::Request {
                self.checks.push(Sent {
                    at: self.now,
                    port,
                    bytes: bytes.to_vec(),
                });
            }
        }
    }
}
