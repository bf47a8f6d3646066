//! Rooms, participants, their publications and subscriptions.

use std::net::SocketAddr;
use std::time::Duration;

use rtc::codec::{Codec, Kind};
use rtc::dtls::Role;
use rtc::ice::{Base, Credentials};
use rtc::srtp::Profile;
use rtc::transport::{IceRole, RemoteParameters, Transport, TransportConfig};
use serde_json::Value;
use sfu::message::{self, CommandError, Preference, Request, Setup, SubscribeRequest, Target};
use wire::extension::{Extension, ExtensionMap};

use super::camera::Camera;
use super::client::Client;
use super::viewer::Viewer;
use super::world::{SERVER, World};

/// Extension ids on the way up and, others, on the way down.
pub const UP_IDS: [(u8, Extension); 8] = [
    (1, Extension::AudioLevel),
    (2, Extension::AbsSendTime),
    (3, Extension::TransportSequence),
    (4, Extension::Mid),
    (10, Extension::Rid),
    (11, Extension::RepairedRid),
    (12, Extension::AbsCaptureTime),
    (13, Extension::VideoOrientation),
];
pub const DOWN_IDS: [(u8, Extension); 6] = [
    (5, Extension::TransportSequence),
    (6, Extension::AudioLevel),
    (7, Extension::VideoOrientation),
    (8, Extension::AbsSendTime),
    (9, Extension::Mid),
    (10, Extension::AbsCaptureTime),
];

pub fn id_map(ids: &[(u8, Extension)]) -> ExtensionMap {
    let mut map = ExtensionMap::new();
    for (id, extension) in ids {
        map.insert(*id, *extension).expect("free");
    }
    map
}

/// A subscription, from the receiver's side.
#[derive(Clone, Copy, Debug)]
pub struct Sub {
    pub id: u32,
    pub client: usize,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub payload_type: u8,
    pub rtx_payload_type: u8,
}

impl World {
    /// A camera and a subscriber who has watched it for a second.
    pub fn playing() -> (Self, usize, Sub) {
        let mut world = Self::default();
        let room = world.open_room();
        let publisher = world.connect(room);
        let subscriber = world.connect(room);
        let camera = world.publish(publisher, Codec::Vp8, &[]);
        let sub = world.subscribe(subscriber, camera);
        world.run_for(Duration::from_secs(1));
        (world, camera, sub)
    }

    pub fn open_room(&mut self) -> u32 {
        let room = self.fresh_id();
        self.command(Request::OpenRoom { room });
        room
    }

    pub fn close_room(&mut self, room: u32) {
        self.command(Request::CloseRoom { room });
    }

    /// Open a transport and start a client that connects to it.
    pub fn join(&mut self, room: u32) -> usize {
        self.join_in_role(room, Setup::Active)
    }

    /// Join with this DTLS role.
    pub fn join_in_role(&mut self, room: u32, setup: Setup) -> usize {
        let fingerprint = self.client_identity.fingerprint().to_string();
        self.join_with(room, setup, Some(fingerprint))
    }

    /// Join by answering an offer of the server's: its transport waits for [`World::answer`].
    pub fn join_before_answer(&mut self, room: u32, setup: Setup) -> usize {
        self.join_with(room, setup, None)
    }

    /// Send the client's answer to the server.
    pub fn answer(&mut self, key: usize, setup: Setup) {
        let transport = self.clients[key].transport_id;
        let fingerprint = self.client_identity.fingerprint().to_string();
        let remote = description(&credentials(transport, "client"), fingerprint, setup);
        self.command(Request::SetRemote { transport, remote });
    }

    /// Join with another certificate than the one announced.
    pub fn join_as_impostor(&mut self, room: u32) -> usize {
        let fingerprint = self.identity.fingerprint().to_string();
        self.join_with(room, Setup::Active, Some(fingerprint))
    }

    fn join_with(&mut self, room: u32, setup: Setup, announced: Option<String>) -> usize {
        let transport_id = self.fresh_id();
        let joined = self.join_as(room, transport_id, setup, announced, &Profile::ALL);
        joined.expect("joined")
    }

