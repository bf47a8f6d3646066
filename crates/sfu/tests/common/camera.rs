//! A publisher's source: frames on a clock. Its RTCP is in [`control`].

mod control;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use rtc::codec::Codec;
use sfu::message::{EncodingParameters, Kind, PublishRequest};
use wire::extension::Extension;
use wire::time::Time;

use super::client::{Client, Outgoing};
use super::payload::{self, Mark, Part};

pub const RTX_PAYLOAD_TYPE: u8 = 97;
pub const RED_PAYLOAD_TYPE: u8 = 63;

/// One encoding of a camera.
pub struct Source {
    pub rid: Option<&'static str>,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub enabled: bool,
    pub keyframe_wanted: bool,
    pub packets: u8,
    pub keyframe_packets: u8,
    pub payload_len: usize,
    /// Every packet is one byte longer than the one before, as libwebrtc's packetizer makes them.
    pub uneven: bool,
    /// Frame sizes vary by up to a half.
    pub varies: bool,
    pub frame: u32,
    pub index: u64,
    pub timestamp_offset: u32,
    pub picture_id: u16,
    pub tl0: u8,
    pub key_index: u8,
    rtx_index: u64,
    packets_sent: u32,
    octets_sent: u32,
}

/// A packet that a camera sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Time,
    pub encoding: usize,
    pub keyframe: bool,
    pub packet: Outgoing,
}

pub struct Camera {
    pub client: usize,
    pub publication: u32,
    pub codec: Codec,
    pub mid: String,
    pub payload_type: u8,
    pub interval: Duration,
    /// Time over which the packets of a frame leave; zero sends them at once.
    pub spread: Duration,
    pub running: bool,
    pub encodings: Vec<Source>,
    pub answers_keyframe_requests: bool,
    pub answers_nacks: bool,
    /// Stops and starts encodings on request (dynacast).
    pub dynacast: bool,
    /// A shared screen.
    pub screen: bool,
    pub sends_reports: bool,
    /// Packets carry mid and rid, as before the first receiver report.
    pub names_itself: bool,
    /// The publish request declares SSRCs.
    pub declares_ssrcs: bool,
    /// Redundant blocks of its packets, which are RED then (RFC 2198).
    pub red: Option<usize>,
    /// Timestamps and payloads of the last packets of audio.
    recent: VecDeque<(u32, Vec<u8>)>,
    /// Audio level of its packets, as in RFC 6464.
    pub audio_level: Option<u8>,
    /// Retransmissions name their m-line alone: the publish request declares their SSRCs (Firefox).
    pub declares_repairs: bool,
    /// Every keyframe carries its parameter sets; else only the first one (H.264).
    pub repeats_parameter_sets: bool,
    pub feedback: Vec<&'static str>,
    pub sent: Vec<Sent>,
    pub keyframe_requests: Vec<(Time, usize)>,
    pub nacks: Vec<(Time, usize, u16)>,
    /// Sent packets by SSRC and sequence number, for retransmission.
    history: HashMap<(u32, u16), Outgoing>,
    queue: VecDeque<(Time, Sent)>,
    pub next_frame: Time,
    next_report: Time,
    rtcp_read: usize,
    parameter_sets_sent: bool,
}

impl Source {
    fn new(nth: u32, base: u32, rid: Option<&'static str>) -> Self {
        Self {
            rid,
            ssrc: base + 10 * nth + 1,
            rtx_ssrc: base + 10 * nth + 2,
            enabled: true,
            keyframe_wanted: true,
            packets: 2 + 2 * nth as u8,
            keyframe_packets: 4 + 2 * nth as u8,
            payload_len: 1000,
            uneven: false,
            varies: false,
            frame: 0,
            index: u64::from(1000 * (nth + 1)),
            timestamp_offset: 77_000_000 * (nth + 1),
            picture_id: 300 * (nth as u16 + 1),
            tl0: 10 * (nth as u8 + 1),
            key_index: 3 * (nth as u8 + 1),
            rtx_index: 50,
            packets_sent: 0,
            octets_sent: 0,
        }
    }
}

