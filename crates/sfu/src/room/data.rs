//! Data channels of the room: what arrives for them on its transports, and when they send.

use super::Room;
use crate::context::Context;
use crate::keys::TransportKey;
use crate::message::{CommandError, DataParameters, TransportId};

impl Room {
    /// Set what data channels a transport may have.
    pub(super) fn set_data(
        &mut self,
        context: &mut Context<'_>,
        id: TransportId,
        parameters: DataParameters,
    ) -> Result<(), CommandError> {
        let key = self.names.transport(id)?;
        if let Some(connection) = self.connections.get(key) {
            let names = (key, id, connection.subscriber);
            self.data.set(context, names, parameters);
        }
        self.schedule_data(context);
        Ok(())
    }

    /// Send a message of the control plane; transports that are gone get none.
    pub(super) fn send_messages(
        &mut self,
        context: &mut Context<'_>,
        transports: &[TransportId],
        text: String,
    ) {
        let keys = transports.iter();
        let keys = keys.filter_map(|id| self.names.transport(*id).ok());
        self.data.send_messages(context, keys, text);
        self.schedule_data(context);
    }

    /// Receive a packet of a transport's data channels.
    pub(super) fn receive_data(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        packet: &[u8],
    ) {
        if let Some(connection) = self.connections.get(key) {
            let role = connection.transport.dtls_role();
            self.data.receive(context, key, role, packet);
            self.schedule_data(context);
        }
    }

    /// Do what is due at the data channels of a transport.
    pub(super) fn drive_data(&mut self, context: &mut Context<'_>, key: TransportKey) {
        self.data.handle_timer(context, key);
        self.schedule_data(context);
    }

    /// Let the data channels of a transport begin, which is connected now.
    pub(super) fn start_data(&mut self, context: &mut Context<'_>, key: TransportKey) {
        self.data.mark_ready(key);
        self.schedule_data(context);
    }

    /// Remove the data channels of a transport.
    pub(super) fn remove_data(&mut self, context: &mut Context<'_>, key: TransportKey) {
        self.data.remove(key);
        self.schedule_data(context);
    }

    /// Have what is ready sent in the next round, and tell that there are data channels.
    fn schedule_data(&mut self, context: &mut Context<'_>) {
        if self.data.is_ready() {
            self.egress.request_round();
        }
        self.data.announce(self.id, context.events);
    }
}