    /// Join under this id, with these SRTP profiles.
    pub fn join_as(
        &mut self,
        room: u32,
        transport_id: u32,
        setup: Setup,
        announced: Option<String>,
        profiles: &[Profile],
    ) -> Result<usize, CommandError> {
        let key = self.clients.len();
        let ip = format!("198.51.{}.{}", 100 + key / 250, 1 + key % 250);
        let address = SocketAddr::new(ip.parse().expect("ip"), 40_000);
        let server: SocketAddr = SERVER.parse().expect("address");
        let ours = credentials(transport_id, "server");
        let theirs = credentials(transport_id, "client");
        self.try_command(Request::OpenTransport {
            room,
            transport: transport_id,
            local: message::LocalParameters {
                ufrag: ours.ufrag.clone(),
                pwd: ours.pwd.clone(),
            },
            remote: announced.map(|fingerprint| description(&theirs, fingerprint, setup)),
            data: None,
        })?;
        let role = client_role(setup);
        let mut transport = self.client_transport(transport_id, address, &theirs, role, profiles);
        transport.set_remote(
            self.now,
            RemoteParameters {
                credentials: ours.clone(),
                fingerprints: vec![self.identity.fingerprint()],
                candidates: vec![server],
            },
        );
        self.by_address.insert(address, key);
        self.clients.push(Client::new(
            (room, transport_id),
            (address, server),
            transport,
            (theirs, ours),
            id_map(&UP_IDS),
        ));
        Ok(key)
    }

    /// Join and wait until the transport is connected.
    pub fn connect(&mut self, room: u32) -> usize {
        let key = self.join(room);
        self.wait_connected(&[key]);
        key
    }

    /// Join several and wait for all of them.
    pub fn connect_many(&mut self, room: u32, count: usize) -> Vec<usize> {
        let keys: Vec<usize> = (0..count).map(|_| self.join(room)).collect();
        self.wait_connected(&keys);
        keys
    }

    pub fn wait_connected(&mut self, keys: &[usize]) {
        let connected = self.run_until(Duration::from_secs(10), |world| {
            let is_connected = |key: &usize| world.clients[*key].transport.is_connected();
            keys.iter().all(is_connected)
        });
        assert!(connected, "not connected");
        // The last flight is still on its way to the engine.
        self.run_for(Duration::from_millis(30));
    }

    pub fn leave(&mut self, client: usize) {
        let transport = self.clients[client].transport_id;
        self.command(Request::CloseTransport { transport });
    }

