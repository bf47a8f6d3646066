//! Received datagrams: decrypted, or read by their RTP headers alone, and demultiplexed to tracks.

use super::{BotTransport, Shared};
use crate::frame_id::FrameId;
use crate::receive::Payload;
use rtc::inbound::bind::{Binding, Bound, Role};
use rtc::path::PathId;
use rtc::transport::Received;
use std::net::SocketAddr;
use wire::extension::{Extension, Values};
use wire::rtp::{Header, Kind, demux};
use wire::time::Time;

impl BotTransport {
    /// Process a received datagram.
    #[inline]
    pub fn receive(
        &mut self,
        now: Time,
        remote: SocketAddr,
        datagram: &mut [u8],
        shared: &mut Shared,
    ) {
        let Some((remote, datagram)) = self.unwrap(now, remote, datagram, shared) else {
            return;
        };
        if !self.decrypted && self.receive_encrypted(now, remote, datagram, shared) {
            return;
        }
        let path = PathId::udp(0, self.local, remote);
        match self
            .transport
            .receive(now, path, datagram, &mut shared.outbox)
        {
            Received::Rtp { header, index, len } => {
                let payload = Payload {
                    bytes: &datagram[header.header_len..len],
                    datagram_len: datagram.len(),
                    captured: None,
                };
                let values = self.values(&header, datagram);
                self.on_rtp(now, &header, index, payload, &values, shared);
            }
            Received::Rtcp { len } => {
                self.timeout_stale = true;
                self.on_rtcp(now, &datagram[..len], shared);
            }
            Received::Nothing => {
                self.timeout_stale = true;
                let is_media = matches!(demux(datagram), Kind::Rtp | Kind::Rtcp);
                shared.recorder.totals.datagrams_refused += u64::from(is_media);
                self.take_events(now, shared);
            }
        }
    }

    /// Count a packet by its RTP header alone; return false where it has to be decrypted.
    ///
    /// Only packets of bound SSRCs on the selected path are counted. Retransmissions are decrypted,
    /// since the original sequence number is in their payload.
    fn receive_encrypted(
        &mut self,
        now: Time,
        remote: SocketAddr,
        datagram: &[u8],
        shared: &mut Shared,
    ) -> bool {
        let is_selected_path = self
            .transport
            .send_path()
            .is_some_and(|path| path.remote == remote);
        if !is_selected_path || !self.connected || demux(datagram) != Kind::Rtp {
            return false;
        }
        let Ok(header) = Header::parse(datagram) else {
            return false;
        };
        let Some(Bound {
            key,
            role: Role::Media,
        }) = self.binder.lookup(header.ssrc)
        else {
            return false;
        };
        let Some(index) = self.inbound[key].extend(header.sequence) else {
            return false;
        };
        let payload = Payload {
            bytes: &datagram[header.header_len..],
            datagram_len: datagram.len(),
            captured: None,
        };
        let values = self.values(&header, datagram);
        self.on_rtp(now, &header, index, payload, &values, shared);
        true
    }

    /// Parse the header extensions where the binder, transport-wide feedback or frame delays need
    /// them.
    fn values<'a>(&mut self, header: &Header, datagram: &'a [u8]) -> Values<'a> {
        let is_bound = self.binder.lookup(header.ssrc).is_some();
        let has_capture_time = self.ids.id(Extension::AbsCaptureTime).is_some();
        if is_bound && self.twcc_in.is_none() && !has_capture_time {
            return Values::default();
        }
        Values::read(header, datagram, &self.ids)
    }

    fn on_rtp(
        &mut self,
        now: Time,
        header: &Header,
        index: u64,
        payload: Payload<'_>,
        values: &Values<'_>,
        shared: &mut Shared,
    ) {
        let wall = shared.wall;
        let captured = values
            .abs_capture_time
            .and_then(|time| FrameId::from_capture_time(&time, wall));
        let payload = Payload {
            captured,
            ..payload
        };
        let recorder = &mut shared.recorder;
        recorder.totals.packets_received += 1;
        recorder.totals.bytes_received += payload.datagram_len as u64;
        if let (Some(twcc), Some(sequence)) = (&mut self.twcc_in, values.transport_sequence) {
            twcc.received(sequence, now);
        }
        let Some(Bound { key, role }) = self.bind(now, header, values) else {
            recorder.totals.packets_unbound += 1;
            return;
        };
        self.on_media(now, recorder);
        let stream = &mut self.inbound[key];
        match role {
            Role::Media => stream.receive_media(now, header, index, payload, recorder),
            Role::Rtx => stream.receive_rtx(now, header, payload, recorder),
        }
        if let Some(due) = stream.feedback_due() {
            self.next_feedback = self.next_feedback.min(due);
        }
    }

    fn bind(&mut self, now: Time, header: &Header, values: &Values<'_>) -> Option<Bound<usize>> {
        match self.binder.bind(now, header, values) {
            Binding::Known(bound) => Some(bound),
            Binding::New { bound, .. } => {
                if bound.role == Role::Media {
                    self.inbound[bound.key].bind(header.ssrc);
                }
                Some(bound)
            }
            Binding::Unbound(_) => None,
        }
    }
}
