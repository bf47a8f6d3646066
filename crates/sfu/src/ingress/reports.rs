//! Reports of and to publishers: sender reports in, receiver reports and bitrate limits out.

use wire::id::Ssrc;
use wire::rtcp::{SenderInfo, write};
use wire::time::Time;

use super::{Ingress, OUR_SSRC};
use crate::context::Context;
use crate::keys::PublisherKey;

/// Canonical name of the server (RFC 7022: it must not identify a user).
const OUR_CNAME: &str = "sfukit";

impl Ingress {
    /// Process a sender report, which maps RTP timestamps to wall time.
    pub fn on_sender_report(
        &mut self,
        now: Time,
        key: PublisherKey,
        ssrc: Ssrc,
        info: &SenderInfo,
    ) {
        let publisher = self.publishers.get_mut(key);
        let bound = publisher.and_then(|publisher| publisher.binder.lookup(ssrc));
        if let Some(encoding) = bound.and_then(|bound| self.encoding_mut(bound.key)) {
            encoding.stream.on_sender_report(now, ssrc, info);
        }
    }

    /// Append a receiver report; return whether there is anything to report.
    pub fn append_receiver_report(
        &mut self,
        now: Time,
        key: PublisherKey,
        rtcp: &mut Vec<u8>,
    ) -> bool {
        let Some(publisher) = self.publishers.get(key) else {
            return false;
        };
        let blocks = &mut self.blocks;
        blocks.clear();
        for publication in &publisher.publications {
            let Some(track) = self.publications.get_mut(*publication) else {
                continue;
            };
            // Only what is bound: browsers stop naming their streams after the first report.
            let bound = track
                .encodings
                .iter_mut()
                .filter_map(|encoding| encoding.stream.stats.as_mut());
            blocks.extend(bound.filter_map(|stats| stats.report_block(now)));
        }
        // The count of blocks has five bits (RFC 3550 6.4.2).
        for chunk in blocks.chunks(31) {
            write::receiver_report(rtcp, OUR_SSRC, chunk);
        }
        if !blocks.is_empty() {
            write::sdes_cname(rtcp, OUR_SSRC, OUR_CNAME);
        }
        !blocks.is_empty()
    }

    /// Append the configured bitrate limit as REMB for publishers without transport-wide feedback.
    pub fn append_bitrate_limit(
        &self,
        context: &Context<'_>,
        key: PublisherKey,
        rtcp: &mut Vec<u8>,
    ) {
        let (Some(publisher), Some(limit_bps)) = (
            self.publishers.get(key),
            context.config.max_publish_bitrate_bps,
        ) else {
            return;
        };
        if publisher.transport_wide.supported {
            return;
        }
        let publications = publisher.publications.iter();
        let publications = publications.filter_map(|key| self.publications.get(*key));
        let limited = publications
            .filter(|publication| publication.negotiated.remb)
            .flat_map(|publication| &publication.encodings);
        let ssrcs: Vec<Ssrc> = limited
            .filter_map(|encoding| encoding.stream.ssrc())
            .collect();
        if !ssrcs.is_empty() {
            write::remb(rtcp, OUR_SSRC, limit_bps, &ssrcs);
        }
    }
}
