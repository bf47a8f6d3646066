//! A participant's end of a transport, which encrypts what is sent and stores what is received.

use std::collections::HashMap;
use std::net::SocketAddr;

use rtc::ice::Credentials;
use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::srtp::SealStream;
use rtc::transport::{Received, Transport, TransportEvent};
use wire::extension::{BlockWriter, Extension, ExtensionMap, Values};
use wire::id::{PayloadType, Ssrc};
use wire::rtcp::{Packet, compound};
use wire::rtp::{Header, NewHeader, padding_len, write};
use wire::time::Time;

use super::data::DataEnd;
use super::link::Link;
use super::viewer::Viewer;

/// An RTP packet that a client received, in plain.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub at: Time,
    pub header: Header,
    pub index: u64,
    pub padding: usize,
    packet: Vec<u8>,
}

impl Arrived {
    /// The payload without padding.
    pub fn payload(&self) -> &[u8] {
        &self.packet[self.header.header_len..self.packet.len() - self.padding]
    }

    /// Bytes of the plain packet: with its tag, those of the datagram.
    pub fn len(&self) -> usize {
        self.packet.len()
    }

    pub fn values<'a>(&'a self, ids: &ExtensionMap) -> Values<'a> {
        Values::read(&self.header, &self.packet, ids)
    }

    /// The ids of its extension elements, in order.
    pub fn extension_ids(&self) -> Vec<u8> {
        let elements = self.header.extensions(&self.packet);
        elements.map(|(id, _)| id).collect()
    }
}

/// A packet to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub ssrc: u32,
    pub payload_type: u8,
    pub index: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub padding: u8,
    pub extensions: Vec<(Extension, Vec<u8>)>,
    pub payload: Vec<u8>,
}

pub struct Client {
    pub transport_id: u32,
    pub room: u32,
    pub address: SocketAddr,
    /// Mapped address, behind a NAT.
    pub outside: Option<SocketAddr>,
    pub server: SocketAddr,
    pub transport: Transport,
    pub local: Credentials,
    pub remote: Credentials,
    pub up: Link,
    pub down: Link,
    pub events: Vec<TransportEvent>,
    pub rtp: Vec<Arrived>,
    pub rtcp: Vec<(Time, Vec<u8>)>,
    pub viewer: Option<Viewer>,
    /// Its data channels.
    pub data: Option<DataEnd>,
    /// Whether it sends the transport-wide sequence numbers that it negotiated.
    pub sends_transport_sequence: bool,
    /// Received packets are not stored: for long runs with many packets.
    pub forgetful: bool,
    pub out: Outbox,
    /// Ids on the way to the server.
    ids: ExtensionMap,
    streams: HashMap<u32, SealStream>,
    next_transport_sequence: u16,
}

impl Client {
    pub fn new(
        ids: (u32, u32),
        addresses: (SocketAddr, SocketAddr),
        transport: Transport,
        credentials: (Credentials, Credentials),
        extensions: ExtensionMap,
    ) -> Self {
        let seed = u64::from(ids.1);
        Self {
            room: ids.0,
            transport_id: ids.1,
            address: addresses.0,
            outside: None,
            server: addresses.1,
            transport,
            local: credentials.0,
            remote: credentials.1,
            up: Link::new(seed * 2),
            down: Link::new(seed * 2 + 1),
            events: Vec::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            viewer: None,
            data: None,
            sends_transport_sequence: true,
            forgetful: false,
            out: Outbox::new(),
            ids: extensions,
            streams: HashMap::new(),
            next_transport_sequence: 0,
        }
    }

    /// Return the source address of its datagrams as seen by the server.
    pub fn mapped_address(&self) -> SocketAddr {
        self.outside.unwrap_or(self.address)
    }

    /// Return the path at its own end.
    pub fn path(&self) -> PathId {
        PathId::udp(0, self.address.ip(), self.server)
    }

