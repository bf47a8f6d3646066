//! Data channels between the participants of a room, over one SCTP association per transport.
//!
//! What a participant sends on a channel reaches the channel of the same label of each other one,
//! which the server opens. A [`Link`] is a transport with data channels; its association is made
//! when its peer speaks, or there is a channel to open. Messages wait in the [`backlog`] of each
//! receiver, and no receiver waits for another: a sender waits where all of its receivers are full. Packets leave in the
//! rounds of sending of the room, after its media.

mod addressed;
mod backlog;
mod channels;
mod delivery;
mod labels;
mod limit;
mod link;
mod pacing;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rtc::dtls::Role;
use rtc::sctp::AssociationEvent;
use rtc::transport::Transport;

use crate::context::{Context, Timer};
use crate::counters::Counters;
use crate::egress::sink::Transports;
use crate::keys::{SubscriberKey, TransportKey};
use crate::message::{DataParameters, Event, RoomId, TransportId};
use backlog::DataMessage;
use channels::{report_closed, report_messages};
use labels::Labels;
use link::Link;

/// Headers of IP, UDP and DTLS, bytes.
const HEADERS_LEN: usize = 20 + 8 + 37;

/// The data channels of one room.
#[derive(Debug, Default)]
pub struct Data {
    links: BTreeMap<TransportKey, (TransportId, Link)>,
    labels: Labels,
    /// Links with something to send.
    ready: VecDeque<TransportKey>,
    /// Links whose peers wait for their receivers.
    held: Vec<TransportKey>,
    /// The control plane knows that channels are in use.
    is_announced: bool,
}

impl Data {
    /// Set whose transport this is and what its peer may do, which adds it where it is new.
    pub fn set(
        &mut self,
        context: &mut Context<'_>,
        (key, id, subscriber): (TransportKey, TransportId, SubscriberKey),
        parameters: DataParameters,
    ) {
        let link = self.links.entry(key);
        let make = || (id, Link::new(context.now, subscriber, parameters.clone()));
        let (_, link) = link.or_insert_with(make);
        let receives = parameters.receive;
        link.update(parameters);
        if receives {
            for (label, parameters) in self.labels.iter() {
                link.backlog.channel(label, parameters);
            }
        }
        self.mark_ready(key);
    }

    /// Remove a transport; labels that it alone had open end.
    pub fn remove(&mut self, key: TransportKey) {
        if let Some((_, mut link)) = self.links.remove(&key) {
            link.take_opened()
                .iter()
                .for_each(|label| self.close(label));
        }
    }

    /// Receive a packet of SCTP.
    pub fn receive(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        role: Role,
        packet: &[u8],
    ) {
        let Some((_, link)) = self.links.get_mut(&key) else {
            context.counters.data_packets_refused += 1;
            return;
        };
        link.receive(context.now, role, packet);
        self.process(context, key);
    }

    /// Do what is due at a transport.
    pub fn handle_timer(&mut self, context: &mut Context<'_>, key: TransportKey) {
        let Some((_, link)) = self.links.get_mut(&key) else {
            return;
        };
        if link.timer.expired(context.now) {
            link.handle_timeout(context.now);
            self.process(context, key);
        }
    }

    /// Queue a transport for the next round: there is something to send, or it is connected now.
    pub fn mark_ready(&mut self, key: TransportKey) {
        if let Some((_, link)) = self.links.get_mut(&key)
            && !std::mem::replace(&mut link.is_ready, true)
        {
            self.ready.push_back(key);
        }
    }

    /// Return whether there is something to send.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty() || !self.held.is_empty()
    }

    /// Return the first label in use, once: transports without data channels have to negotiate them.
    pub fn announce(&mut self, room: RoomId, events: &mut Vec<Event>) {
        if !self.is_announced && self.labels.iter().next().is_some() {
            self.is_announced = true;
            events.push(Event::DataWanted { room });
        }
    }

    /// Send what is ready until the outbox holds `most_bytes`; return whether all is sent. `queueing`
    /// is how long media to a subscriber waits at its bottleneck, where that is known.
    pub fn flush(
        &mut self,
        context: &mut Context<'_>,
        transports: &mut impl Transports,
        queueing: impl Fn(SubscriberKey) -> Option<Duration>,
        most_bytes: usize,
    ) -> bool {
        while context.out.len_bytes() < most_bytes {
            let Some(key) = self.ready.pop_front() else {
                self.resume_held(context);
                if self.ready.is_empty() {
                    return true;
                }
                continue;
            };
            self.send(context, transports, &queueing, key);
        }
        self.ready.is_empty()
    }

    /// Add the associations to the gauges.
    pub fn count_live(&self, counters: &mut Counters) {
        let associations = self.links.values().filter(|(_, it)| it.has_association());
        counters.data_associations += associations.count() as u64;
    }

    fn send(
        &mut self,
        context: &mut Context<'_>,
        transports: &mut impl Transports,
        queueing: impl Fn(SubscriberKey) -> Option<Duration>,
        key: TransportKey,
    ) {
        let Some((id, link)) = self.links.get_mut(&key) else {
            return;
        };
        link.is_ready = false;
        if let Some((transport, _)) = transports.sending(key)
            && transport.is_connected()
        {
            link.pacing.open(context.now, queueing(link.subscriber));
            transmit(context, link, transport);
            let counters = &mut *context.counters;
            link.feed(context.now, transport.dtls_role(), |bytes| {
                counters.data_messages_sent += 1;
                counters.data_bytes_sent += bytes as u64;
            });
            transmit(context, link, transport);
        }
        let (closed, dropped) = link.close_failed(context.now);
        context.counters.data_messages_dropped += dropped;
        for (label, reason) in closed {
            report_closed(context, *id, &label, reason);
        }
        set_timer(context, key, link);
    }

    /// Handle the events of a transport.
    pub(super) fn process(&mut self, context: &mut Context<'_>, key: TransportKey) {
        while let Some((transport, link)) = self.links.get_mut(&key)
            && let Some(event) = link.next_event(context.now)
        {
            match event {
                AssociationEvent::Opened(id, parameters) => {
                    self.on_opened(context, key, id, &parameters);
                }
                AssociationEvent::Message {
                    channel,
                    is_text,
                    payload,
                } => self.on_message(context, key, channel, DataMessage { is_text, payload }),
                AssociationEvent::Closed(id, reason) => self.on_closed(context, key, id, reason),
                AssociationEvent::Ended(_) => {
                    let (ended, dropped) = link.on_ended();
                    context.counters.data_messages_dropped += dropped;
                    if ended.iter().any(|label| **label == *labels::MESSAGES) {
                        report_messages(context, *transport, false);
                    }
                    ended.iter().for_each(|label| self.close(label));
                }
            }
        }
        self.mark_ready(key);
        if let Some((_, link)) = self.links.get_mut(&key) {
            set_timer(context, key, link);
        }
    }
}

fn transmit(context: &mut Context<'_>, link: &mut Link, transport: &mut Transport) {
    while link.pacing.may_send()
        && let Some(packet) = link.poll_transmit()
    {
        link.pacing.sent(packet.len() + HEADERS_LEN);
        // SCTP sends again what does not leave.
        let _ = transport.send_data(context.now, &packet, context.out);
    }
}

pub(super) fn set_timer(context: &mut Context<'_>, key: TransportKey, link: &mut Link) {
    if let Some(at) = link.poll_timeout(context.now)
        && !link.timer.is_set_by(at)
    {
        link.timer.set(at);
        context.set_timer(at, Timer::Data(key));
    }
}
