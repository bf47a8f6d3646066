//! One room: its peers, publications and subscriptions, and nothing of any other room.

mod budget;
mod choose;
mod control;
mod feedback;
mod flush;
mod peer;
mod prefetch;
mod receive;
mod report;
mod stats;
mod survey;

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use slab::Slab;
use wire::rtcp::ReportBlock;

use crate::alarm::Alarm;
use crate::context::{Context, Named, Timer};
use crate::counters::Counters;
use crate::message::RoomId;
use crate::publication::{Encoding, Publication};
use crate::subscription::Subscription;

pub use peer::Peer;

/// One room.
pub struct Room {
    id: RoomId,
    /// Keys of all that commands refer to.
    names: FxHashMap<Named, usize>,
    peers: Slab<Peer>,
    publications: Slab<Publication>,
    subscriptions: Slab<Subscription>,
    /// Encodings whose packets leave in the next round: (publication, encoding).
    ready: Vec<(usize, usize)>,
    /// Encodings whose packets wait for the end of the window.
    waiting: Vec<(usize, usize)>,
    /// Peers that have something to send, in the order in which they had it.
    touched: VecDeque<usize>,
    /// The engine knows that this room wants a round.
    marked: bool,
    /// The engine has to be told.
    mark: bool,
    /// When what arrives now leaves.
    window: Alarm,
    /// Runs of incoming numbers that have begun here, over all publications.
    generations: u16,
    /// RTCP under construction, kept for its memory.
    rtcp: Vec<u8>,
    /// Report blocks of one report, kept for their memory.
    blocks: Vec<ReportBlock>,
    /// Sequence numbers to ask for, kept for their memory.
    sequences: Vec<u16>,
    /// What breaks the room: for tests of containment.
    #[cfg(feature = "fault-injection")]
    pub(crate) fault: Option<Fault>,
}

/// Kinds of work of a room that can be made to panic.
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
    /// Its end.
    Close,
}

impl Room {
    /// Make an empty room.
    #[must_use]
    pub fn new(id: RoomId) -> Self {
        Self {
            id,
            names: FxHashMap::default(),
            peers: Slab::new(),
            publications: Slab::new(),
            subscriptions: Slab::new(),
            ready: Vec::new(),
            waiting: Vec::new(),
            touched: VecDeque::new(),
            marked: false,
            mark: false,
            window: Alarm::default(),
            generations: 0,
            rtcp: Vec::new(),
            blocks: Vec::new(),
            sequences: Vec::new(),
            #[cfg(feature = "fault-injection")]
            fault: None,
        }
    }

    /// Return its name.
    #[must_use]
    pub fn id(&self) -> RoomId {
        self.id
    }

    /// Do what a timer was set for, if it still means anything.
    pub fn handle_timer(&mut self, context: &mut Context<'_>, timer: Timer) {
        #[cfg(feature = "fault-injection")]
        self.break_at(Fault::Timer);
        match timer {
            Timer::Transport(peer) => self.drive_transport(context, peer),
            Timer::Feedback(peer) => self.send_feedback(context, peer),
            Timer::Reports(peer) => self.send_reports(context, peer),
            Timer::Pace(peer) => self.resume_paced(context, peer),
            Timer::Budget(peer) => self.apply_budget(context, peer),
            Timer::Window => self.end_window(context),
            Timer::Survey(publication) => self.survey(context, publication),
            Timer::Keyframe(publication, encoding) => {
                self.request_keyframe_if_due(context, publication, encoding);
            }
            Timer::SwitchDeadline(subscription) => self.report_late_switch(context, subscription),
        }
    }

    /// Say once that the room wants a round of sending.
    pub fn take_ready_mark(&mut self) -> bool {
        std::mem::take(&mut self.mark)
    }

    /// Add what lives here to the gauges.
    pub fn count_live(&self, counters: &mut Counters) {
        counters.transports += self.peers.len() as u64;
        counters.publications += self.publications.len() as u64;
        counters.subscriptions += self.subscriptions.len() as u64;
    }

    #[cfg(feature = "fault-injection")]
    fn break_at(&self, fault: Fault) {
        assert!(self.fault != Some(fault), "injected fault");
    }

    fn encoding_mut(&mut self, publication: usize, encoding: usize) -> Option<&mut Encoding> {
        self.publications
            .get_mut(publication)?
            .encodings
            .get_mut(encoding)
    }

    /// Ask the engine for a round of sending.
    fn want_round(&mut self) {
        if !self.marked {
            self.marked = true;
            self.mark = true;
        }
    }
}