    pub fn receive(&mut self, now: Time, datagram: &mut [u8]) {
        let path = self.path();
        let received = self.transport.receive(now, path, datagram, &mut self.out);
        let before = self.events.len();
        self.take_events();
        self.settle_data(now, before);
        match received {
            Received::Nothing => {}
            Received::Rtp { header, index, len } => {
                let arrived = open(now, header, index, &datagram[..len]);
                if let Some(viewer) = &mut self.viewer {
                    viewer.received(&arrived);
                }
                if !self.forgetful {
                    self.rtp.push(arrived);
                }
            }
            Received::Rtcp { len } => {
                let plain = &datagram[..len];
                if let Some(viewer) = &mut self.viewer {
                    viewer.received_rtcp(now, plain);
                }
                self.rtcp.push((now, plain.to_vec()));
            }
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        if self.transport.poll_timeout().is_some_and(|at| at <= now) {
            self.transport.handle_timeout(now, &mut self.out);
            self.take_events();
        }
        if let Some(data) = &mut self.data
            && data.association.poll_timeout().is_some_and(|at| at <= now)
        {
            data.association.handle_timeout(now);
            self.settle_data(now, self.events.len());
        }
        if let Some(viewer) = self.viewer.as_mut().filter(|viewer| viewer.due() <= now) {
            let rtcp = viewer.feedback(now);
            // After a DTLS close, or without a path, feedback cannot be sent.
            if !rtcp.is_empty() && self.is_connected() {
                self.send_rtcp(&rtcp);
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let viewer = self.viewer.as_ref().map(Viewer::due);
        let viewer = viewer.filter(|_| self.transport.is_connected());
        let data = self.data.as_ref();
        let data = data.and_then(|data| data.association.poll_timeout());
        self.transport
            .poll_timeout()
            .into_iter()
            .chain(viewer)
            .chain(data)
            .min()
    }

    pub fn is_connected(&self) -> bool {
        self.transport.is_connected() && self.transport.send_path().is_some()
    }

    pub fn send_rtp(&mut self, packet: &Outgoing) {
        assert!(self.is_connected(), "not connected");
        let mut block = [0; 128];
        let mut writer = BlockWriter::new(&mut block, self.ids.form());
        for (extension, value) in &packet.extensions {
            let id = self.ids.id(*extension).expect("a negotiated extension");
            writer.push(id, value).expect("room");
        }
        let number = self.next_transport_sequence;
        let id = self.ids.id(Extension::TransportSequence);
        if let Some(id) = id.filter(|_| self.sends_transport_sequence) {
            self.next_transport_sequence = number.wrapping_add(1);
            writer.push(id, &number.to_be_bytes()).expect("room");
        }
        let block_len = writer.finish();
        self.seal(packet, &block[..block_len]);
    }

    fn seal(&mut self, packet: &Outgoing, block: &[u8]) {
        let header = NewHeader {
            marker: packet.marker,
            payload_type: PayloadType(packet.payload_type),
            sequence: packet.index as u16,
            timestamp: packet.timestamp,
            ssrc: Ssrc(packet.ssrc),
            padding: packet.padding > 0,
        };
        let mut buffer = vec![0; 2048];
        let header_len = write(&mut buffer, &header, block);
        let mut len = header_len + packet.payload.len();
        buffer[header_len..len].copy_from_slice(&packet.payload);
        if packet.padding > 0 {
            len += usize::from(packet.padding);
            buffer[len - 1] = packet.padding;
        }
        let transport = &mut self.transport;
        let stream = self.streams.entry(packet.ssrc).or_insert_with(|| {
            let stream = transport.seal_stream(Ssrc(packet.ssrc));
            stream.expect("a fresh SSRC")
        });
        let sealed = transport
            .seal_rtp(stream, packet.index, &mut buffer, header_len, len)
            .expect("sealed");
        let path = transport.send_path().expect("a path");
        self.out.push(path, &buffer[..sealed]);
    }

    pub fn send_rtcp(&mut self, plain: &[u8]) {
        assert!(!plain.is_empty(), "nothing to send");
        assert!(self.is_connected(), "not connected");
        let sent = self.transport.send_rtcp(plain, &mut self.out);
        sent.expect("connected");
    }

    /// Return the packets of an SSRC, in order of arrival.
    pub fn stream(&self, ssrc: u32) -> impl Iterator<Item = &Arrived> {
        self.rtp
            .iter()
            .filter(move |arrived| arrived.header.ssrc.0 == ssrc)
    }

    /// The RTCP packets received, with their arrival.
    pub fn rtcp_packets(&self) -> impl Iterator<Item = (Time, Packet<'_>)> {
        self.rtcp.iter().flat_map(|(at, plain)| {
            compound(plain).map(|packet| (*at, packet.expect("well formed")))
        })
    }

    fn take_events(&mut self) {
        while let Some(event) = self.transport.poll_event() {
            self.events.push(event);
        }
    }
}

fn open(at: Time, header: Header, index: u64, packet: &[u8]) -> Arrived {
    let padding = match header.has_padding {
        true => padding_len(&packet[header.header_len..]).expect("padding"),
        false => 0,
    };
    Arrived {
        at,
        header,
        index,
        padding,
        packet: packet.to_vec(),
    }
}
