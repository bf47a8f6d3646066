//! Sender reports to a subscriber.

use rtc::outbound::report::SourceReport;
use wire::rtcp::write;
use wire::time::Time;

use super::Egress;
use super::service::sent_encoding;
use crate::ingress::Ingress;
use crate::keys::SubscriberKey;

impl Egress {
    /// Append the sender reports of all its subscriptions.
    pub fn append_sender_reports(
        &mut self,
        now: Time,
        ingress: &Ingress,
        key: SubscriberKey,
        rtcp: &mut Vec<u8>,
    ) {
        let Some(subscriber) = self.subscribers.get(key) else {
            return;
        };
        for key in &subscriber.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(*key) else {
                continue;
            };
            let report =
                sent_encoding(ingress, subscription).and_then(|encoding| encoding.stream.report);
            let source = report.map(|report| SourceReport {
                ntp: report.ntp,
                rtp_timestamp: subscription.numbers.timeline.at(report.timestamp),
                arrived: report.arrived,
            });
            let counters = &subscription.counters;
            let (packets, bytes) = (counters.packets_sent, counters.bytes_sent);
            let reports = &mut subscription.reports;
            let report = reports.sender.report(now, source.as_ref(), packets, bytes);
            if let Some(info) = report {
                let ssrc = subscription.stream.ssrc;
                write::sender_report(rtcp, ssrc, &info, &[]);
                write::sdes_cname(rtcp, ssrc, &reports.cname);
            }
        }
    }
}
