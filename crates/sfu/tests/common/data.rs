//! A client's end of its data channels.

use rtc::dtls::Role;
use rtc::outbox::Outbox;
use rtc::sctp::{Association, AssociationEvent, ChannelId, ChannelParameters, Reliability};
use rtc::transport::{Transport, TransportEvent};
use sfu::message::{DataParameters, Request};
use wire::time::Time;

use super::client::Client;
use super::world::World;

/// Messages and other events of one end.
pub struct DataEnd {
    pub association: Association,
    pub events: Vec<AssociationEvent>,
    /// Leaves messages in the association, as one that does not read.
    pub is_stuck: bool,
}

impl DataEnd {
    /// Handle the packets among new events of the transport, and send what there is to send.
    pub fn settle(
        &mut self,
        now: Time,
        events: &[TransportEvent],
        transport: &mut Transport,
        out: &mut Outbox,
    ) {
        for event in events {
            if let TransportEvent::ApplicationData(packet) = event
                && !self.is_stuck
            {
                self.association.receive(now, packet);
            }
        }
        while self.association.poll_message() {}
        while let Some(event) = self.association.poll_event() {
            self.events.push(event);
        }
        while let Some(packet) = self.association.poll_transmit() {
            let _ = transport.send_data(now, &packet, out);
        }
    }

    /// Messages by the labels of their channels, in order of arrival.
    pub fn messages(&self) -> Vec<(&str, &[u8])> {
        let mut labels: std::collections::HashMap<ChannelId, &str> = Default::default();
        let mut messages = Vec::new();
        for event in &self.events {
            match event {
                AssociationEvent::Opened(id, parameters) => {
                    labels.insert(*id, &parameters.label);
                }
                AssociationEvent::Message {
                    channel, payload, ..
                } => {
                    let label = labels.get(channel).copied().unwrap_or("own");
                    messages.push((label, payload.as_slice()));
                }
                _ => {}
            }
        }
        messages
    }

    /// Labels of the channels that the server has opened, with what they were opened with.
    pub fn opened(&self) -> Vec<&ChannelParameters> {
        let opened = self.events.iter().filter_map(|event| match event {
            AssociationEvent::Opened(_, parameters) => Some(parameters),
            _ => None,
        });
        opened.collect()
    }

    /// Streams of the channels that the server has opened.
    pub fn opened_ids(&self) -> Vec<ChannelId> {
        let opened = self.events.iter().filter_map(|event| match event {
            AssociationEvent::Opened(id, _) => Some(*id),
            _ => None,
        });
        opened.collect()
    }

    pub fn closed(&self) -> usize {
        let closed = |event: &&AssociationEvent| matches!(event, AssociationEvent::Closed(..));
        self.events.iter().filter(closed).count()
    }
}

/// A reliable and ordered channel with this label.
pub fn labelled(label: &str) -> ChannelParameters {
    ChannelParameters {
        label: label.into(),
        ..ChannelParameters::default()
    }
}

/// A channel with this label that loses messages rather than delay others.
pub fn lossy(label: &str) -> ChannelParameters {
    ChannelParameters {
        unordered: true,
        reliability: Reliability::Retransmits(0),
        ..labelled(label)
    }
}

/// What a participant with all rights does, who sends and receives on one transport.
pub fn both(member: u32) -> DataParameters {
    DataParameters {
        member,
        name: format!("member {member}"),
        send: true,
        receive: true,
        negotiated: true,
        max_message_bytes: rtc::sctp::MAX_MESSAGE_BYTES,
    }
}

impl Client {
    pub fn data(&self) -> &DataEnd {
        self.data.as_ref().expect("data channels")
    }

    pub fn data_mut(&mut self) -> &mut DataEnd {
        self.data.as_mut().expect("data channels")
    }

    pub fn settle_data(&mut self, now: Time, from: usize) {
        if let Some(data) = &mut self.data {
            let events = &self.events[from..];
            data.settle(now, events, &mut self.transport, &mut self.out);
        }
    }
}

impl World {
    /// Connect several clients with data channels, each its own participant.
    pub fn connect_with_data(&mut self, room: u32, count: usize) -> Vec<usize> {
        let keys = self.connect_many(room, count);
        for key in &keys {
            self.enable_data(*key, both(*key as u32));
        }
        keys
    }

    pub fn enable_data(&mut self, key: usize, data: DataParameters) {
        let transport = self.clients[key].transport_id;
        self.command(Request::SetData { transport, data });
        self.clients[key].data = Some(DataEnd {
            association: Association::new(self.now, Role::Client),
            events: Vec::new(),
            is_stuck: false,
        });
    }

    pub fn open_channel(&mut self, key: usize, parameters: ChannelParameters) -> ChannelId {
        let now = self.now;
        let association = &mut self.clients[key].data_mut().association;
        association.connect(now);
        let id = association.open(now, parameters).expect("a free stream");
        self.settle_data(key);
        id
    }

    pub fn send_message(&mut self, key: usize, id: ChannelId, payload: &[u8]) {
        let now = self.now;
        let association = &mut self.clients[key].data_mut().association;
        association.send(now, id, false, payload).expect("sent");
        self.settle_data(key);
    }

    pub fn settle_data(&mut self, key: usize) {
        let (now, client) = (self.now, &mut self.clients[key]);
        client.settle_data(now, client.events.len());
        self.settle();
    }
}
