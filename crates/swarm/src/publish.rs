//! One outbound track: simulcast encodings, and the RTP streams that carry them.

mod encoding;

use crate::clip::FrameFields;
use crate::dependency::DescriptorValue;
use crate::header::{HeaderTemplate, Stamp};
use crate::message::StreamId;
use crate::random::Random;
use crate::recorder::Recorder;
use rtc::outbound::twcc::TwccSender;
use rtc::outbox::Outbox;
use rtc::srtp::SealStream;
use rtc::transport::Transport;
use std::time::Duration;
use wire::id::Ssrc;
use wire::time::{Time, WallClock};

pub use encoding::{EncodingPlan, OutboundEncoding};

/// Upper bound of header, extensions, original sequence number, payload and SRTP tag.
const DATAGRAM_ROOM: usize = 1_500;

/// Borrowed state of the transport for sending a packet.
pub struct SendContext<'a> {
    /// The time.
    pub now: Time,
    /// Encrypts packets.
    pub transport: &'a mut Transport,
    /// Receives encrypted packets.
    pub outbox: &'a mut Outbox,
    /// Assigns transport-wide sequence numbers.
    pub twcc: &'a mut TwccSender,
    /// Wall time for abs-send-time.
    pub wall: WallClock,
    /// Counts packets.
    pub recorder: &'a mut Recorder,
}

/// One packet to send, or in the history.
#[derive(Clone, Copy, Debug)]
pub struct PlannedPacket {
    /// Packet number within the clip.
    packet: u32,
    marker: bool,
    /// The packet is the first of its frame.
    first: bool,
    keyframe: bool,
    timestamp: u32,
    fields: FrameFields,
}

/// One outbound RTP stream: an SSRC with its sequence numbers and counters.
struct RtpStream {
    ssrc: Ssrc,
    template: HeaderTemplate,
    seal: Option<SealStream>,
    /// Extended sequence number of the next packet.
    next: u64,
    packets: u64,
    octets: u64,
}

impl RtpStream {
    fn new(ssrc: Ssrc, template: HeaderTemplate, random: &mut Random) -> Self {
        Self {
            ssrc,
            template,
            seal: None,
            // Below 2^15: RFC 3711 section 3.3.1 misestimates the ROC where the first packets are
            // lost around a wrap.
            next: random.next_u64() & 0x7fff,
            packets: 0,
            octets: 0,
        }
    }

    fn send(
        &mut self,
        planned: &PlannedPacket,
        descriptor: Option<DescriptorValue>,
        write: impl FnOnce(&mut [u8]) -> usize,
        context: &mut SendContext<'_>,
    ) -> Option<usize> {
        let path = context.transport.send_path()?;
        let seal = self.seal.as_mut()?;
        let out = context.outbox.reserve(DATAGRAM_ROOM);
        let header_len = self.template.header_len(descriptor.as_ref());
        let payload_len = write(&mut out[header_len..]);
        let len = header_len + payload_len;
        let numbered = self.template.has_transport_sequence();
        let stamp = Stamp {
            marker: planned.marker,
            sequence: self.next as u16,
            timestamp: planned.timestamp,
            transport_sequence: if numbered {
                context.twcc.stamp(context.now, len)
            } else {
                0
            },
            abs_send_time: context.wall.ntp(context.now).abs_send_time(),
            capture_time: self
                .template
                .has_capture_time()
                .then(|| planned.fields.id.to_capture_time(context.now, context.wall)),
            descriptor,
        };
        self.template.write(out, &stamp);
        let sealed = context
            .transport
            .seal_rtp(seal, self.next, out, header_len, len);
        let sealed_len = sealed.ok()?;
        context.outbox.commit(path, sealed_len);
        self.next += 1;
        self.packets += 1;
        self.octets += payload_len as u64;
        context.recorder.totals.packets_sent += 1;
        context.recorder.totals.bytes_sent += sealed_len as u64;
        Some(sealed_len)
    }
}

/// One outbound track.
pub struct OutboundStream {
    /// Identifier.
    pub id: StreamId,
    /// Burst of the pacer, in time at the paced rate; none disables pacing.
    pub burst: Option<Duration>,
    /// Simulcast encodings, or the only encoding.
    pub encodings: Vec<OutboundEncoding>,
}
