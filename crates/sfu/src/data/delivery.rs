//! Messages on their way from one participant to others.

use std::rc::Rc;

use rtc::sctp::{ChannelId, ChannelParameters, Reliability};

use super::backlog::DataMessage;
use super::link::Link;
use super::{Data, addressed, labels, set_timer};
use crate::context::Context;
use crate::keys::TransportKey;
use crate::message::{Event, TransportId};

/// Longest message to the control plane, bytes: its data, and the names around it.
const MAX_CONTROL_BYTES: usize = 17 * 1024;
/// What a message to the control plane counts: 256 a second may be sent.
const CONTROL_COST_BYTES: usize = 64 * 1024;

/// What became of a message.
enum Delivery {
    /// It is on its way to so many receivers.
    Done(usize),
    /// All its receivers are full: it is delivered later.
    Held(DataMessage),
    /// It is for no receiver.
    Refused,
}

impl Data {
    pub(super) fn on_message(
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
        match label {
            Some(label) if *label != *labels::MESSAGES => {
                return self.pass_on(context, key, &label, message);
            }
            Some(_) => {
                link.limit.take(CONTROL_COST_BYTES, 1);
                if let Some(event) = control_message(*transport, message) {
                    context.counters.data_messages_received += 1;
                    context.counters.data_bytes_received += len as u64;
                    return context.events.push(event);
                }
            }
            None => link.limit.take(len, 0),
        }
        context.counters.data_messages_refused += 1;
    }

    /// Pass a message on to those that it is for, or hold it where all of them are full.
    fn deliver(
        &mut self,
        context: &mut Context<'_>,
        from: TransportKey,
        label: &Rc<str>,
        message: DataMessage,
    ) -> Delivery {
        let Some((parameters, receivers)) = self.receivers(from, label, &message) else {
            return Delivery::Refused;
        };
        let is_held = parameters.reliability == Reliability::Reliable
            && !receivers.is_empty()
            && receivers.iter().all(|key| self.is_full(*key, label));
        if is_held {
            for key in receivers {
                self.block(context, key, label);
            }
            return Delivery::Held(message);
        }
        let message = match parameters.protocol == labels::ADDRESSED {
            true => self.addressed_from(from, message),
            false => message,
        };
        let (message, mut dropped) = (Rc::new(message), 0);
        for key in &receivers {
            if let Some((_, link)) = self.links.get_mut(key) {
                let place = link.backlog.channel(label, &parameters);
                dropped += link.backlog.push(context.now, place, &message);
            }
            self.mark_ready(*key);
        }
        context.counters.data_messages_dropped += dropped;
        Delivery::Done(receivers.len())
    }

    /// List those that a message is for; `None` where it names no receiver or one that is unknown.
    fn receivers(
        &self,
        from: TransportKey,
        label: &Rc<str>,
        message: &DataMessage,
    ) -> Option<(Rc<ChannelParameters>, Vec<TransportKey>)> {
        let parameters = self.labels.parameters(label)?;
        let (_, sender) = self.links.get(&from)?;
        let to = match parameters.protocol == labels::ADDRESSED {
            true => addressed::split(&message.payload)?.0,
            false => "",
        };
        let is_meant = |link: &Link| {
            let parameters = &link.parameters;
            parameters.receive
                && parameters.member != sender.parameters.member
                && (to.is_empty() || parameters.name == to)
        };
        let links = self.links.iter().filter(|(_, (_, link))| is_meant(link));
        let receivers: Vec<_> = links.map(|(key, _)| *key).collect();
        (to.is_empty() || !receivers.is_empty()).then(|| (parameters.clone(), receivers))
    }

    fn addressed_from(&self, from: TransportKey, message: DataMessage) -> DataMessage {
        let name = self.links.get(&from);
        let name = name.map_or("", |(_, link)| &link.parameters.name);
        match addressed::split(&message.payload) {
            Some((_, text)) => addressed::from(name, message.is_text, text),
            None => message,
        }
    }

    fn is_full(&self, key: TransportKey, label: &str) -> bool {
        let link = self.links.get(&key);
        link.is_some_and(|(_, link)| link.backlog.is_full(label))
    }

    /// Note that a sender waits for a receiver.
    fn block(&mut self, context: &mut Context<'_>, key: TransportKey, label: &str) {
        if let Some((_, link)) = self.links.get_mut(&key) {
            link.backlog.block(context.now, label);
            // It ends the wait.
            set_timer(context, key, link);
        }
    }

    /// Deliver the messages that were held, as far as their receivers take them now.
    pub(super) fn resume_held(&mut self, context: &mut Context<'_>) {
        for key in std::mem::take(&mut self.held) {
            let Some((label, message)) = self.take_held(key) else {
                continue;
            };
            self.pass_on(context, key, &label, message);
            if !self.held.contains(&key) {
                self.process(context, key);
            }
        }
    }

    fn take_held(&mut self, key: TransportKey) -> Option<(Rc<str>, DataMessage)> {
        self.links.get_mut(&key)?.1.held.take()
    }

    /// Deliver a message of a transport, and count it.
    fn pass_on(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        label: &Rc<str>,
        message: DataMessage,
    ) {
        let len = message.payload.len();
        let delivery = self.deliver(context, key, label, message);
        let Some((_, link)) = self.links.get_mut(&key) else {
            return;
        };
        match delivery {
            Delivery::Held(message) => {
                link.held = Some((label.clone(), message));
                self.held.push(key);
            }
            Delivery::Refused => {
                link.limit.take(len, 0);
                context.counters.data_messages_refused += 1;
            }
            Delivery::Done(receivers) => {
                link.limit.take(len, receivers);
                context.counters.data_messages_received += 1;
                context.counters.data_bytes_received += len as u64;
            }
        }
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
}

/// Return the event of a message to the control plane; `None` where it takes none such.
fn control_message(transport: TransportId, message: DataMessage) -> Option<Event> {
    if !message.is_text || message.payload.len() > MAX_CONTROL_BYTES {
        return None;
    }
    let text = String::from_utf8(message.payload).ok()?;
    Some(Event::DataMessage { transport, text })
}
