//! One room: its peer connections, publications and subscriptions, and nothing of any other room.

mod active_encodings;
mod budget;
mod control;
mod flush;
mod inbound_rtcp;
mod outbound_rtcp;
mod peer_connection;
mod prefetch;
mod receive;
mod select_encoding;
mod stats;

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use slab::Slab;
use wire::rtcp::ReportBlock;

use crate::context::{Context, EntityId, Timer};
use crate::counters::Counters;
use crate::deadline::Deadline;
use crate::egress::subscription::Subscription;
use crate::ingress::encoding::Encoding;
use crate::ingress::publication::Publication;
use crate::message::RoomId;

pub use peer_connection::PeerConnection;

/// One room.
pub struct Room {
    id: RoomId,
    /// Keys of the entities that commands refer to.
    keys: FxHashMap<EntityId, usize>,
    peers: Slab<PeerConnection>,
    publications: Slab<Publication>,
    subscriptions: Slab<Subscription>,
    /// Encodings whose packets are sent in the next round: (publication, encoding).
    ready: Vec<(usize, usize)>,
    /// Encodings whose packets wait for the end of the batching window.
    waiting: Vec<(usize, usize)>,
    /// Queue of the peer connections with packets to send.
    queued_peers: VecDeque<usize>,
    /// Whether the engine has been requested to run a round.
    round_scheduled: bool,
    /// Whether the engine has yet to take that request.
    round_requested: bool,
    /// End of the batching window.
    window: Deadline,
    /// Streams started so far, over all publications.
    generations: u16,
    /// RTCP under construction, kept for its memory.
    rtcp: Vec<u8>,
    /// Report blocks of one report, kept for their memory.
    blocks: Vec<ReportBlock>,
    /// Sequence numbers to request, kept for their memory.
    sequences: Vec<u16>,
    /// The injected fault, for tests of containment.
    #[cfg(feature = "fault-injection")]
    pub(crate) fault: Option<Fault>,
}

/// Work of a room that can be made to panic.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next datagram.
    Receive,
    /// The next timer.
    Timer,
    /// The next command.
    Command,
    /// The next round of sending.
    Flush,
    /// Closing the room.
    Close,
}

impl Room {
    /// Make an empty room.
    #[must_use]
    pub fn new(id: RoomId) -> Self {
        Self {
            id,
            keys: FxHashMap::default(),
            peers: Slab::new(),
            publications: Slab::new(),
            subscriptions: Slab::new(),
            ready: Vec::new(),
            waiting: Vec::new(),
            queued_peers: VecDeque::new(),
            round_scheduled: false,
            round_requested: false,
            window: Deadline::default(),
            generations: 0,
            rtcp: Vec::new(),
            blocks: Vec::new(),
            sequences: Vec::new(),
            #[cfg(feature = "fault-injection")]
            fault: None,
        }
    }

    /// Return its identifier.
    #[must_use]
    pub fn id(&self) -> RoomId {
        self.id
    }

    /// Handle a timer, if it is still current.
    pub fn handle_timer(&mut self, context: &mut Context<'_>, timer: Timer) {
        #[cfg(feature = "fault-injection")]
        self.panic_if(Fault::Timer);
        match timer {
            Timer::Transport(peer) => self.drive_transport(context, peer),
            Timer::Feedback(peer) => self.send_feedback(context, peer),
            Timer::Reports(peer) => self.send_reports(context, peer),
            Timer::Pace(peer) => self.resume_paced(context, peer),
            Timer::Budget(peer) => self.apply_budget(context, peer),
            Timer::Batching => self.end_batching(context),
            Timer::Encodings(publication) => self.update_encodings(context, publication),
            Timer::Keyframe(publication, encoding) => {
                self.request_keyframe_if_due(context, publication, encoding);
            }
            Timer::SwitchDeadline(subscription) => self.report_late_switch(context, subscription),
        }
    }

    /// Return once whether the room requests a round of sending.
    pub fn take_round_request(&mut self) -> bool {
        std::mem::take(&mut self.round_requested)
    }

    /// Add the entities of the room to the gauges.
    pub fn count_live(&self, counters: &mut Counters) {
        counters.transports += self.peers.len() as u64;
        counters.publications += self.publications.len() as u64;
        counters.subscriptions += self.subscriptions.len() as u64;
    }

    #[cfg(feature = "fault-injection")]
    fn panic_if(&self, fault: Fault) {
        assert!(self.fault != Some(fault), "injected fault");
    }

    fn encoding_mut(&mut self, publication: usize, encoding: usize) -> Option<&mut Encoding> {
        self.publications
            .get_mut(publication)?
            .encodings
            .get_mut(encoding)
    }

    /// Request a round of sending from the engine.
    fn request_round(&mut self) {
        if !self.round_scheduled {
            self.round_scheduled = true;
            self.round_requested = true;
        }
    }
}
