//! Data channels between the participants of a room, over one SCTP association per transport.
//!
//! What a participant sends on a channel reaches the channel of the same label of each other one,
//! which the server opens. A [`Link`] is a transport with data channels; its association is made
//! when its peer speaks, or there is a channel to open. Messages wait in the [`backlog`] of each
//! receiver: no sender waits for a receiver, and no receiver for another. Packets leave in the
//! rounds of sending of the room, after its media.

mod addressed;
mod backlog;
mod labels;
mod limit;
mod link;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use rtc::dtls::Role;
use rtc::sctp::{AssociationEvent, ChannelId, ChannelParameters, CloseReason};
use rtc::transport::Transport;

use crate::context::{Context, Timer};
use crate::counters::Counters;
use crate::egress::sink::Transports;
use crate::keys::TransportKey;
use crate::message::{DataParameters, Event, RoomId, TransportId};
use crate::reasons;
use backlog::DataMessage;
use labels::{Labels, Opened};
use link::Link;

/// Longest message to the control plane, bytes: its data, and the names around it.
const MAX_CONTROL_BYTES: usize = 17 * 1024;
/// What a message to the control plane counts: 256 a second may be sent.
const CONTROL_COST_BYTES: usize = 64 * 1024;

/// The data channels of one room.
#[derive(Debug, Default)]
pub struct Data {
    links: BTreeMap<TransportKey, (TransportId, Link)>,
    labels: Labels,
    /// Links with something to send.
    ready: VecDeque<TransportKey>,
    /// The control plane knows that channels are in use.
    is_announced: bool,
}

impl Data {
    /// Set whose transport this is and what its peer may do, which adds it where it is new.
    pub fn set(
        &mut self,
        context: &mut Context<'_>,
        (key, id): (TransportKey, TransportId),
        parameters: DataParameters,
    ) {
        let link = self.links.entry(key);
        let make = || (id, Link::new(context.now, parameters.clone()));
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
        !self.ready.is_empty()
    }

    /// Return the first label in use, once: transports without data channels have to negotiate them.
    pub fn announce(&mut self, room: RoomId, events: &mut Vec<Event>) {
        if !self.is_announced && self.labels.iter().next().is_some() {
            self.is_announced = true;
            events.push(Event::DataWanted { room });
        }
    }

