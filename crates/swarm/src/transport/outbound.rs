//! Outbound media: captured on schedule, paced, encrypted.

use super::{BotTransport, Shared};
use crate::pacer::QueuedPacket;
use crate::publish::{OutboundEncoding, SendContext};
use std::time::Duration;
use wire::time::Time;

impl BotTransport {
    /// Send the frames that are due, or queue them in the pacer.
    pub(super) fn capture(&mut self, now: Time, shared: &mut Shared) {
        for index in 0..self.outbound.len() {
            let encodings = self.outbound[index]
                .as_ref()
                .map_or(0, |it| it.encodings.len());
            for nth in 0..encodings {
                while self.capture_frame(now, index, nth, shared) {}
            }
        }
    }

    fn capture_frame(&mut self, now: Time, index: usize, nth: usize, shared: &mut Shared) -> bool {
        let Some(stream) = &mut self.outbound[index] else {
            return false;
        };
        let paced = stream.burst.is_some();
        shared.planned.clear();
        if !stream.encodings[nth].capture(now, &mut shared.recorder, &mut shared.planned) {
            return false;
        }
        for at in 0..shared.planned.len() {
            let queued = QueuedPacket {
                stream: index,
                encoding: nth,
                planned: shared.planned[at],
            };
            if !paced {
                self.send(now, queued, shared);
            } else if !self.pacer.push(queued) {
                shared.recorder.totals.packets_unsent += 1;
            }
        }
        true
    }

    pub(super) fn send_paced(&mut self, now: Time, shared: &mut Shared) {
        if self.pacer.due().is_none_or(|due| due > now) {
            return;
        }
        self.pacer.start_round(now);
        while let Some(queued) = self.pacer.pop() {
            let bytes = self.send(now, queued, shared);
            self.pacer.on_sent(bytes);
        }
    }

    /// Send a packet; return the length of its datagram, 0 where sending failed.
    fn send(&mut self, now: Time, queued: QueuedPacket, shared: &mut Shared) -> usize {
        let Some(stream) = &mut self.outbound[queued.stream] else {
            return 0;
        };
        let mut context = SendContext {
            now,
            transport: &mut self.transport,
            outbox: &mut shared.outbox,
            twcc: &mut self.twcc_out,
            wall: shared.wall,
            recorder: &mut shared.recorder,
        };
        // Without a selected path packets are not sent; the swarm does not count them as unsent.
        let encoding = &mut stream.encodings[queued.encoding];
        let sent = encoding.send(queued.planned, &mut context);
        if sent.is_none() && self.handover.is_some() {
            encoding.lose(queued.planned);
        }
        sent.unwrap_or(0)
    }

    pub(super) fn configure_pacer(&mut self) {
        let streams = self.outbound.iter().flatten();
        let paced = streams.filter_map(|stream| Some((stream, stream.burst?)));
        let (mut bitrate_bps, mut longest) = (0, Duration::ZERO);
        for (stream, burst) in paced {
            let encodings = stream.encodings.iter();
            bitrate_bps += encodings.map(OutboundEncoding::bitrate_bps).sum::<u64>();
            longest = longest.max(burst);
        }
        self.pacer.configure(bitrate_bps, longest);
    }
}
