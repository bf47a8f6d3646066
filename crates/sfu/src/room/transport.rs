//! The life of a transport: its timer, its paths, from connected to closed.

use std::time::Duration;

use rtc::path::PathId;
use rtc::srtp::Profile;
use rtc::transport::TransportEvent;
use wire::time::Time;

use super::Room;
use super::connection::Connection;
use crate::context::{Context, Route, Timer};
use crate::keys::TransportKey;
use crate::message::{Event, TransportState};

impl Room {
    /// Process the events of a transport and set its next timer.
    pub(super) fn drive_transport(&mut self, context: &mut Context<'_>, key: TransportKey) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection
            .transport
            .handle_timeout(context.now, context.out);
        while let Some(connection) = self.connections.get_mut(key)
            && let Some(event) = connection.transport.poll_event()
        {
            self.on_transport_event(context, key, event);
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if let Some(at) = connection.transport.poll_timeout()
            && connection
                .transport_at
                .is_none_or(|set| at < set || set <= context.now)
        {
            connection.transport_at = Some(at);
            context.set_timer(at, Timer::Transport(key));
        }
    }

    /// Note that what was sent at `flushed` left late by this.
    pub fn sent_late(&mut self, key: TransportKey, flushed: Time, late: Duration) {
        if let Some(connection) = self.connections.get(key) {
            self.egress.sent_late(connection.subscriber, flushed, late);
        }
    }

    fn on_transport_event(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        event: TransportEvent,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let subscriber = connection.subscriber;
        match event {
            TransportEvent::PathValidated(path) => {
                connection.paths.push(path);
                context.routes.push(Route::AddPath(path, key));
            }
            TransportEvent::PathRetired(path) => {
                connection.paths.retain(|other| *other != path);
                context.routes.push(Route::RemovePath(path, key));
            }
            TransportEvent::PathSelected(_) => {
                self.egress.change_path(context.now, subscriber);
                self.egress.demand_keyframes(subscriber);
            }
            TransportEvent::ApplicationData(packet) => self.receive_data(context, key, &packet),
            TransportEvent::Connected { ice, dtls, .. } => {
                context.counters.ice_connected += 1;
                context.counters.dtls_connected += 1;
                context.events.push(connected_event(connection, ice, dtls));
                self.start_sending(context, key);
            }
            TransportEvent::Resumed => {
                report_state(context, connection, TransportState::Connected, "resumed");
                self.egress
                    .restart_subscriber(context, &self.ingress, subscriber);
            }
            TransportEvent::Disconnected(reason) => {
                context.counters.ice_failed += 1;
                report_state(context, connection, TransportState::Disconnected, reason);
            }
            TransportEvent::Closed(reason) => {
                report_state(context, connection, TransportState::Closed, reason);
                self.stop_sending(key);
            }
            TransportEvent::Failed(reason) => {
                let of_ice = reason.starts_with("ice");
                context.counters.ice_failed += u64::from(of_ice);
                context.counters.dtls_failed += u64::from(!of_ice);
                report_state(context, connection, TransportState::Failed, reason);
                self.stop_sending(key);
            }
        }
        self.pass_on_demands(context);
    }

    /// Start sending: the transport has SRTP keys.
    fn start_sending(&mut self, context: &mut Context<'_>, key: TransportKey) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.connected = true;
        let subscriber = connection.subscriber;
        self.egress.connect(subscriber, &mut connection.transport);
        self.start_reports(context, key);
        self.egress
            .restart_subscriber(context, &self.ingress, subscriber);
        self.egress.start_probe(context, subscriber);
        self.start_data(context, key);
    }

    fn stop_sending(&mut self, key: TransportKey) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.connected = false;
            self.egress.disconnect(connection.subscriber);
        }
    }

    /// Return whether a transport uses a path, which then is not moved to another transport.
    #[must_use]
    pub fn holds_path(&self, now: Time, key: TransportKey, path: &PathId) -> bool {
        let connection = self.connections.get(key);
        connection.is_some_and(|connection| connection.transport.holds_path(now, path))
    }

    /// Retire a path that has moved to another transport.
    pub fn retire_path(&mut self, context: &mut Context<'_>, key: TransportKey, path: &PathId) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.transport.retire_path(context.now, path);
            self.drive_transport(context, key);
        }
    }
}

fn connected_event(connection: &Connection, ice: Duration, dtls: Duration) -> Event {
    let transport = &connection.transport;
    let path = transport.send_path();
    Event::TransportState {
        transport: connection.id,
        state: TransportState::Connected,
        reason: "connected".into(),
        srtp_profile: transport.srtp_profile().map(Profile::name),
        local: path.map(|path| path.local.to_string()),
        remote: path.map(|path| path.remote.to_string()),
        ice_ms: Some(ice.as_secs_f64() * 1e3),
        dtls_ms: Some(dtls.as_secs_f64() * 1e3),
    }
}

fn report_state(
    context: &mut Context<'_>,
    connection: &Connection,
    state: TransportState,
    reason: &str,
) {
    context.events.push(Event::TransportState {
        transport: connection.id,
        state,
        reason: reason.into(),
        srtp_profile: None,
        local: None,
        remote: None,
        ice_ms: None,
        dtls_ms: None,
    });
}
