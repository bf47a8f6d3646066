//! The feedback of a receiving browser: receiver reports, NACKs, transport-wide feedback.

use std::collections::HashMap;
use std::time::Duration;

use rtc::inbound::nack::NackTracker;
use rtc::inbound::report::InboundStats;
use rtc::inbound::rtx::{self, Retransmission};
use rtc::inbound::twcc::TwccReceiver;
use wire::extension::ExtensionMap;
use wire::id::Ssrc;
use wire::rtcp::{Packet, compound, write};
use wire::time::Time;

use super::client::Arrived;

const OWN_SSRC: Ssrc = Ssrc(7);

/// A stream to report on.
struct ReceivedStream {
    rtx_ssrc: Option<u32>,
    stats: InboundStats,
    nack: NackTracker,
}

pub struct Viewer {
    pub sends_nack: bool,
    pub sends_twcc: bool,
    pub report_every: Duration,
    ids: ExtensionMap,
    streams: HashMap<u32, ReceivedStream>,
    twcc: TwccReceiver,
    next_report: Time,
}

impl Viewer {
    pub fn new(now: Time, ids: ExtensionMap) -> Self {
        Self {
            sends_nack: true,
            sends_twcc: true,
            report_every: Duration::from_secs(1),
            ids,
            streams: HashMap::new(),
            twcc: TwccReceiver::new(),
            next_report: now + Duration::from_secs(1),
        }
    }

    pub fn add_stream(&mut self, ssrc: u32, rtx_ssrc: Option<u32>, clock_rate: u32) {
        let watched = ReceivedStream {
            rtx_ssrc,
            stats: InboundStats::new(Ssrc(ssrc), clock_rate),
            nack: NackTracker::new(),
        };
        self.streams.insert(ssrc, watched);
    }

    pub fn lost(&self, ssrc: u32) -> i64 {
        self.streams[&ssrc].stats.loss().lost()
    }

    pub fn received(&mut self, arrived: &Arrived) {
        if let Some(number) = arrived.values(&self.ids).transport_sequence {
            self.twcc.received(number, arrived.at);
        }
        let ssrc = arrived.header.ssrc.0;
        if let Some(watched) = self.streams.get_mut(&ssrc) {
            let timestamp = arrived.header.timestamp;
            watched.stats.receive(arrived.index, timestamp, arrived.at);
            watched.nack.received(arrived.at, arrived.index);
            return;
        }
        let repaired = |watched: &&mut ReceivedStream| watched.rtx_ssrc == Some(ssrc);
        if let Some(watched) = self.streams.values_mut().find(repaired)
            && let Some(highest) = watched.stats.loss().highest()
            && let Retransmission::Original { index, .. } = rtx::read(arrived.payload(), highest)
        {
            watched.nack.received(arrived.at, index);
        }
    }

    pub fn received_rtcp(&mut self, now: Time, plain: &[u8]) {
        for packet in compound(plain) {
            if let Ok(Packet::SenderReport { ssrc, info, .. }) = packet
                && let Some(watched) = self.streams.get_mut(&ssrc.0)
            {
                watched.stats.on_sender_report(now, &info);
            }
        }
    }

    pub fn due(&self) -> Time {
        let nacks = self.streams.values().filter(|_| self.sends_nack);
        let nacks = nacks.filter_map(|watched| watched.nack.poll_timeout());
        let twcc = self.twcc.poll_timeout().filter(|_| self.sends_twcc);
        nacks
            .chain(twcc)
            .min()
            .map_or(self.next_report, |due| due.min(self.next_report))
    }

    pub fn feedback(&mut self, now: Time) -> Vec<u8> {
        let mut out = Vec::new();
        if self.next_report <= now {
            self.next_report = now + self.report_every;
            let blocks: Vec<_> = self
                .streams
                .values_mut()
                .filter_map(|watched| watched.stats.report_block(now))
                .collect();
            write::receiver_report(&mut out, OWN_SSRC, &blocks);
        }
        if self.sends_nack {
            let mut sequences = Vec::new();
            for (ssrc, watched) in &mut self.streams {
                watched.nack.poll(now, None, &mut sequences);
                if !sequences.is_empty() {
                    write::nack(&mut out, OWN_SSRC, Ssrc(*ssrc), &sequences);
                }
            }
        }
        if self.sends_twcc && self.twcc.poll_timeout().is_some_and(|due| due <= now) {
            while self.twcc.build_feedback(&mut out, OWN_SSRC, OWN_SSRC) {}
        }
        out
    }
}
