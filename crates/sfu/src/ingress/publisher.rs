//! A party that sends media to a room: where its packets come from, and what it is told.

use rtc::inbound::bind::{Binder, Expected};
use rtc::inbound::twcc::TwccReceiver;
use wire::extension::ExtensionMap;
use wire::id::{PayloadType, Ssrc};
use wire::time::Time;

use super::publication::Publication;
use super::publish_limit::PublishLimit;
use super::source::Source;
use crate::keys::{EncodingKey, PublicationKey, TransportKey};
use crate::message::{PublishRequest, TransportId};

/// Where the packets of a publisher come from.
pub enum Feed {
    /// A transport of the room, and its identifier for events.
    Transport(TransportKey, TransportId),
    /// Anything else.
    Source(Box<dyn Source>),
}

/// Feedback on everything that a publisher's transport carries.
#[derive(Debug)]
pub struct TransportFeedback {
    /// Whether the publisher negotiated it.
    pub supported: bool,
    /// An SSRC that it sends: libwebrtc accepts transport-wide feedback only for such an SSRC.
    pub sent_ssrc: Option<Ssrc>,
    /// Transport-wide sequence numbers received.
    pub received: TwccReceiver,
}

/// A party that sends media to a room.
pub struct Publisher {
    /// Where its packets come from.
    pub feed: Feed,
    /// SSRC to publication and encoding.
    pub binder: Binder<EncodingKey>,
    /// Header extensions of its publications.
    pub extensions: ExtensionMap,
    /// Bitrate limit of its publications.
    pub limit: PublishLimit,
    /// Transport-wide feedback.
    pub transport_wide: TransportFeedback,
    /// When the next feedback is due, NACKs included.
    pub feedback_at: Option<Time>,
    /// All its publications.
    pub publications: Vec<PublicationKey>,
}

impl Publisher {
    /// Make a publisher without publications.
    #[must_use]
    pub fn new(now: Time, feed: Feed) -> Self {
        Self {
            feed,
            binder: Binder::new(),
            extensions: ExtensionMap::new(),
            limit: PublishLimit::new(now),
            transport_wide: TransportFeedback {
                supported: false,
                sent_ssrc: None,
                received: TwccReceiver::new(),
            },
            feedback_at: None,
            publications: Vec::new(),
        }
    }

    /// Return its transport, if it has one in this room.
    #[must_use]
    pub fn transport(&self) -> Option<TransportKey> {
        match self.feed {
            Feed::Transport(key, _) => Some(key),
            Feed::Source(_) => None,
        }
    }

    /// Expect the streams of a publication.
    pub fn expect(
        &mut self,
        key: PublicationKey,
        publication: &Publication,
        request: &PublishRequest,
    ) {
        for (media, rtx) in &request.fid_groups {
            self.binder
                .expect_repair(publication.mid, Ssrc(*media), Ssrc(*rtx));
        }
        for (encoding, parameters) in request.encodings.iter().enumerate() {
            let expected = Expected {
                mid: publication.mid,
                rid: publication.encodings[encoding].rid,
                ssrc: parameters.ssrc.map(Ssrc),
                rtx_ssrc: parameters.rtx_ssrc.map(Ssrc),
                payload_type: PayloadType(request.red_payload_type.unwrap_or(request.payload_type)),
                rtx_payload_type: request.rtx_payload_type.map(PayloadType),
            };
            let publication = key;
            let bound = EncodingKey {
                publication,
                encoding,
            };
            self.binder.expect(bound, expected);
        }
    }
}