    /// Send what is ready until the outbox holds `most_bytes`; return whether all is sent.
    pub fn flush(
        &mut self,
        context: &mut Context<'_>,
        transports: &mut impl Transports,
        most_bytes: usize,
    ) -> bool {
        while context.out.len_bytes() < most_bytes {
            let Some(key) = self.ready.pop_front() else {
                return true;
            };
            self.send(context, transports, key);
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
        key: TransportKey,
    ) {
        let Some((id, link)) = self.links.get_mut(&key) else {
            return;
        };
        link.is_ready = false;
        if let Some((transport, _)) = transports.sending(key)
            && transport.is_connected()
        {
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
    fn process(&mut self, context: &mut Context<'_>, key: TransportKey) {
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

    fn on_opened(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        id: ChannelId,
        parameters: &ChannelParameters,
    ) {
        let Some((transport, link)) = self.links.get_mut(&key) else {
            return;
        };
        if parameters.label == labels::MESSAGES && !link.has_messages_channel() {
            let label = labels::MESSAGES.into();
            // What waits goes to the channel that its peer has opened.
            link.backlog.channel(&label, &Rc::new(parameters.clone()));
            link.add_opened(id, &label);
            report_messages(context, *transport, true);
            return;
        }
        let opened = match (link.parameters.send, link.may_open()) {
            (false, _) => Err(reasons::DATA_DENIED),
            (true, false) => Err(reasons::TOO_MANY_CHANNELS),
            (true, true) => self.labels.open(parameters),
        };
        link.limit.take(parameters.label.len(), 1);
        match opened {
            Err(reason) => {
                link.close(context.now, id);
                report_closed(context, *transport, &parameters.label, reason);
            }
            Ok(Opened::Known(label)) => link.add_opened(id, &label),
            Ok(Opened::New(label)) => {
                link.add_opened(id, &label);
                self.open_everywhere(&label);
            }
        }
    }

    /// Open a new label at every receiver.
    fn open_everywhere(&mut self, label: &Rc<str>) {
        let Some(parameters) = self.labels.parameters(label).cloned() else {
            return;
        };
        let mut receivers = Vec::new();
        for (key, (_, link)) in &mut self.links {
            if link.parameters.receive {
                let place = link.backlog.channel(label, &parameters);
                if let Some(channel) = link.backlog.at(place) {
                    channel.is_ending = false;
                    channel.is_declined = false;
                    channel.parameters = parameters.clone();
                }
                receivers.push(*key);
            }
        }
        receivers.into_iter().for_each(|key| self.mark_ready(key));
    }

    fn on_message(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        channel: ChannelId,
        message: DataMessage,
    ) {
        let Some((transport, link)) = self.links.get_mut(&key) else {
            return;
        };
        let len = message.payload.len();
        let is_readable = !message.is_text || std::str::from_utf8(&message.payload).is_ok();
        let label = link
            .label(channel)
            .filter(|_| is_readable && link.parameters.send);
        let receivers = match label {
            None => None,
            Some(label) if *label == *labels::MESSAGES => {
                link.limit.take(CONTROL_COST_BYTES, 1);
                control_message(*transport, message).map(|event| {
                    context.events.push(event);
                    0
                })
            }
            Some(label) => self.deliver(context, key, &label, message),
        };
        let Some((_, link)) = self.links.get_mut(&key) else {
            return;
        };
        link.limit.take(len, receivers.unwrap_or(0));
        match receivers {
            None => context.counters.data_messages_refused += 1,
            Some(_) => {
                context.counters.data_messages_received += 1;
                context.counters.data_bytes_received += len as u64;
            }
        }
    }

    /// Pass a message on to those that it is for; return how many, `None` where that is unclear.
    fn deliver(
        &mut self,
        context: &mut Context<'_>,
        from: TransportKey,
        label: &Rc<str>,
        message: DataMessage,
    ) -> Option<usize> {
        let parameters = self.labels.parameters(label)?;
        let (_, sender) = self.links.get(&from)?;
        let (member, mut to, mut message) = (sender.parameters.member, String::new(), message);
        if parameters.protocol == labels::ADDRESSED {
            let (name, text) = addressed::split(&message.payload)?;
            to = name.to_owned();
            message = addressed::from(&sender.parameters.name, message.is_text, text);
        }
        let message = Rc::new(message);
        let (mut receivers, mut dropped) = (0, 0);
        for (key, (_, link)) in &mut self.links {
            let is_meant = to.is_empty() || link.parameters.name == to;
            if !link.parameters.receive || link.parameters.member == member || !is_meant {
                continue;
            }
            receivers += 1;
            let place = link.backlog.channel(label, parameters);
            dropped += link.backlog.push(context.now, place, &message);
            if !std::mem::replace(&mut link.is_ready, true) {
                self.ready.push_back(*key);
            }
        }
        context.counters.data_messages_dropped += dropped;
        (to.is_empty() || receivers > 0).then_some(receivers)
    }

    /// Send a message of the control plane to transports whose peers have a channel for them.
    pub fn send_messages(
        &mut self,
        context: &mut Context<'_>,
        keys: impl Iterator<Item = TransportKey>,
        text: String,
    ) {
        let message = Rc::new(DataMessage {
            is_text: true,
            payload: text.into_bytes(),
        });
        for key in keys {
            let Some((_, link)) = self.links.get_mut(&key) else {
                continue;
            };
            if !link.has_messages_channel() {
                continue;
            }
            let label: Rc<str> = labels::MESSAGES.into();
            let place = link.backlog.channel(&label, &Rc::default());
            context.counters.data_messages_dropped +=
                link.backlog.push(context.now, place, &message);
            self.mark_ready(key);
        }
    }

    fn on_closed(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        id: ChannelId,
        reason: CloseReason,
    ) {
        let Some((transport, link)) = self.links.get_mut(&key) else {
            return;
        };
        let label = link.label(id);
        let (opened, dropped) = link.on_closed(id, reason);
        context.counters.data_messages_dropped += dropped;
        if let Some(label) = label.filter(|_| reason == CloseReason::MessageTooLarge) {
            report_closed(context, *transport, &label, reason.code());
        }
        match opened {
            Some(label) if *label == *labels::MESSAGES => {
                report_messages(context, *transport, false);
            }
            Some(label) => self.close(&label),
            None => {}
        }
    }

    /// Note that a participant has closed a channel; the last one ends the label everywhere.
    fn close(&mut self, label: &str) {
        if !self.labels.close(label) {
            return;
        }
        let mut receivers = Vec::new();
        for (key, (_, link)) in &mut self.links {
            let place = link
                .backlog
                .channels()
                .iter()
                .position(|it| *it.label == *label);
            if let Some(channel) = place.and_then(|place| link.backlog.at(place)) {
                channel.is_ending = true;
                receivers.push(*key);
            }
        }
        receivers.into_iter().for_each(|key| self.mark_ready(key));
    }
}

fn transmit(context: &mut Context<'_>, link: &mut Link, transport: &mut Transport) {
    while let Some(packet) = link.poll_transmit() {
        // SCTP sends again what does not leave.
        let _ = transport.send_data(context.now, &packet, context.out);
    }
}

fn set_timer(context: &mut Context<'_>, key: TransportKey, link: &mut Link) {
    if let Some(at) = link.poll_timeout(context.now)
        && !link.timer.is_set_by(at)
    {
        link.timer.set(at);
        context.set_timer(at, Timer::Data(key));
    }
}

fn report_closed(
    context: &mut Context<'_>,
    transport: TransportId,
    label: &str,
    reason: &'static str,
) {
    context.counters.data_channels_refused += 1;
    context.events.push(Event::DataChannelClosed {
        transport,
        // Longer ones are refused for it.
        label: label.chars().take(labels::MAX_LABEL_BYTES).collect(),
        reason,
    });
}

/// Return the event of a message to the control plane; `None` where it takes none such.
fn control_message(transport: TransportId, message: DataMessage) -> Option<Event> {
    if !message.is_text || message.payload.len() > MAX_CONTROL_BYTES {
        return None;
    }
    let text = String::from_utf8(message.payload).ok()?;
    Some(Event::DataMessage { transport, text })
}

fn report_messages(context: &mut Context<'_>, transport: TransportId, open: bool) {
    context.events.push(Event::DataMessages { transport, open });
}
