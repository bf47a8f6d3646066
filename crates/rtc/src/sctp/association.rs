//! One SCTP association and its channels.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;

use dcsctp::api::{
    DcSctpSocket, ErrorKind, Message, Options, PpId, SendOptions, SocketEvent, SocketState,
    SocketTime, StreamId, ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
};
use rustc_hash::FxHashMap;
use wire::time::Time;

use super::channel::Channel;
use super::dcep::{ChannelParameters, Dcep};
use super::events::{AssociationEvent, CloseReason, SendError};
use super::packet::user_bytes;
use super::{ChannelId, MAX_MESSAGE_BYTES, MAX_STREAMS};
use crate::dtls::Role;

/// Receive window, bytes. A message that is not complete counts too.
const WINDOW_BYTES: usize = 1024 * 1024;
/// Most bytes in the send queue, beside one message.
const SEND_BYTES: usize = 256 * 1024;
/// A packet of this size fits a DTLS record of 1200 bytes.
const PACKET_BYTES: usize = 1160;
/// A peer that has sent so much more than a message, and no end of one for
/// [`UNFINISHED_TIMEOUT`], has filled the window with messages that do not end.
const UNFINISHED_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
const UNFINISHED_TIMEOUT: Duration = Duration::from_secs(10);

// RFC 8831 section 8.
const PPID_DCEP: u32 = 50;
const PPID_STRING: u32 = 51;
const PPID_BINARY: u32 = 53;
const PPID_EMPTY_STRING: u32 = 56;
const PPID_EMPTY_BINARY: u32 = 57;

/// One SCTP association and its channels.
pub struct Association {
    socket: Box<dyn DcSctpSocket>,
    epoch: Time,
    role: Role,
    channels: FxHashMap<ChannelId, Channel>,
    /// Channels to close, before or after the association is established.
    resets: Vec<StreamId>,
    /// Channels that the peer has closed, after the messages that wait.
    peer_resets: Vec<ChannelId>,
    packets: VecDeque<Vec<u8>>,
    events: VecDeque<AssociationEvent>,
    is_ended: bool,
    /// User data since the last complete message, and when that was.
    unfinished_bytes: usize,
    last_message: Time,
    ignored_messages: u64,
}

impl Association {
    /// Make an association over DTLS in this role, which decides on the streams that each side
    /// opens channels on (RFC 8832 section 6).
    #[must_use]
    pub fn new(now: Time, role: Role) -> Self {
        Self {
            socket: dcsctp::new_socket("", &options()),
            epoch: now,
            role,
            channels: FxHashMap::default(),
            resets: Vec::new(),
            peer_resets: Vec::new(),
            packets: VecDeque::new(),
            events: VecDeque::new(),
            is_ended: false,
            unfinished_bytes: 0,
            last_message: now,
            ignored_messages: 0,
        }
    }

    /// Connect to the peer, which may do the same at the same time.
    pub fn connect(&mut self, now: Time) {
        self.advance(now);
        if self.socket.state() == SocketState::Closed && !self.is_ended {
            self.socket.connect();
        }
        self.take_events();
    }

    /// Handle a packet of the peer. Its messages wait for [`poll_message`](Self::poll_message).
    pub fn receive(&mut self, now: Time, packet: &[u8]) {
        if self.is_ended {
            return;
        }
        let Some(bytes) = user_bytes(packet) else {
            return self.abort(CloseReason::AssociationFailed);
        };
        self.advance(now);
        self.socket.handle_input(packet);
        self.take_events();
        if self.socket.messages_ready_count() > 0 {
            self.unfinished_bytes = 0;
            self.last_message = now;
        } else {
            self.unfinished_bytes += bytes;
            let waiting = now.since(self.last_message);
            if self.unfinished_bytes > UNFINISHED_BYTES && waiting > UNFINISHED_TIMEOUT {
                self.abort(CloseReason::MessageTooLarge);
            }
        }
    }

