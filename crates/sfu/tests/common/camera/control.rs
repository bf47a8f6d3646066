//! RTCP of a camera: its sender reports, and its answers to what the server requests.

use std::time::Duration;

use wire::extension::Extension;
use wire::id::Ssrc;
use wire::rtcp::{DlrrEntry, Packet, SenderInfo, XrBlock, compound, write};
use wire::time::{NtpTime, Time};

use super::super::client::{Client, Outgoing};
use super::{Camera, RTX_PAYLOAD_TYPE, Source};

/// The publisher's wall clock; not the server's.
const UNIX_AT_ZERO: Duration = Duration::from_secs(1_000_000_000);

impl Camera {
    /// Answer keyframe requests and NACKs received since the last call.
    pub fn read_rtcp(&mut self, now: Time, client: &mut Client) {
        let new = client.rtcp[self.rtcp_read..].to_vec();
        self.rtcp_read = client.rtcp.len();
        for (_, plain) in new {
            for packet in compound(&plain).flatten() {
                match packet {
                    Packet::Pli { media, .. } => self.take_keyframe_request(now, media),
                    Packet::Fir { entries, .. } => {
                        entries.for_each(|entry| self.take_keyframe_request(now, entry.ssrc));
                    }
                    Packet::Nack {
                        media, sequences, ..
                    } => sequences.for_each(|seq| self.take_nack(now, client, media, seq)),
                    Packet::Xr { sender, blocks } => {
                        blocks.for_each(|block| self.echo(client, sender, block));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Echo a reference time at once, as a browser does with its next report.
    fn echo(&self, client: &mut Client, sender: Ssrc, block: XrBlock<'_>) {
        if let XrBlock::ReferenceTime(ntp) = block {
            let entry = DlrrEntry {
                ssrc: sender,
                last_rr: ntp.mid32(),
                delay_since_last_rr: 0,
            };
            let mut out = Vec::new();
            write::delays_since_rr(&mut out, Ssrc(self.encodings[0].ssrc), &[entry]);
            client.send_rtcp(&out);
        }
    }

    pub fn ntp(now: Time) -> NtpTime {
        NtpTime::from_unix(UNIX_AT_ZERO + Duration::from_nanos(now.as_nanos()))
    }

    pub(super) fn report(&mut self, now: Time, client: &mut Client) {
        let mut out = Vec::new();
        for encoding in 0..self.encodings.len() {
            let source = &self.encodings[encoding];
            if source.enabled && source.packets_sent > 0 {
                let info = SenderInfo {
                    ntp: Self::ntp(now),
                    rtp_timestamp: self.timestamp(encoding, now),
                    packets: source.packets_sent,
                    octets: source.octets_sent,
                };
                write::sender_report(&mut out, Ssrc(source.ssrc), &info, &[]);
            }
        }
        if !out.is_empty() {
            client.send_rtcp(&out);
        }
    }

    fn take_keyframe_request(&mut self, now: Time, media: Ssrc) {
        let of = |source: &Source| source.ssrc == media.0;
        let Some(encoding) = self.encodings.iter().position(of) else {
            return;
        };
        self.keyframe_requests.push((now, encoding));
        self.encodings[encoding].keyframe_wanted |= self.answers_keyframe_requests;
    }

    fn take_nack(&mut self, now: Time, client: &mut Client, media: Ssrc, sequence: u16) {
        let of = |source: &Source| source.ssrc == media.0;
        let Some(encoding) = self.encodings.iter().position(of) else {
            return;
        };
        self.nacks.push((now, encoding, sequence));
        let Some(original) = self.history.get(&(media.0, sequence)).cloned() else {
            return;
        };
        if self.answers_nacks {
            let mut extensions = self.names(encoding, Extension::RepairedRid);
            if self.declares_repairs {
                extensions.retain(|(extension, _)| *extension == Extension::Mid);
            }
            let source = &mut self.encodings[encoding];
            source.rtx_index += 1;
            client.send_rtp(&Outgoing {
                ssrc: source.rtx_ssrc,
                payload_type: RTX_PAYLOAD_TYPE,
                index: source.rtx_index,
                payload: [&sequence.to_be_bytes()[..], &original.payload].concat(),
                extensions,
                ..original
            });
        }
    }
}
