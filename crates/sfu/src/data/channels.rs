//! The channels of a room: opened by participants, and at all others by the server.

use std::rc::Rc;

use rtc::sctp::{ChannelId, ChannelParameters, CloseReason};

use super::Data;
use super::labels::{self, Opened};
use crate::context::Context;
use crate::keys::TransportKey;
use crate::message::{Event, TransportId};
use crate::reasons;

impl Data {
    pub(super) fn on_opened(
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

    pub(super) fn on_closed(
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
    pub(super) fn close(&mut self, label: &str) {
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

/// Report a channel that the server closes.
pub(super) fn report_closed(
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

/// Report that a peer has opened its channel for messages of the control plane, or that it is closed.
pub(super) fn report_messages(context: &mut Context<'_>, transport: TransportId, open: bool) {
    context.events.push(Event::DataMessages { transport, open });
}
