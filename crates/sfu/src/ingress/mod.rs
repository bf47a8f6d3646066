//! What arrives: publishers, their publications, and the encodings of these with their histories.
//!
//! Nothing here knows the receivers of a packet. Whether there are any is one flag of an encoding;
//! keyframes are requested by the room.

pub mod dynacast;
pub mod encoding;
mod feedback;
pub mod keyframe;
pub mod layer_rates;
mod levels;
pub mod meter;
pub mod packet;
mod prefetch;
pub mod publication;
mod publications;
mod publish_limit;
pub mod publisher;
mod rates;
mod receive;
mod redundancy;
mod reports;
pub mod source;
mod stream;
mod updates;
mod wire_rate;

use wire::id::Ssrc;
use wire::rtcp::ReportBlock;

use crate::keys::{EncodingKey, PublicationKey, PublisherKey};
use crate::slab::Slab;
use encoding::Encoding;
use levels::Speech;
use publication::Publication;
use publisher::Publisher;

pub use levels::Place;
pub use receive::Accepted;
pub use redundancy::RedTypes;

/// The sender SSRC of RTCP packets; no media is sent with it.
pub const OUR_SSRC: Ssrc = Ssrc(1);

/// What arrives in a room.
#[derive(Default)]
pub struct Ingress {
    /// Who sends media.
    pub publishers: Slab<PublisherKey, Publisher>,
    /// What they offer.
    pub publications: Slab<PublicationKey, Publication>,
    /// Who speaks.
    speech: Speech,
    /// Streams started so far, over all publications.
    generations: u16,
    /// Sequence numbers to request, kept for their memory.
    sequences: Vec<u16>,
    /// Report blocks of one report, kept for their memory.
    blocks: Vec<ReportBlock>,
}

impl Ingress {
    /// Return an encoding; `None` where its publication was removed.
    #[inline]
    #[must_use]
    pub fn encoding(&self, key: EncodingKey) -> Option<&Encoding> {
        self.publications
            .get(key.publication)?
            .encodings
            .get(key.encoding)
    }

    /// Return an encoding to change; `None` where its publication was removed.
    #[inline]
    #[must_use]
    pub fn encoding_mut(&mut self, key: EncodingKey) -> Option<&mut Encoding> {
        let publication = self.publications.get_mut(key.publication)?;
        publication.encodings.get_mut(key.encoding)
    }
}
