//! What a bot sends on schedule: captured, paced, sealed.

use super::{BotTransport, Shared};
use crate::pace::Waiting;
use crate::publish::{Departure, OutboundEncoding};
use std::time::Duration;
use wire::time::Time;

impl BotTransport {
    /// Send or queue the frames that are due.
    pub(super) fn capture(&mut self, now: Time, shared: &mut Shared) {
        for place in 0..self.outbound.len() {
            let encodings = self.outbound[place]
                .as_ref()
                .map_or(0, |it| it.encodings.len());
            for nth in 0..encodings {
                while self.capture_frame(now, place, nth, shared) {}
            }
        }
    }

    fn capture_frame(&mut self, now: Time, place: usize, nth: usize, shared: &mut Shared) -> bool {
        let Some(stream) = &mut self.outbound[place] else {
            return false;
        };
        let paced = stream.burst.is_some();
        shared.planned.clear();
        if !stream.encodings[nth].capture(now, &mut shared.recorder, &mut shared.planned) {
            return false;
        }
        for at in 0..shared.planned.len() {
            let waiting = Waiting {
                stream: place,
                encoding: nth,
                planned: shared.planned[at],
            };
            if !paced {
                self.send(now, waiting, shared);
            } else if !self.pace.push(waiting) {
                shared.recorder.totals.packets_unsent += 1;
            }
        }
        true
    }

    pub(super) fn send_paced(&mut self, now: Time, shared: &mut Shared) {
        if self.pace.due().is_none_or(|due| due > now) {
            return;
        }
        self.pace.start_round(now);
        while let Some(waiting) = self.pace.take() {
            let bytes = self.send(now, waiting, shared);
            self.pace.sent(bytes);
        }
    }

    /// Send a packet and return the bytes of its datagram, 0 where it could not be sent.
    fn send(&mut self, now: Time, waiting: Waiting, shared: &mut Shared) -> usize {
        let Some(stream) = &mut self.outbound[waiting.stream] else {
            return 0;
        };
        let mut departure = Departure {
            now,
            transport: &mut self.transport,
            outbox: &mut shared.outbox,
            twcc: &mut self.twcc_out,
            wall: shared.wall,
            recorder: &mut shared.recorder,
        };
        // Without a path the server is out of reach, which is no fault of the swarm.
        let sent = stream.encodings[waiting.encoding].send(waiting.planned, &mut departure);
        sent.unwrap_or(0)
    }

    pub(super) fn set_pace(&mut self) {
        let streams = self.outbound.iter().flatten();
        let paced = streams.filter_map(|stream| Some((stream, stream.burst?)));
        let (mut bitrate_bps, mut longest) = (0, Duration::ZERO);
        for (stream, burst) in paced {
            let encodings = stream.encodings.iter();
            bitrate_bps += encodings.map(OutboundEncoding::bitrate_bps).sum::<u64>();
            longest = longest.max(burst);
        }
        self.pace.set(bitrate_bps, longest);
    }
}
