//! One room: who is in it, which part a datagram, timer or command is for, and nothing of any other
//! room.
//!
//! No media decision is made here. [`Ingress`] and [`Egress`] hold all that arrives and all that
//! leaves; the room passes what the one finds out to the other.

mod attach;
mod connection;
mod control;
mod data;
mod demand;
mod inbound_rtcp;
mod names;
mod outbound_rtcp;
mod prefetch;
mod receive;
mod speakers;
mod stats;
mod transport;

use crate::context::{Context, Timer};
use crate::counters::Counters;
use crate::data::Data;
use crate::egress::Egress;
use crate::ingress::Ingress;
use crate::keys::{EncodingKey, PublicationKey};
use crate::message::RoomId;
use connection::Connections;
use names::Names;

/// One room.
pub struct Room {
    id: RoomId,
    /// What commands refer to.
    names: Names,
    /// Its transports.
    connections: Connections,
    /// What arrives.
    ingress: Ingress,
    /// What leaves.
    egress: Egress,
    /// Data channels.
    data: Data,
    /// RTCP under construction, kept for its memory.
    rtcp: Vec<u8>,
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
            names: Names::default(),
            connections: Connections::default(),
            ingress: Ingress::default(),
            egress: Egress::default(),
            data: Data::default(),
            rtcp: Vec::new(),
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
        let (ingress, egress) = (&self.ingress, &mut self.egress);
        match timer {
            Timer::Transport(key) => self.drive_transport(context, key),
            Timer::Feedback(key) => self.send_feedback(context, key),
            Timer::Reports(key) => self.send_reports(context, key),
            Timer::Pace(key) => egress.resume_paced(context, key),
            Timer::Budget(key) => egress.apply_budget(context, ingress, key),
            Timer::Allocation(key) => egress.allocate_if_due(context, ingress, key),
            Timer::Probe(key) => egress.resume_probe(context, key),
            Timer::Batching => egress.end_batching(context),
            Timer::Encodings(key) => self.update_encodings(context, key),
            Timer::Keyframe(key) => self.send_keyframe_request(context, key),
            Timer::SwitchDeadline(key) => egress.report_late_switch(context, key),
            Timer::LayerDeadline(key) => egress.demand_layer_keyframe(context, key),
            Timer::Speakers => self.update_speakers(context),
            Timer::Data(key) => self.drive_data(context, key),
        }
        self.pass_on_demands(context);
    }

    /// Send queued packets until the outbox holds `most_bytes`; return whether all are sent.
    pub fn flush(&mut self, context: &mut Context<'_>, most_bytes: usize) -> bool {
        #[cfg(feature = "fault-injection")]
        self.panic_if(Fault::Flush);
        let (ingress, transports) = (&self.ingress, &mut self.connections);
        let all = self.egress.flush(context, ingress, transports, most_bytes)
            && self.data.flush(
                context,
                transports,
                |key| self.egress.queueing(key),
                most_bytes,
            );
        self.pass_on_demands(context);
        all
    }

    /// Return once whether the room requests a round of sending.
    pub fn take_round_request(&mut self) -> bool {
        self.egress.take_round_request()
    }

    /// Add the entities of the room to the gauges.
    pub fn count_live(&self, counters: &mut Counters) {
        counters.transports += self.connections.len() as u64;
        counters.publications += self.ingress.publications.len() as u64;
        counters.subscriptions += self.egress.subscriptions.len() as u64;
        self.data.count_live(counters);
    }

    #[cfg(feature = "fault-injection")]
    fn panic_if(&self, fault: Fault) {
        assert!(self.fault != Some(fault), "injected fault");
    }

    /// Update the encodings of a publication, and what depends on them.
    fn update_encodings(&mut self, context: &mut Context<'_>, publication: PublicationKey) {
        let changes = self.ingress.update_encodings(context, publication);
        for encoding in 0..u8::BITS as usize {
            if changes.paced_rates & (1 << encoding) != 0 {
                let key = EncodingKey {
                    publication,
                    encoding,
                };
                self.egress.update_media_rates(&self.ingress, key);
            }
        }
        if changes.selection {
            self.egress
                .update_selections(context, &self.ingress, publication);
        }
    }
}
