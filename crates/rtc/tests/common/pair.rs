//! A server's transport and a bot's, on one network.

use std::net::SocketAddr;
use std::time::Duration;

use rtc::dtls::{Certificate, Context, Role};
use rtc::ice::{Base, Credentials};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::srtp::Profile;
use rtc::transport::{
    IceRole, Received, RemoteParameters, Transport, TransportConfig, TransportEvent,
};
use wire::time::Time;

use super::link::Conditions;
use super::network::{Endpoint, Network};

pub const SERVER: &str = "192.0.2.1:7081";
pub const CLIENT: &str = "198.51.100.2:40000";
/// A second network of the client's.
pub const CLIENT_2: &str = "203.0.113.3:40001";

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn server_credentials() -> Credentials {
    credentials("SERVERufrag", "serverPASSWORDserverPASSWORD")
}

pub fn client_credentials() -> Credentials {
    credentials("CLIENTufrag", "clientPASSWORDclientPASSWORD")
}

pub fn credentials(ufrag: &str, pwd: &str) -> Credentials {
    Credentials {
        ufrag: ufrag.to_owned(),
        pwd: pwd.to_owned(),
    }
}

/// One transport with its events and received packets.
pub struct Peer {
    pub transport: Transport,
    pub sockets: Vec<SocketAddr>,
    pub events: Vec<TransportEvent>,
    pub received: Vec<(Received, Vec<u8>)>,
}

impl Peer {
    fn new(transport: Transport, sockets: &[&str]) -> Self {
        Self {
            transport,
            sockets: sockets.iter().copied().map(address).collect(),
            events: Vec::new(),
            received: Vec::new(),
        }
    }

    /// The path from one socket of this peer to an address.
    pub fn path(&self, socket: usize, remote: &str) -> PathId {
        PathId::udp(socket as u8, self.sockets[socket].ip(), address(remote))
    }

    pub fn has(&self, wanted: &TransportEvent) -> bool {
        self.events.contains(wanted)
    }

    pub fn count(&self, wanted: impl Fn(&TransportEvent) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    fn take_events(&mut self) {
        while let Some(event) = self.transport.poll_event() {
            self.events.push(event);
        }
    }
}

impl Endpoint for Peer {
    fn sockets(&self) -> &[SocketAddr] {
        &self.sockets
    }

    fn receive(&mut self, now: Time, path: PathId, datagram: &mut [u8], out: &mut Outbox) {
        let received = self.transport.receive(now, path, datagram, out);
        self.take_events();
        match received {
            Received::Nothing => {}
            Received::Rtp { len, .. } | Received::Rtcp { len } => {
                self.received.push((received, datagram[..len].to_vec()));
            }
        }
    }

    fn handle_timeout(&mut self, now: Time, out: &mut Outbox) {
        self.transport.handle_timeout(now, out);
        self.take_events();
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.transport.poll_timeout()
    }
}

/// What may differ from one pair to the next.
pub struct Setup {
    pub seed: u64,
    pub conditions: Conditions,
    pub client_sockets: Vec<&'static str>,
    pub client_profiles: Vec<Profile>,
    pub client_certificate: Certificate,
    /// The DTLS role that the client's description leaves to the server.
    pub server_role: Role,
    pub mtu: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            conditions: Conditions::default(),
            client_sockets: vec![CLIENT],
            client_profiles: Profile::ALL.to_vec(),
            client_certificate: Certificate::generate_ecdsa().unwrap(),
            server_role: Role::Server,
            mtu: 1200,
        }
    }
}

pub struct Pair {
    pub net: Network,
    pub server: Peer,
    pub client: Peer,
    pub server_identity: Context,
    pub client_identity: Context,
    server_role: Role,
}

impl Pair {
    /// Create both sides without remote parameters.
    pub fn without_descriptions(setup: Setup) -> Self {
        let net = Network::new(setup.seed, setup.conditions);
        let server_identity = Context::new(&Certificate::generate_ecdsa().unwrap()).unwrap();
        let client_identity = Context::new(&setup.client_certificate).unwrap();
        let sockets = &setup.client_sockets;
        let bases = sockets.iter().enumerate().map(|(socket, text)| Base {
            socket: socket as u8,
            local: address(text).ip(),
        });
        let controlling = IceRole::Controlling {
            tie_breaker: setup.seed,
            bases: bases.collect(),
        };
        let server = TransportConfig {
            ice: IceRole::Lite,
            local: server_credentials(),
            dtls: server_identity.clone(),
            dtls_role: Role::Server,
            profiles: Profile::ALL.to_vec(),
            mtu: setup.mtu,
        };
        let client = TransportConfig {
            ice: controlling,
            local: client_credentials(),
            dtls: client_identity.clone(),
            dtls_role: match setup.server_role {
                Role::Server => Role::Client,
                Role::Client => Role::Server,
            },
            profiles: setup.client_profiles,
            mtu: setup.mtu,
        };
        let server = Transport::new(server, net.now).unwrap();
        let client = Transport::new(client, net.now).unwrap();
        Self {
            net,
            server: Peer::new(server, &[SERVER]),
            client: Peer::new(client, sockets),
            server_identity,
            client_identity,
            server_role: setup.server_role,
        }
    }

    /// Create both sides and exchange their descriptions.
    pub fn with_descriptions(setup: Setup) -> Self {
        let mut pair = Self::without_descriptions(setup);
        pair.describe_client_to_server();
        pair.describe_server_to_client();
        pair
    }

    /// Create both sides and connect them.
    pub fn connected(setup: Setup) -> Self {
        let mut pair = Self::with_descriptions(setup);
        assert!(pair.connect(Duration::from_secs(30)), "not connected");
        pair
    }

    pub fn describe_client_to_server(&mut self) {
        let client = self.client_description();
        let transport = &mut self.server.transport;
        transport.set_dtls_role(self.server_role).unwrap();
        transport.set_remote(self.net.now, client);
    }

    pub fn describe_server_to_client(&mut self) {
        let server = self.server_description();
        self.client.transport.set_remote(self.net.now, server);
    }

    pub fn server_description(&self) -> RemoteParameters {
        RemoteParameters {
            credentials: server_credentials(),
            fingerprints: vec![self.server_identity.fingerprint()],
            candidates: vec![address(SERVER)],
        }
    }

    pub fn client_description(&self) -> RemoteParameters {
        RemoteParameters {
            credentials: client_credentials(),
            fingerprints: vec![self.client_identity.fingerprint()],
            candidates: Vec::new(),
        }
    }

    /// Run until both sides are connected; return whether that came to be.
    pub fn connect(&mut self, limit: Duration) -> bool {
        self.run_until(limit, |pair| {
            pair.server.transport.is_connected() && pair.client.transport.is_connected()
        })
    }

    /// Run until `done`; return false where `limit` passed first.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let limit = self.net.now + limit;
        loop {
            self.server.take_events();
            self.client.take_events();
            if done(self) {
                return true;
            }
            let endpoints: &mut [&mut dyn Endpoint] = &mut [&mut self.server, &mut self.client];
            if !self.net.step(endpoints, limit) {
                self.net.now = limit;
                return false;
            }
        }
    }

    pub fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Send to the server from an address of neither side.
    pub fn inject(&mut self, from: &str, bytes: &[u8]) {
        self.net.send(address(from), address(SERVER), bytes);
    }
}
