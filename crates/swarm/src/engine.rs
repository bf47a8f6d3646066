//! All bots of one thread: commands in, events out, datagrams in both directions. The contract of
//! `rtc`'s run loop applies, except that datagrams are sent through [`Host`].

use crate::bot::Bot;
use crate::bottleneck::Bottlenecks;
use crate::buffers::Buffers;
use crate::clip::Clip;
use crate::figures::{Figures, LossFigures, Totals, WindowBounds};
use crate::message::{BotId, ClipId, Event, FlowId, StreamId, TransportId};
use crate::receive::InboundStream;
use crate::relay::Relay;
use crate::tcp_flow::TcpFlow;
use crate::transport::{BotTransport, Shared};
use rtc::dtls::Context;
use rtc::outbox::Outbox;
use rtc::srtp::Profile;
use rtc::turn::REASON_CLOSED;
use rtc::wheel::Wheel;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use wire::time::{Time, WallClock};

/// Sockets and files of the engine; the thread that runs it implements them.
pub trait Host {
    /// Open a socket for a transport; return its local address, which may be the wildcard.
    ///
    /// # Errors
    /// Where the system refuses, with a message for the user.
    fn open(&mut self, transport: TransportId, bind: IpAddr) -> Result<IpAddr, String>;

    /// Connect a transport to its TURN server by TCP or TLS, in place of a UDP socket. The outcome
    /// follows: [`Engine::relay_lost`] where it fails.
    ///
    /// # Errors
    /// Where the system refuses at once, with a message for the user.
    fn connect(&mut self, transport: TransportId, relay: &Relay) -> Result<(), String>;

    /// Replace the socket of a transport by one with another local address; return that address.
    ///
    /// # Errors
    /// Where the system refuses, with a message for the user; the old socket then stays open.
    fn reopen(&mut self, transport: TransportId, bind: IpAddr) -> Result<IpAddr, String>;

    /// Close the socket of a transport.
    fn close(&mut self, transport: TransportId);

    /// Send all datagrams of an outbox from the socket of a transport.
    fn send(&mut self, transport: TransportId, outbox: &Outbox);

    /// Read a file.
    ///
    /// # Errors
    /// Where the system refuses, with a message for the user.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;
}

/// Settings of all bots.
#[derive(Clone)]
pub struct EngineConfig {
    /// Seed of all random numbers.
    pub seed: u64,
    /// SRTP profiles in order of preference.
    pub profiles: Vec<Profile>,
    /// Share of bots that decrypt every packet.
    pub sample_decrypt: f64,
    /// DTLS certificate of all bots.
    pub dtls: Context,
    /// Wall time of the clock, for sender reports.
    pub wall: WallClock,
}

/// Owner of a timer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    Transport(TransportId),
    Links(BotId),
    Flow(FlowId),
    Window,
}

/// A stream of a transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamRef {
    pub transport: TransportId,
    pub index: usize,
    pub outbound: bool,
}

/// All bots of one thread.
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) clips: FxHashMap<ClipId, Arc<Clip>>,
    pub(crate) bots: FxHashMap<BotId, Bot>,
    pub(crate) transports: FxHashMap<TransportId, BotTransport>,
    /// Inbound streams of closed transports, kept for the figures.
    pub(crate) closed: Vec<InboundStream>,
    pub(crate) streams: FxHashMap<StreamId, StreamRef>,
    pub(crate) shared: Shared,
    pub(crate) bottlenecks: Bottlenecks,
    pub(crate) buffers: Buffers,
    pub(crate) flows: FxHashMap<FlowId, TcpFlow>,
    pub(crate) wheel: Wheel<Timer>,
    pub(crate) window: Option<WindowBounds>,
    pub(crate) window_totals: Totals,
    pub(crate) window_end_totals: Option<Totals>,
    fired: Vec<Timer>,
}

impl Engine {
    /// Create an engine without bots.
    #[must_use]
    pub fn new(now: Time, config: EngineConfig) -> Self {
        Self {
            shared: Shared::new(config.wall),
            config,
            clips: FxHashMap::default(),
            bots: FxHashMap::default(),
            transports: FxHashMap::default(),
            closed: Vec::new(),
            streams: FxHashMap::default(),
            bottlenecks: Bottlenecks::default(),
            buffers: Buffers::default(),
            flows: FxHashMap::default(),
            wheel: Wheel::new(now),
            window: None,
            window_totals: Totals::default(),
            window_end_totals: None,
            fired: Vec::new(),
        }
    }

    /// Process received datagrams of a transport: source, time spent in the socket, bytes.
    pub fn receive<'a>(
        &mut self,
        now: Time,
        transport: TransportId,
        datagrams: impl Iterator<Item = (SocketAddr, Duration, &'a mut [u8])>,
        host: &mut impl Host,
    ) {
        let Some(bot_transport) = self.transports.get_mut(&transport) else {
            return;
        };
        if bot_transport.shaped {
            let bot = bot_transport.bot();
            self.delay(now, bot, transport, datagrams);
            return;
        }
        for (remote, waited, bytes) in datagrams {
            // The time of a transport is monotonic.
            let arrived = bot_transport.last_time.max(now - waited);
            bot_transport.last_time = arrived;
            bot_transport.receive(arrived, remote, bytes, &mut self.shared);
        }
        self.flush_and_rearm(now, transport, host);
    }