    /// Do what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        self.take_events();
    }

    /// Return when [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let due = self.socket.poll_timeout();
        if self.is_ended || due == SocketTime::infinite_future() {
            return None;
        }
        Some(self.epoch + (due - SocketTime::zero()))
    }

    /// Return the next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.packets.pop_front()
    }

    /// Handle the next message that has arrived; return whether there was one. Messages that are
    /// not asked for close the window of the peer.
    pub fn poll_message(&mut self) -> bool {
        let Some(message) = self.socket.get_next_message() else {
            return false;
        };
        self.handle_message(message);
        self.take_events();
        true
    }

    /// Return whether messages have arrived that were not asked for yet.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        self.socket.messages_ready_count() > 0
    }

    /// Return the next event.
    pub fn poll_event(&mut self) -> Option<AssociationEvent> {
        self.events.pop_front()
    }

    /// Open a channel; `None` where no stream is free. Messages may be sent at once.
    pub fn open(&mut self, now: Time, parameters: ChannelParameters) -> Option<ChannelId> {
        let first = match self.role {
            Role::Client => 0,
            Role::Server => 1,
        };
        let id = (first..MAX_STREAMS)
            .step_by(2)
            .find(|id| !self.channels.contains_key(id))?;
        self.advance(now);
        let open = Dcep::Open(parameters.clone()).write();
        self.channels.insert(id, Channel::new(parameters, false));
        self.send_dcep(id, open);
        self.take_events();
        Some(id)
    }

    /// Send a message on a channel.
    ///
    /// # Errors
    /// Where there is no such channel, the message is too large or the queue is full.
    pub fn send(
        &mut self,
        now: Time,
        id: ChannelId,
        is_text: bool,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let channel = self.channels.get(&id).filter(|it| it.closing.is_none());
        let channel = channel.ok_or(SendError::NoChannel)?;
        if payload.len() > MAX_MESSAGE_BYTES {
            return Err(SendError::TooLarge);
        }
        let options = channel.send_options();
        self.advance(now);
        // SCTP has no empty messages (RFC 8831 section 6.6).
        let (ppid, payload) = match (is_text, payload.is_empty()) {
            (true, false) => (PPID_STRING, payload),
            (true, true) => (PPID_EMPTY_STRING, &[0][..]),
            (false, false) => (PPID_BINARY, payload),
            (false, true) => (PPID_EMPTY_BINARY, &[0][..]),
        };
        let message = Message::new(StreamId(id), PpId(ppid), payload.to_vec());
        let sent = self.socket.send(message, &options);
        self.take_events();
        sent.map_err(|_| SendError::Full)
    }

    /// Close a channel: its queued messages are dropped.
    pub fn close(&mut self, now: Time, id: ChannelId, reason: CloseReason) {
        self.advance(now);
        self.start_closing(id, reason);
        self.take_events();
    }

    /// Return the bytes in the send queue of a channel.
    #[must_use]
    pub fn buffered_bytes(&self, id: ChannelId) -> usize {
        self.socket.buffered_amount(StreamId(id))
    }

    /// Return whether messages may be sent on a channel.
    #[must_use]
    pub fn is_open(&self, id: ChannelId) -> bool {
        let channel = self.channels.get(&id);
        channel.is_some_and(|channel| channel.closing.is_none())
    }

    /// Return the bytes that were sent and are not acknowledged, at most: packets are full.
    #[must_use]
    pub fn unacknowledged_bytes(&self) -> usize {
        let metrics = self.socket.get_metrics();
        metrics.map_or(0, |metrics| metrics.unack_data_count * PACKET_BYTES)
    }

    /// Return whether packets wait to be sent.
    #[must_use]
    pub fn has_packets(&self) -> bool {
        !self.packets.is_empty()
    }

    /// Return whether the association is established.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.socket.state() == SocketState::Connected
    }

    /// Return how many messages came on no channel, or as none of those that channels have.
    #[must_use]
    pub fn ignored_messages(&self) -> u64 {
        self.ignored_messages
    }

    fn advance(&mut self, now: Time) {
        self.socket
            .advance_time(SocketTime::zero() + now.since(self.epoch));
    }

    fn handle_message(&mut self, message: Message) {
        let (id, mut payload) = (message.stream_id.0, message.payload);
        let is_text = match message.ppid.0 {
            PPID_DCEP => return self.handle_dcep(id, &payload),
            PPID_STRING | PPID_EMPTY_STRING => true,
            PPID_BINARY | PPID_EMPTY_BINARY => false,
            _ => {
                self.ignored_messages += 1;
                return;
            }
        };
        if matches!(message.ppid.0, PPID_EMPTY_STRING | PPID_EMPTY_BINARY) {
            payload.clear();
        }
        let Some(channel) = self.channels.get_mut(&id) else {
            self.ignored_messages += 1;
            return;
        };
        // Data of the peer on a channel of ours acknowledges it as well (RFC 8832 section 6).
        channel.is_known_to_peer = true;
        if channel.closing.is_some() {
            return;
        }
        if payload.len() > MAX_MESSAGE_BYTES {
            return self.start_closing(id, CloseReason::MessageTooLarge);
        }
        let event = AssociationEvent::Message {
            channel: id,
            is_text,
            payload,
        };
        self.events.push_back(event);
    }

    fn handle_dcep(&mut self, id: ChannelId, message: &[u8]) {
        match Dcep::parse(message) {
            Some(Dcep::Ack) => {
                if let Some(channel) = self.channels.get_mut(&id) {
                    channel.is_known_to_peer = true;
                }
            }
            Some(Dcep::Open(parameters)) if !self.channels.contains_key(&id) => {
                let channel = Channel::new(parameters.clone(), true);
                self.channels.insert(id, channel);
                self.send_dcep(id, Dcep::Ack.write());
                self.events
                    .push_back(AssociationEvent::Opened(id, parameters));
            }
            Some(Dcep::Open(_)) | None => self.ignored_messages += 1,
        }
    }

    fn send_dcep(&mut self, id: ChannelId, message: Vec<u8>) {
        let message = Message::new(StreamId(id), PpId(PPID_DCEP), message);
        // A full queue cannot hold it back: the queue takes a message as long as it is below the
        // bound, which the caller keeps it.
        let _ = self.socket.send(message, &SendOptions::default());
    }

    fn start_closing(&mut self, id: ChannelId, reason: CloseReason) {
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.closing.is_none()
        {
            channel.closing = Some(reason);
            self.resets.push(StreamId(id));
        }
    }

    /// Take the events of the socket. Resets that they cause are packets again.
    fn take_events(&mut self) {
        self.close_peer_resets();
        self.reset_streams();
        self.take_socket_events();
        if !self.peer_resets.is_empty() {
            self.close_peer_resets();
            self.reset_streams();
            self.take_socket_events();
        }
    }

    fn take_socket_events(&mut self) {
        while let Some(event) = self.socket.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => self.packets.push_back(packet),
                SocketEvent::OnIncomingStreamReset(streams) => self.on_peer_reset(&streams),
                SocketEvent::OnStreamsResetPerformed(streams) => {
                    streams.iter().for_each(|id| self.on_reset_performed(id.0));
                }
                SocketEvent::OnStreamsResetFailed(streams) => self.resets.extend(streams),
                SocketEvent::OnAborted(kind, _) => self.end(match kind {
                    ErrorKind::PeerReported => CloseReason::ClosedByPeer,
                    _ => CloseReason::AssociationFailed,
                }),
                SocketEvent::OnClosed() => self.end(CloseReason::ClosedByPeer),
                _ => {}
            }
        }
    }

    /// Reset the streams of closing channels, once that is possible.
    fn reset_streams(&mut self) {
        if !self.resets.is_empty() && self.is_connected() {
            let streams = core::mem::take(&mut self.resets);
            if self.socket.reset_streams(&streams).is_err() {
                // The peer cannot reset streams: their ids are not used again.
                streams.iter().for_each(|id| self.report_closed(id.0));
            }
        }
    }

    fn on_peer_reset(&mut self, streams: &[StreamId]) {
        match streams.is_empty() {
            true => self.peer_resets.extend(self.channels.keys()),
            false => {
                let open = streams
                    .iter()
                    .filter(|id| self.channels.contains_key(&id.0));
                self.peer_resets.extend(open.map(|id| id.0));
            }
        }
    }

    /// Close what the peer has closed (RFC 8831 section 6.7), after its last messages.
    fn close_peer_resets(&mut self) {
        if self.peer_resets.is_empty() || self.socket.messages_ready_count() > 0 {
            return;
        }
        for id in core::mem::take(&mut self.peer_resets) {
            self.start_closing(id, CloseReason::ClosedByPeer);
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.is_reset.1 = true;
                self.free(id);
            }
        }
    }

    fn on_reset_performed(&mut self, id: ChannelId) {
        self.report_closed(id);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.is_reset.0 = true;
            self.free(id);
        }
    }

    fn free(&mut self, id: ChannelId) {
        let channel = self.channels.get(&id);
        if channel.is_some_and(|channel| channel.is_reset == (true, true)) {
            self.channels.remove(&id);
        }
    }

    fn report_closed(&mut self, id: ChannelId) {
        let reason = self.channels.get(&id).and_then(|channel| channel.closing);
        if let Some(reason) = reason {
            self.events.push_back(AssociationEvent::Closed(id, reason));
        }
    }

    fn abort(&mut self, reason: CloseReason) {
        self.socket.close();
        self.end(reason);
        self.take_events();
    }

    fn end(&mut self, reason: CloseReason) {
        if !self.is_ended {
            self.is_ended = true;
            self.channels.clear();
            self.resets.clear();
            self.peer_resets.clear();
            self.events.push_back(AssociationEvent::Ended(reason));
        }
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association")
            .field("role", &self.role)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

fn options() -> Options {
    Options {
        mtu: PACKET_BYTES,
        announced_maximum_incoming_streams: MAX_STREAMS,
        announced_maximum_outgoing_streams: MAX_STREAMS,
        max_message_size: MAX_MESSAGE_BYTES,
        max_receiver_window_buffer_size: WINDOW_BYTES,
        max_send_buffer_size: SEND_BYTES,
        per_stream_send_queue_limit: SEND_BYTES,
        // DTLS has an integrity of its own (RFC 9653).
        zero_checksum_alternate_error_detection_method:
            ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS,
        ..Options::default()
    }
}