impl Camera {
    /// A camera that starts at `now`; `base` keeps its SSRCs apart from others'.
    pub fn new(
        now: Time,
        client: usize,
        publication: u32,
        codec: Codec,
        rids: &[&'static str],
    ) -> Self {
        let base = publication * 100;
        let encodings = match rids {
            [] => vec![Source::new(0, base, None)],
            rids => (0..)
                .zip(rids)
                .map(|(nth, rid)| Source::new(nth, base, Some(rid)))
                .collect(),
        };
        let mut camera = Self {
            client,
            publication,
            codec,
            mid: format!("m{publication}"),
            payload_type: 96,
            interval: Duration::from_millis(if codec == Codec::Opus { 20 } else { 40 }),
            spread: Duration::ZERO,
            running: true,
            encodings,
            answers_keyframe_requests: true,
            answers_nacks: true,
            dynacast: false,
            screen: false,
            sends_reports: true,
            names_itself: true,
            declares_ssrcs: false,
            audio_level: None,
            red: None,
            recent: VecDeque::new(),
            declares_repairs: false,
            repeats_parameter_sets: true,
            feedback: vec!["nack", "nack pli", "ccm fir", "transport-cc"],
            sent: Vec::new(),
            keyframe_requests: Vec::new(),
            nacks: Vec::new(),
            history: HashMap::new(),
            queue: VecDeque::new(),
            next_frame: now,
            next_report: now + Duration::from_millis(50),
            rtcp_read: 0,
            parameter_sets_sent: false,
        };
        if codec == Codec::Opus {
            camera.payload_type = 111;
            camera.feedback = vec!["transport-cc"];
            let source = &mut camera.encodings[0];
            (source.packets, source.keyframe_packets) = (1, 1);
            source.payload_len = 100;
        }
        camera
    }

    pub fn publish_request(
        &self,
        transport: u32,
        extensions: &[(u8, Extension)],
    ) -> PublishRequest {
        let declared = |ssrc| self.declares_ssrcs.then_some(ssrc);
        let audio = self.codec.kind() == rtc::codec::Kind::Audio;
        PublishRequest {
            transport,
            publication: self.publication,
            kind: if audio { Kind::Audio } else { Kind::Video },
            codec: self.codec.name().into(),
            clock_rate: self.codec.clock_rate(),
            payload_type: self.payload_type,
            rtx_payload_type: (!audio).then_some(RTX_PAYLOAD_TYPE),
            red_payload_type: self.red.map(|_| RED_PAYLOAD_TYPE),
            mid: self.mid.clone(),
            encodings: self
                .encodings
                .iter()
                .map(|source| EncodingParameters {
                    rid: source.rid.map(Into::into),
                    ssrc: declared(source.ssrc),
                    rtx_ssrc: declared(source.rtx_ssrc),
                })
                .collect(),
            fid_groups: match self.declares_repairs {
                true => self
                    .encodings
                    .iter()
                    .map(|it| (it.ssrc, it.rtx_ssrc))
                    .collect(),
                false => Vec::new(),
            },
            extensions: extensions
                .iter()
                .map(|(id, extension)| (extension.uri().to_owned(), *id))
                .collect(),
            feedback: self.feedback.iter().map(|name| name.to_string()).collect(),
            dynacast: self.dynacast,
            screen: self.screen,
        }
    }

    pub fn next_due(&self) -> Option<Time> {
        let queued = self.queue.front().map(|(at, _)| *at);
        let running = self
            .running
            .then_some(self.next_frame.min(self.next_report));
        queued.into_iter().chain(running).min()
    }

    /// Send the packets that are due.
    pub fn tick(&mut self, now: Time, client: &mut Client) {
        if self.running && self.next_frame <= now {
            self.next_frame = self.next_frame + self.interval;
            for encoding in 0..self.encodings.len() {
                if self.encodings[encoding].enabled {
                    self.make_frame(now, encoding);
                }
            }
            self.queue.make_contiguous().sort_by_key(|(at, _)| *at);
        }
        while self.queue.front().is_some_and(|(at, _)| *at <= now) {
            let (_, mut sent) = self.queue.pop_front().expect("one");
            sent.at = now;
            self.send(client, sent);
        }
        if self.running && self.next_report <= now {
            self.next_report = now + Duration::from_secs(1);
            if self.sends_reports {
                self.report(now, client);
            }
        }
    }

    /// Send these encodings and no others; each starts with a keyframe.
    pub fn send_only(&mut self, rids: &[String]) {
        for source in &mut self.encodings {
            let wanted = rids.iter().any(|rid| Some(rid.as_str()) == source.rid);
            source.keyframe_wanted |= wanted && !source.enabled;
            source.enabled = wanted;
        }
    }

    /// The RTP timestamp of an encoding at an instant.
    pub fn timestamp(&self, encoding: usize, at: Time) -> u32 {
        let rate = u64::from(self.codec.clock_rate());
        let ticks = at.as_micros() * rate / 1_000_000;
        self.encodings[encoding]
            .timestamp_offset
            .wrapping_add(ticks as u32)
    }

    /// Return the packets sent of one encoding.
    pub fn sent_of(&self, encoding: usize) -> impl Iterator<Item = &Sent> {
        self.sent
            .iter()
            .filter(move |sent| sent.encoding == encoding)
    }

    fn make_frame(&mut self, now: Time, encoding: usize) {
        let source = &mut self.encodings[encoding];
        let keyframe = std::mem::take(&mut source.keyframe_wanted);
        source.frame += 1;
        source.picture_id = (source.picture_id + 1) & 0x7fff;
        source.tl0 = source.tl0.wrapping_add(1);
        source.key_index = (source.key_index + u8::from(keyframe)) & 0x1f;
        let packets = match keyframe {
            true => source.keyframe_packets,
            false => source.packets,
        };
        let packets = match source.varies {
            true => varied(packets, source.frame),
            false => packets,
        };
        if self.codec == Codec::H264 && keyframe {
            self.make_parameter_sets(now, encoding);
        }
        for packet in 0..packets {
            let source = &self.encodings[encoding];
            let part = Part {
                mark: Mark {
                    encoding: encoding as u8,
                    frame: source.frame,
                    packet,
                },
                keyframe,
                last: packet + 1 == packets,
                len: source.payload_len + usize::from(packet) * usize::from(source.uneven),
                picture_id: source.picture_id,
                tl0: source.tl0,
                key_index: source.key_index,
            };
            let payload = match self.codec {
                Codec::Vp8 => payload::vp8(&part),
                Codec::H264 => payload::h264(&part),
                _ => payload::opus(&part),
            };
            let at = now + self.spread * u32::from(packet) / u32::from(packets);
            self.enqueue(now, at, encoding, keyframe, part.last, payload);
        }
    }

    fn make_parameter_sets(&mut self, now: Time, encoding: usize) {
        if self.repeats_parameter_sets || !self.parameter_sets_sent {
            self.parameter_sets_sent = true;
            let payload = payload::h264_parameter_sets();
            self.enqueue(now, now, encoding, true, false, payload);
        }
    }

    fn enqueue(
        &mut self,
        now: Time,
        at: Time,
        encoding: usize,
        keyframe: bool,
        marker: bool,
        payload: Vec<u8>,
    ) {
        let timestamp = self.timestamp(encoding, now);
        let mut extensions = self.names(encoding, Extension::Rid);
        let level = self.audio_level.map(|octet| vec![octet]);
        extensions.extend(level.map(|level| (Extension::AudioLevel, level)));
        let (payload_type, payload) = match self.red {
            None => (self.payload_type, payload),
            Some(blocks) => (RED_PAYLOAD_TYPE, self.pack_red(timestamp, payload, blocks)),
        };
        let source = &mut self.encodings[encoding];
        let packet = Outgoing {
            ssrc: source.ssrc,
            payload_type,
            index: source.index,
            timestamp,
            marker: marker && self.codec != Codec::Opus,
            padding: 0,
            extensions,
            payload,
        };
        source.index += 1;
        let sent = Sent {
            at,
            encoding,
            keyframe,
            packet,
        };
        self.queue.push_back((at, sent));
    }

    /// Put the last payloads in front of one (RFC 2198).
    fn pack_red(&mut self, timestamp: u32, payload: Vec<u8>, blocks: usize) -> Vec<u8> {
        let mut packed = Vec::new();
        for (before, block) in &self.recent {
            let offset = timestamp.wrapping_sub(*before) << 10;
            let fields = (0x80 | u32::from(self.payload_type)) << 24 | offset | block.len() as u32;
            packed.extend(fields.to_be_bytes());
        }
        packed.push(self.payload_type);
        packed.extend(self.recent.iter().flat_map(|(_, block)| block));
        packed.extend(&payload);
        self.recent.push_back((timestamp, payload));
        let surplus = self.recent.len().saturating_sub(blocks);
        self.recent.drain(..surplus);
        packed
    }

    fn names(&self, encoding: usize, rid: Extension) -> Vec<(Extension, Vec<u8>)> {
        if !self.names_itself {
            return Vec::new();
        }
        let mut names = vec![(Extension::Mid, self.mid.clone().into())];
        if let Some(name) = self.encodings[encoding].rid {
            names.push((rid, name.into()));
        }
        names
    }

    fn send(&mut self, client: &mut Client, sent: Sent) {
        let source = &mut self.encodings[sent.encoding];
        source.packets_sent += 1;
        source.octets_sent += sent.packet.payload.len() as u32;
        client.send_rtp(&sent.packet);
        let key = (sent.packet.ssrc, sent.packet.index as u16);
        self.history.insert(key, sent.packet.clone());
        if !client.forgetful {
            self.sent.push(sent);
        }
    }
}

/// Spread a size between half and one and a half of it, in slow waves and fast noise.
fn varied(packets: u8, frame: u32) -> u8 {
    let noise = frame.wrapping_mul(0x9e37_79b9) >> 16;
    let wave = (frame / 100).wrapping_mul(0x85eb_ca6b) >> 16;
    let percent = 50 + (noise % 50) + (wave % 50);
    (u32::from(packets) * percent / 100).max(1) as u8
}
