//! The peer of the bots: one ICE-lite transport per bot transport, and a forwarding table.

use super::{CAPTURE_TIME_ID, RTX_PT, path_to, server_address};
use rtc::dtls::{Certificate, Context, Fingerprint, Role};
use rtc::ice::Credentials;
use rtc::outbox::Outbox;
use rtc::srtp::{Profile, SealStream};
use rtc::transport::{
    IceRole, Received, RemoteParameters, Transport, TransportConfig, TransportEvent,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use swarm::message::TransportId;
use wire::id::Ssrc;
use wire::rtcp::{DlrrEntry, Packet, ReportBlock, SenderInfo, XrBlock, write};
use wire::time::{NtpTime, Time};

pub const PWD: &str = "0123456789abcdef01234567";

pub fn bot_ufrag(transport: TransportId) -> String {
    format!("botufrag{transport:04}")
}

fn server_ufrag(transport: TransportId) -> String {
    format!("srvufrag{transport:04}")
}

/// Decide whether a media packet to a subscriber is lost, by stream, sequence number and RTX or not.
type Loss = Box<dyn FnMut(u32, u16, bool) -> bool>;

/// A media packet received from the bots.
#[derive(Clone, Debug)]
pub struct ReceivedPacket {
    pub at: Time,
    pub transport: TransportId,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: u8,
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl ReceivedPacket {
    /// Return the header extension with its abs-capture-time alone.
    fn capture_time(&self) -> Option<Vec<u8>> {
        let is_capture = |(id, _): &&(u8, Vec<u8>)| *id == CAPTURE_TIME_ID;
        let (_, value) = self.extensions.iter().find(is_capture)?;
        let start = [0xbe, 0xde, 0, 5, CAPTURE_TIME_ID << 4 | 15];
        Some([&start[..], value, &[0; 3]].concat())
    }
}

struct Peer {
    transport: Transport,
    seals: BTreeMap<u32, SealStream>,
    connected: bool,
    /// Next transport-wide sequence number.
    numbered: u16,
}

struct Route {
    from: u32,
    to: TransportId,
    stream: u32,
}

/// A change from one publisher's stream to another.
struct Switch {
    to: u32,
    done: bool,
    shift: u64,
}

pub struct Reflector {
    dtls: Context,
    bots: Fingerprint,
    peers: BTreeMap<TransportId, Peer>,
    routes: Vec<Route>,
    outgoing: Vec<(TransportId, SocketAddr, Vec<u8>)>,
    switches: BTreeMap<u32, Switch>,
    /// Highest index sent of each routed stream.
    sent: BTreeMap<u32, u64>,
    pub loss: Loss,
    pub received: Vec<ReceivedPacket>,
    /// RTCP received from the bots, as text.
    pub rtcp: Vec<(Time, TransportId, String)>,
    pub profiles: Vec<Profile>,
    /// Forward NACK and PLI to the publisher.
    pub hands_feedback_back: bool,
    /// Send transport-wide sequence numbers to the bots.
    pub numbers: bool,
}

impl Reflector {
    pub fn new(bots: Fingerprint) -> Self {
        Self {
            dtls: Context::new(&Certificate::generate_ecdsa().unwrap()).unwrap(),
            bots,
            peers: BTreeMap::new(),
            routes: Vec::new(),
            outgoing: Vec::new(),
            switches: BTreeMap::new(),
            sent: BTreeMap::new(),
            loss: Box::new(|_, _, _| false),
            received: Vec::new(),
            rtcp: Vec::new(),
            profiles: Profile::ALL.to_vec(),
            hands_feedback_back: true,
            numbers: false,
        }
    }

    /// Create the peer of a bot's transport; return its remote parameters.
    pub fn add(&mut self, now: Time, name: TransportId) -> Value {
        let config = TransportConfig {
            ice: IceRole::Lite,
            local: Credentials {
                ufrag: server_ufrag(name),
                pwd: PWD.into(),
            },
            dtls: self.dtls.clone(),
            dtls_role: Role::Server,
            profiles: self.profiles.clone(),
            mtu: 1200,
        };
        let mut transport = Transport::new(config, now).unwrap();
        transport.set_remote(
            now,
            RemoteParameters {
                credentials: Credentials {
                    ufrag: bot_ufrag(name),
                    pwd: PWD.into(),
                },
                fingerprints: vec![self.bots],
                candidates: Vec::new(),
            },
        );
        self.peers.insert(
            name,
            Peer {
                transport,
                seals: BTreeMap::new(),
                connected: false,
                numbered: 0,
            },
        );
        let address = server_address(name);
        json!({
            "ufrag": server_ufrag(name), "pwd": PWD,
            "fingerprints": [self.dtls.fingerprint().to_string()],
            "candidates": [{"ip": address.ip(), "port": address.port()}],
        })
    }

    /// Forward stream `from` to `stream` of a transport.
    pub fn route(&mut self, from: u32, to: TransportId, stream: u32) {
        self.routes.push(Route { from, to, stream });
    }

    /// Switch every subscriber of one stream to another stream, from its next key frame on.
    pub fn switch(&mut self, from: u32, to: u32) {
        self.switches.insert(
            from,
            Switch {
                to,
                done: false,
                shift: 0,
            },
        );
    }

    pub fn receive(&mut self, now: Time, name: TransportId, from: SocketAddr, bytes: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(&name) else {
            return;
        };
        let mut outbox = Outbox::new();
        let received = peer
            .transport
            .receive(now, path_to(from), bytes, &mut outbox);
        self.take(name, &outbox);
        match received {
            Received::Nothing => self.take_events(name),
            Received::Rtp { header, index, len } => {
                let packet = ReceivedPacket {
                    at: now,
                    transport: name,
                    ssrc: header.ssrc.0,
                    sequence: header.sequence,
                    timestamp: header.timestamp,
                    marker: header.marker,
                    payload_type: header.payload_type.0,
                    extensions: header
                        .extensions(bytes)
                        .map(|(id, v)| (id, v.to_vec()))
                        .collect(),
                    payload: bytes[header.header_len..len].to_vec(),
                };
                self.forward(&packet, index);
                self.received.push(packet);
            }
            Received::Rtcp { len } => self.on_rtcp(now, name, &bytes[..len]),
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        let names: Vec<TransportId> = self.peers.keys().copied().collect();
        for name in names {
            let mut outbox = Outbox::new();
            let peer = self.peers.get_mut(&name).unwrap();
            peer.transport.handle_timeout(now, &mut outbox);
            self.take(name, &outbox);
            self.take_events(name);
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.peers
            .values()
            .filter_map(|peer| peer.transport.poll_timeout())
            .min()
    }

    pub fn take_outgoing(&mut self) -> Vec<(TransportId, SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.outgoing)
    }

    pub fn send_rtcp(&mut self, name: TransportId, plain: &[u8]) {
        let mut outbox = Outbox::new();
        let peer = self.peers.get_mut(&name).unwrap();
        peer.transport.send_rtcp(plain, &mut outbox).unwrap();
        self.take(name, &outbox);
    }

    /// Send a PLI to the publisher of a stream.
    pub fn send_pli(&mut self, name: TransportId, stream: u32) {
        let mut out = Vec::new();
        write::pli(&mut out, Ssrc(1), Ssrc(1000 + stream));
        self.send_rtcp(name, &out);
    }

    /// Send a receiver report on the SSRCs of a publisher at the time of its sender report.
    pub fn send_report(&mut self, name: TransportId, blocks: &[ReportBlock]) {
        let mut out = Vec::new();
        write::receiver_report(&mut out, Ssrc(1), blocks);
        self.send_rtcp(name, &out);
    }

    /// Send the echo of a receiver reference time.
    pub fn send_echo(&mut self, name: TransportId, echo: DlrrEntry) {
        let mut out = Vec::new();
        write::delays_since_rr(&mut out, Ssrc(1), &[echo]);
        self.send_rtcp(name, &out);
    }

    pub fn send_sender_report(&mut self, name: TransportId, stream: u32) {
        let mut out = Vec::new();
        let info = SenderInfo {
            ntp: NtpTime(5 << 32),
            ..SenderInfo::default()
        };
        write::sender_report(&mut out, Ssrc(3000 + stream), &info, &[]);
        self.send_rtcp(name, &out);
    }

    fn forward(&mut self, packet: &ReceivedPacket, index: u64) {
        let (is_rtx, from) = match packet.ssrc {
            ssrc @ 2000..3000 => (true, ssrc - 2000),
            ssrc => (false, ssrc.saturating_sub(1000)),
        };
        let (from, index) = self.switched(from, index, packet);
        let routes: Vec<(TransportId, u32)> = self
            .routes
            .iter()
            .filter(|route| route.from == from)
            .map(|route| (route.to, route.stream))
            .collect();
        for (to, stream) in routes {
            if !(self.loss)(stream, packet.sequence, is_rtx) {
                let ssrc = if is_rtx { 4000 } else { 3000 } + stream;
                let packet = ReceivedPacket {
                    sequence: index as u16,
                    ..packet.clone()
                };
                self.send_media(to, ssrc, &packet, index);
            }
        }
    }

    /// Return the stream whose subscribers receive a packet, and its index there.
    fn switched(&mut self, from: u32, index: u64, packet: &ReceivedPacket) -> (u32, u64) {
        let is_keyframe = packet.payload[0] & 0x10 != 0
            && packet.payload.get(4).is_some_and(|byte| byte & 1 == 0);
        for (old, switch) in &mut self.switches {
            if switch.to == from && !switch.done && is_keyframe {
                switch.done = true;
                switch.shift = (self.sent[old] + 1).wrapping_sub(index);
            }
            if switch.done && switch.to == from {
                return (*old, index.wrapping_add(switch.shift));
            }
            if switch.done && *old == from {
                return (u32::MAX, index);
            }
        }
        self.sent.insert(from, index);
        (from, index)
    }

    fn send_media(&mut self, to: TransportId, ssrc: u32, packet: &ReceivedPacket, index: u64) {
        let Some(peer) = self.peers.get_mut(&to).filter(|peer| peer.connected) else {
            return;
        };
        let Some(path) = peer.transport.send_path() else {
            return;
        };
        let seal = peer
            .seals
            .entry(ssrc)
            .or_insert_with(|| peer.transport.seal_stream(Ssrc(ssrc)).unwrap());
        let mut datagram = [0; 1500];
        let header = wire::rtp::NewHeader {
            marker: packet.marker,
            payload_type: wire::id::PayloadType(packet.payload_type),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            ssrc: Ssrc(ssrc),
            padding: false,
        };
        let [high, low] = peer.numbered.to_be_bytes();
        peer.numbered += 1;
        let numbers = [0xbe, 0xde, 0, 1, 0x31, high, low, 0];
        let capture = packet.capture_time();
        let block = match &capture {
            _ if self.numbers => &numbers[..],
            Some(block) => block,
            None => &[],
        };
        let header_len = wire::rtp::write(&mut datagram, &header, block);
        let len = header_len + packet.payload.len();
        datagram[header_len..len].copy_from_slice(&packet.payload);
        let sealed = peer
            .transport
            .seal_rtp(seal, index, &mut datagram, header_len, len)
            .unwrap();
        self.outgoing
            .push((to, path.remote, datagram[..sealed].to_vec()));
    }

    fn on_rtcp(&mut self, now: Time, name: TransportId, compound: &[u8]) {
        for packet in wire::rtcp::compound(compound) {
            let packet = packet.unwrap();
            self.rtcp.push((now, name, describe(&packet)));
            let media = match packet {
                Packet::Nack { media, .. } | Packet::Pli { media, .. } => media.0,
                _ => continue,
            };
            let route = self
                .routes
                .iter()
                .find(|it| it.to == name && 3000 + it.stream == media);
            let Some(from) = route
                .map(|route| route.from)
                .filter(|_| self.hands_feedback_back)
            else {
                continue;
            };
            let mut out = Vec::new();
            match packet {
                Packet::Nack { sequences, .. } => {
                    let sequences: Vec<u16> = sequences.collect();
                    write::nack(&mut out, Ssrc(1), Ssrc(1000 + from), &sequences);
                }
                _ => write::pli(&mut out, Ssrc(1), Ssrc(1000 + from)),
            }
            let publisher = self.received.iter().rev().find(|it| it.ssrc == 1000 + from);
            let publisher = publisher.map(|packet| packet.transport).unwrap();
            self.send_rtcp(publisher, &out);
        }
    }

    fn take_events(&mut self, name: TransportId) {
        let peer = self.peers.get_mut(&name).unwrap();
        while let Some(event) = peer.transport.poll_event() {
            match event {
                TransportEvent::Connected { .. } => peer.connected = true,
                TransportEvent::Closed(_) => peer.connected = false,
                _ => {}
            }
        }
    }

    fn take(&mut self, name: TransportId, outbox: &Outbox) {
        let datagrams = outbox.datagrams();
        self.outgoing
            .extend(datagrams.map(|(path, bytes)| (name, path.remote, bytes.to_vec())));
    }
}

pub fn is_rtx(packet: &ReceivedPacket) -> bool {
    packet.payload_type == RTX_PT
}

fn describe(packet: &Packet<'_>) -> String {
    match packet {
        Packet::SenderReport {
            ssrc,
            info,
            reports,
        } => {
            format!(
                "SR {ssrc} packets={} ntp={} rtp={} blocks={}",
                info.packets,
                info.ntp.0,
                info.rtp_timestamp,
                (*reports).count()
            )
        }
        Packet::ReceiverReport { reports, .. } => {
            let blocks: Vec<String> = (*reports)
                .map(|b| format!("{}:lost={}:lsr={}", b.ssrc, b.cumulative_lost, b.last_sr))
                .collect();
            format!("RR {}", blocks.join(" "))
        }
        Packet::Sdes(chunks) => {
            let names: Vec<String> = (*chunks)
                .filter_map(|chunk| {
                    chunk
                        .cname
                        .map(|it| String::from_utf8_lossy(it).into_owned())
                })
                .collect();
            format!("SDES {}", names.join(" "))
        }
        Packet::Nack {
            media, sequences, ..
        } => {
            format!("NACK {media} {:?}", sequences.collect::<Vec<u16>>())
        }
        Packet::Pli { media, .. } => format!("PLI {media}"),
        Packet::Fir { .. } => "FIR".into(),
        Packet::TransportFeedback(feedback) => format!("TWCC {}", feedback.packet_count),
        Packet::Bye(_) => "BYE".into(),
        Packet::Xr { sender, blocks } => {
            let times: Vec<String> = (*blocks)
                .filter_map(|block| match block {
                    XrBlock::ReferenceTime(ntp) => Some(format!("rrtr={}", ntp.0)),
                    _ => None,
                })
                .collect();
            format!("XR ssrc={sender} {}", times.join(" "))
        }
        other => format!("{other:?}"),
    }
}
