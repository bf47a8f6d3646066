//! RTCP to a transport: reports once a second; NACK, feedback and keyframe requests when they are
//! due.

use std::time::Duration;

use wire::id::Ssrc;
use wire::rtcp::write;

use super::Room;
use super::connection::Connection;
use crate::context::{Context, Timer};
use crate::ingress::OUR_SSRC;
use crate::keys::{EncodingKey, PublisherKey, TransportKey};

const REPORT_EVERY: Duration = Duration::from_secs(1);

impl Room {
    /// Send transport-wide feedback and NACKs to a publisher.
    pub(super) fn send_feedback(&mut self, context: &mut Context<'_>, key: PublisherKey) {
        let transport = self.ingress.publishers.get(key);
        let transport = transport.and_then(|publisher| publisher.transport());
        let connection = transport.and_then(|key| self.connections.get(key));
        let rtt = connection.and_then(|connection| connection.round_trip.last);
        let mut rtcp = std::mem::take(&mut self.rtcp);
        rtcp.clear();
        let broken = self.ingress.append_feedback(context, key, rtt, &mut rtcp);
        if let Some(transport) = transport {
            self.send_rtcp(context, transport, &rtcp);
        }
        self.rtcp = rtcp;
        for encoding in broken {
            self.request_keyframe(context, encoding);
        }
    }

    /// Send the request for a keyframe that is needed, where the last one is old enough.
    pub(super) fn send_keyframe_request(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        let mut rtcp = std::mem::take(&mut self.rtcp);
        rtcp.clear();
        let transport = self.ingress.request_due_keyframe(context, key, &mut rtcp);
        if let Some(transport) = transport {
            self.send_rtcp(context, transport, &rtcp);
        }
        self.rtcp = rtcp;
    }

    /// Start the reports to a transport, one a second.
    pub(super) fn start_reports(&mut self, context: &mut Context<'_>, key: TransportKey) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.connected
            && !connection.reports.is_set()
        {
            // Spread over the second, so that not all peers of a burst of joins report at once.
            let spread = Duration::from_millis(context.random.next_u64() % 1000);
            set_reports(context, connection, key, spread);
        }
    }

    /// Send a transport its sender reports, receiver reports and the echo of its reference time.
    pub(super) fn send_reports(&mut self, context: &mut Context<'_>, key: TransportKey) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if !connection.reports.expired(context.now) {
            return;
        }
        set_reports(context, connection, key, REPORT_EVERY);
        let now = context.now;
        let (publisher, subscriber) = (connection.publisher, connection.subscriber);
        let mut rtcp = std::mem::take(&mut self.rtcp);
        rtcp.clear();
        self.egress
            .append_sender_reports(now, &self.ingress, subscriber, &mut rtcp);
        let round_trip = &mut connection.round_trip;
        if self
            .ingress
            .append_receiver_report(now, publisher, &mut rtcp)
        {
            // A peer that only publishes gets no sender report from which its RTT could be derived.
            let reference = context.wall.ntp(now);
            write::reference_time(&mut rtcp, OUR_SSRC, reference);
            round_trip.reference_times.sent(now, reference);
        }
        self.ingress
            .append_bitrate_limit(context, publisher, &mut rtcp);
        let echoes: Vec<_> = round_trip.references.take(now).collect();
        if !echoes.is_empty() {
            write::delays_since_rr(&mut rtcp, OUR_SSRC, &echoes);
        }
        self.send_rtcp(context, key, &rtcp);
        self.rtcp = rtcp;
    }

    /// Send BYE for streams that have ended (RFC 3550 6.6).
    pub(super) fn send_bye(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        ssrcs: impl Iterator<Item = Ssrc>,
    ) {
        let ssrcs: Vec<Ssrc> = ssrcs.collect();
        let mut rtcp = Vec::new();
        write::bye(&mut rtcp, &ssrcs);
        self.send_rtcp(context, key, &rtcp);
    }

    fn send_rtcp(&mut self, context: &mut Context<'_>, key: TransportKey, rtcp: &[u8]) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let transport = &mut connection.transport;
        if !rtcp.is_empty() && transport.is_connected() {
            // Without a path RTCP cannot be sent.
            let _ = transport.send_rtcp(rtcp, context.out);
        }
    }
}

fn set_reports(
    context: &mut Context<'_>,
    connection: &mut Connection,
    key: TransportKey,
    after: Duration,
) {
    let at = context.now + after;
    connection.reports.set(at);
    context.set_timer(at, Timer::Reports(key));
}