    /// Publish a new camera, which sends from now on.
    pub fn publish(&mut self, client: usize, codec: Codec, rids: &[&'static str]) -> usize {
        self.publish_with(client, codec, rids, |_| {})
    }

    pub fn publish_with(
        &mut self,
        client: usize,
        codec: Codec,
        rids: &[&'static str],
        change: impl FnOnce(&mut Camera),
    ) -> usize {
        let publication = self.fresh_id();
        let mut camera = Camera::new(self.now, client, publication, codec, rids);
        change(&mut camera);
        let transport = self.clients[client].transport_id;
        let request = camera.publish_request(transport, &UP_IDS);
        self.command(Request::Publish(request));
        self.cameras.push(camera);
        self.cameras.len() - 1
    }

    /// Subscribe a client to a camera.
    pub fn subscribe(&mut self, client: usize, camera: usize) -> Sub {
        self.subscribe_with(client, camera, |_| {})
    }

    pub fn subscribe_with(
        &mut self,
        client: usize,
        camera: usize,
        change: impl FnOnce(&mut SubscribeRequest),
    ) -> Sub {
        let id = self.fresh_id();
        let mut request = self.subscribe_request(client, camera, id);
        change(&mut request);
        let sub = Sub {
            id,
            client,
            ssrc: request.ssrc,
            rtx_ssrc: request.rtx_ssrc.unwrap_or(0),
            payload_type: request.payload_type,
            rtx_payload_type: request.rtx_payload_type.unwrap_or(0),
        };
        self.command(Request::Subscribe(request));
        let clock_rate = self.cameras[camera].codec.clock_rate();
        if let Some(viewer) = &mut self.clients[client].viewer {
            viewer.add_stream(sub.ssrc, Some(sub.rtx_ssrc), clock_rate);
        }
        sub
    }

    pub fn subscribe_request(&self, client: usize, camera: usize, id: u32) -> SubscribeRequest {
        let audio = self.cameras[camera].codec.kind() == Kind::Audio;
        SubscribeRequest {
            transport: self.clients[client].transport_id,
            subscription: id,
            publication: self.cameras[camera].publication,
            mid: format!("s{id:02}"),
            payload_type: 120,
            rtx_payload_type: (!audio).then_some(121),
            red_payload_type: None,
            ssrc: 0x1000_0000 + id,
            rtx_ssrc: (!audio).then_some(0x2000_0000 + id),
            extensions: DOWN_IDS
                .iter()
                .map(|(id, extension)| (extension.uri().to_owned(), *id))
                .collect(),
            feedback: Vec::new(),
            cname: "subscriber".into(),
            target: Target::Auto,
            preference: Preference::default(),
        }
    }

    /// Make a client send reports, NACKs and transport-wide feedback as a browser does.
    pub fn enable_feedback(&mut self, client: usize) {
        self.clients[client].viewer = Some(Viewer::new(self.now, id_map(&DOWN_IDS)));
    }

    pub fn set_target(&mut self, sub: Sub, target: Target) {
        self.command(Request::SetTarget {
            subscription: sub.id,
            target,
            preference: Preference::default(),
        });
    }

    /// Set the size at which a subscriber shows a video, and its priority.
    pub fn set_preference(&mut self, sub: Sub, preference: Preference) {
        self.command(Request::SetTarget {
            subscription: sub.id,
            target: Target::Auto,
            preference,
        });
    }

    pub fn room_stats(&mut self, room: u32) -> Value {
        self.command(Request::RoomStats { room })
    }

    /// Change the address of a client, as after a change of network.
    pub fn move_client(&mut self, key: usize, address: &str) {
        self.take_address(key, address.parse().expect("address"));
    }

    /// Move a client to an address that another client may have had.
    pub fn take_address(&mut self, key: usize, address: SocketAddr) {
        self.by_address.retain(|_, client| *client != key);
        self.by_address.insert(address, key);
        self.clients[key].outside = Some(address);
    }

    /// Give both sides of a transport new ICE credentials.
    pub fn restart_ice(&mut self, key: usize) {
        let id = self.fresh_id();
        let (ours, theirs) = (credentials(id, "server"), credentials(id, "client"));
        let fingerprint = self.client_identity.fingerprint().to_string();
        self.command(Request::RestartIce {
            transport: self.clients[key].transport_id,
            local: message::LocalParameters {
                ufrag: ours.ufrag.clone(),
                pwd: ours.pwd.clone(),
            },
            remote: description(&theirs, fingerprint, Setup::Active),
        });
        let remote = RemoteParameters {
            credentials: ours,
            fingerprints: vec![self.identity.fingerprint()],
            candidates: vec![self.clients[key].server],
        };
        let now = self.now;
        self.clients[key]
            .transport
            .restart_ice(now, &theirs, &remote);
    }

    fn client_transport(
        &self,
        id: u32,
        address: SocketAddr,
        local: &Credentials,
        dtls_role: Role,
        profiles: &[Profile],
    ) -> Transport {
        let config = TransportConfig {
            ice: IceRole::Controlling {
                tie_breaker: id.into(),
                bases: vec![Base {
                    socket: 0,
                    local: address.ip(),
                }],
            },
            local: local.clone(),
            dtls: self.client_identity.clone(),
            dtls_role,
            profiles: profiles.to_vec(),
            mtu: 1200,
        };
        Transport::new(config, self.now).expect("a transport")
    }
}

fn client_role(setup: Setup) -> Role {
    match setup {
        Setup::Active => Role::Client,
        Setup::Passive => Role::Server,
    }
}

/// Remote parameters of a client.
pub fn description(
    theirs: &Credentials,
    fingerprint: String,
    setup: Setup,
) -> message::RemoteParameters {
    message::RemoteParameters {
        ufrag: theirs.ufrag.clone(),
        pwd: theirs.pwd.clone(),
        fingerprints: vec![fingerprint],
        setup,
    }
}

/// ICE credentials of one side of a transport.
pub fn credentials(id: u32, side: &str) -> Credentials {
    Credentials {
        ufrag: format!("{side}{id:06}"),
        pwd: format!("{side}-password-of-{id:012}"),
    }
}