    /// Fail a transport whose connection to the TURN server ended.
    pub fn relay_lost(
        &mut self,
        now: Time,
        transport: TransportId,
        reason: &str,
        host: &mut impl Host,
    ) {
        if let Some(bot_transport) = self.transports.get_mut(&transport) {
            bot_transport.relay_lost(now, reason, &mut self.shared);
            self.flush_and_rearm(now, transport, host);
        }
    }

    /// Run all timers that are due.
    pub fn handle_timeout(&mut self, now: Time, host: &mut impl Host) {
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.fire(now, &mut fired);
        for timer in fired.drain(..) {
            match timer {
                Timer::Transport(transport) => self.on_transport_timer(now, transport, host),
                Timer::Flow(flow) => self.on_flow_timer(now, flow),
                Timer::Links(bot) => self.on_links_timer(now, bot, host),
                Timer::Window => self.update_window(now),
            }
        }
        self.fired = fired;
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout); none without timers.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.wheel.next()
    }

    /// Drain the pending events.
    pub fn take_events(&mut self) -> std::vec::Drain<'_, Event> {
        self.shared.recorder.events.drain(..)
    }

    /// Return the figures of the measurement window, or since the start where none is set.
    #[must_use]
    pub fn figures(&self, now: Time, with_streams: bool) -> Figures {
        let totals = self
            .window_end_totals
            .unwrap_or(self.shared.recorder.totals);
        let open = self.transports.values().flat_map(BotTransport::inbound);
        let streams = open.chain(&self.closed);
        let transports = self.transports.values().filter(|_| with_streams);
        let decrypted = self.bots.values().filter(|bot| bot.decrypted).count();
        Figures {
            at_ns: now.as_nanos(),
            window: self.window,
            totals: totals.since(&self.window_totals),
            loss: LossFigures::over(streams.clone().map(|stream| stream.loss(now))),
            histograms: self.shared.recorder.histograms.clone(),
            decrypted_ratio: decrypted as f64 / self.bots.len().max(1) as f64,
            transports_connected: self.transports_connected(),
            generator: None,
            streams: streams
                .filter(|_| with_streams)
                .map(|stream| stream.figures(now))
                .collect(),
            transports: transports.map(BotTransport::figures).collect(),
            links: Vec::new(),
            flows: Vec::new(),
        }
    }

    /// Return the number of connected transports.
    #[must_use]
    pub fn transports_connected(&self) -> usize {
        let transports = self.transports.values();
        transports
            .filter(|transport| transport.is_connected())
            .count()
    }

    /// Return the counts over all bots since the start.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.shared.recorder.totals
    }

    /// Send the outbox of a transport and rearm its timer.
    pub(crate) fn flush_and_rearm(&mut self, now: Time, id: TransportId, host: &mut impl Host) {
        let Some(transport) = self.transports.get_mut(&id) else {
            return;
        };
        if let Some(relay) = transport.poll_connect()
            && let Err(error) = host.connect(id, relay)
        {
            let reason = format!("{REASON_CLOSED}: {error}");
            transport.relay_lost(now, &reason, &mut self.shared);
        }
        let (bot, due) = (transport.bot(), transport.poll_timeout());
        if due < transport.armed {
            transport.armed = due;
            self.wheel.set(due, Timer::Transport(id));
        }
        self.flush(now, id, bot, host);
    }

    fn on_transport_timer(&mut self, now: Time, transport: TransportId, host: &mut impl Host) {
        let Some(bot_transport) = self.transports.get_mut(&transport) else {
            return;
        };
        let due = std::mem::replace(&mut bot_transport.armed, Time::FAR);
        if due > now {
            // A stale timer: the deadline was moved to a later entry of the wheel.
            bot_transport.armed = due;
            return;
        }
        if !bot_transport.is_sending() {
            // A sending transport records the lag of its frames instead.
            self.shared.recorder.record_lag(now, due);
        }
        bot_transport.last_time = now;
        bot_transport.handle_timeout(now, &mut self.shared);
        self.flush_and_rearm(now, transport, host);
    }

    /// Open or close the measurement window at its bounds.
    pub(crate) fn update_window(&mut self, now: Time) {
        let Some(window) = self.window else { return };
        let recording =
            now >= Time::from_nanos(window.start_ns) && now < Time::from_nanos(window.end_ns);
        if recording == self.shared.recorder.recording {
            return;
        }
        self.shared.recorder.recording = recording;
        if recording {
            self.window_totals = self.shared.recorder.totals;
            self.window_end_totals = None;
            self.shared.recorder.clear();
        } else {
            self.window_end_totals = Some(self.shared.recorder.totals);
        }
        for transport in self.transports.values_mut() {
            if recording {
                transport.open_window(now);
            } else {
                transport.close_window(now);
            }
        }
        for stream in &mut self.closed {
            if recording {
                stream.open_window(now);
            } else {
                stream.close_window(now);
            }
        }
    }

    /// Set the measurement window.
    pub(crate) fn set_window(&mut self, now: Time, window: WindowBounds) {
        self.window = Some(window);
        // Measurements before the window are discarded.
        self.shared.recorder.recording = false;
        self.window_end_totals = Some(self.shared.recorder.totals);
        self.window_totals = self.shared.recorder.totals;
        self.shared.recorder.clear();
        self.update_window(now);
        for bound in [window.start_ns, window.end_ns] {
            self.wheel.set(Time::from_nanos(bound), Timer::Window);
        }
    }
}
