//! All bots of one thread: commands in, events out, datagrams both ways. The run loop of `rtc`
//! holds here too, except that the sockets are told what to do through [`Host`].

use crate::bot::{Bot, Downward, Upward};
use crate::clip::Clip;
use crate::figures::{Figures, Totals, WindowBounds};
use crate::message::{BotId, ClipId, Event, StreamId, TransportId};
use crate::receive::InboundStream;
use crate::transport::{BotTransport, Shared};
use rtc::dtls::Context;
use rtc::outbox::Outbox;
use rtc::srtp::Profile;
use rtc::wheel::Wheel;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use wire::time::{Time, WallClock};

/// What the engine asks of whoever owns sockets and files.
pub trait Host {
    /// Open a socket for a transport; return its local address, the wildcard where it is one.
    ///
    /// # Errors
    /// Where the system refuses, in words for people.
    fn open(&mut self, transport: TransportId, bind: IpAddr) -> Result<IpAddr, String>;

    /// Close the socket of a transport, once what it has to send is gone.
    fn close(&mut self, transport: TransportId);

    /// Send all datagrams of an outbox from the socket of a transport.
    fn send(&mut self, transport: TransportId, outbox: &Outbox);

    /// Read a file.
    ///
    /// # Errors
    /// Where the system refuses, in words for people.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;
}

/// How all bots are.
#[derive(Clone)]
pub struct EngineConfig {
    /// Every random number follows from it.
    pub seed: u64,
    /// SRTP profiles, the preferred one first.
    pub profiles: Vec<Profile>,
    /// Share of bots that open every packet.
    pub sample_decrypt: f64,
    /// The identity of all bots.
    pub dtls: Context,
    /// Where the clock stands in wall time.
    pub wall: WallClock,
}

/// Whose timer it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    Transport(TransportId),
    Links(BotId),
    Window,
}

/// Where a stream is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamPlace {
    pub transport: TransportId,
    pub place: usize,
    pub outbound: bool,
}

/// All bots of one thread.
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) clips: FxHashMap<ClipId, Arc<Clip>>,
    pub(crate) bots: FxHashMap<BotId, Bot>,
    pub(crate) transports: FxHashMap<TransportId, BotTransport>,
    /// Of closed transports, kept for what they measured.
    pub(crate) closed: Vec<InboundStream>,
    pub(crate) streams: FxHashMap<StreamId, StreamPlace>,
    pub(crate) shared: Shared,
    pub(crate) wheel: Wheel<Timer>,
    pub(crate) window: Option<WindowBounds>,
    pub(crate) window_totals: Totals,
    pub(crate) window_end_totals: Option<Totals>,
    fired: Vec<Timer>,
}

impl Engine {
    /// Make an engine without bots.
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
            wheel: Wheel::new(now),
            window: None,
            window_totals: Totals::default(),
            window_end_totals: None,
            fired: Vec::new(),
        }
    }

    /// Take the datagrams that the socket of a transport received, each with the time that it had
    /// waited there.
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
            self.delay(now, transport, datagrams);
            return;
        }
        for (remote, waited, bytes) in datagrams {
            // Time never runs backwards, not even between two sockets.
            let arrived = bot_transport.told.max(now - waited);
            bot_transport.told = arrived;
            bot_transport.receive(arrived, remote, bytes, &mut self.shared);
        }
        self.settle(now, transport, host);
    }

    /// Do what is due.
    pub fn handle_timeout(&mut self, now: Time, host: &mut impl Host) {
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.fire(now, &mut fired);
        for timer in fired.drain(..) {
            match timer {
                Timer::Transport(transport) => self.on_transport_timer(now, transport, host),
                Timer::Links(bot) => self.on_links_timer(now, bot, host),
                Timer::Window => self.turn_window(now),
            }
        }
        self.fired = fired;
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout), none where nothing is due ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.wheel.next()
    }

    /// Take the events so far.
    pub fn take_events(&mut self) -> std::vec::Drain<'_, Event> {
        self.shared.recorder.events.drain(..)
    }

    /// Report the window, or everything since the start where there is none.
    #[must_use]
    pub fn figures(&self, now: Time, with_streams: bool) -> Figures {
        let totals = self
            .window_end_totals
            .unwrap_or(self.shared.recorder.totals);
        let open = self.transports.values().flat_map(BotTransport::inbound);
        let streams = open.chain(&self.closed).filter(|_| with_streams);
        let decrypted = self.bots.values().filter(|bot| bot.decrypted).count();
        Figures {
            at_ns: now.as_nanos(),
            window: self.window,
            totals: totals.since(&self.window_totals),
            histograms: self.shared.recorder.histograms.clone(),
            decrypted_ratio: decrypted as f64 / self.bots.len().max(1) as f64,
            transports_connected: self.transports_connected(),
            generator: None,
            streams: streams.map(|stream| stream.figures(now)).collect(),
        }
    }

    /// Count the transports that are connected now.
    #[must_use]
    pub fn transports_connected(&self) -> usize {
        let transports = self.transports.values();
        transports
            .filter(|transport| transport.is_connected())
            .count()
    }

    /// Return what all bots together sent and received since the start.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.shared.recorder.totals
    }

    /// Send what a transport has written, and see when it is due next.
    pub(crate) fn settle(&mut self, now: Time, name: TransportId, host: &mut impl Host) {
        let Some(transport) = self.transports.get_mut(&name) else {
            return;
        };
        let (bot, due) = (transport.bot(), transport.poll_timeout());
        if due < transport.armed {
            transport.armed = due;
            self.wheel.set(due, Timer::Transport(name));
        }
        self.flush(now, name, bot, host);
    }

    /// Send what a transport has written.
    pub(crate) fn flush(
        &mut self,
        now: Time,
        transport: TransportId,
        bot: BotId,
        host: &mut impl Host,
    ) {
        if self.shared.outbox.is_empty() {
            return;
        }
        let up = self.bots.get_mut(&bot).and_then(|bot| bot.up.as_mut());
        if let Some(up) = up {
            for (path, bytes) in self.shared.outbox.datagrams() {
                let bytes = bytes.to_vec();
                up.push(
                    now,
                    bytes.len(),
                    Upward {
                        transport,
                        path,
                        bytes,
                    },
                );
            }
            self.arm_links(bot);
        } else {
            host.send(transport, &self.shared.outbox);
        }
        self.shared.outbox.clear();
    }

    /// Let datagrams from the socket go through the bot's network first.
    fn delay<'a>(
        &mut self,
        now: Time,
        transport: TransportId,
        datagrams: impl Iterator<Item = (SocketAddr, Duration, &'a mut [u8])>,
    ) {
        let Some(bot) = self.transports.get(&transport).map(BotTransport::bot) else {
            return;
        };
        // A link once set stays, so there is one wherever a transport is shaped.
        let down = self.bots.get_mut(&bot).and_then(|bot| bot.down.as_mut());
        let Some(down) = down else { return };
        for (remote, _, bytes) in datagrams {
            let (len, bytes) = (bytes.len(), bytes.to_vec());
            let downward = Downward {
                transport,
                remote,
                bytes,
            };
            down.push(now, len, downward);
        }
        self.arm_links(bot);
    }

    fn on_transport_timer(&mut self, now: Time, transport: TransportId, host: &mut impl Host) {
        let Some(bot_transport) = self.transports.get_mut(&transport) else {
            return;
        };
        let due = std::mem::replace(&mut bot_transport.armed, Time::FAR);
        if due > now {
            // A timer of earlier days; the one that counts stands later in the wheel.
            bot_transport.armed = due;
            return;
        }
        if !bot_transport.is_sending() {
            // Where frames are sent, their own lag is recorded.
            self.shared.recorder.acted(now, due);
        }
        bot_transport.told = now;
        bot_transport.handle_timeout(now, &mut self.shared);
        self.settle(now, transport, host);
    }

    fn on_links_timer(&mut self, now: Time, bot: BotId, host: &mut impl Host) {
        let Some(links) = self.bots.get_mut(&bot) else {
            return;
        };
        links.armed = Time::FAR;
        while let Some(upward) = self.next_upward(now, bot) {
            self.shared.outbox.push(upward.path, &upward.bytes);
            host.send(upward.transport, &self.shared.outbox);
            self.shared.outbox.clear();
        }
        while let Some(mut downward) = self.next_downward(now, bot) {
            let transport = downward.transport;
            if let Some(bot_transport) = self.transports.get_mut(&transport) {
                let bytes = &mut downward.bytes[..];
                bot_transport.receive(now, downward.remote, bytes, &mut self.shared);
            }
            self.settle(now, transport, host);
        }
        self.arm_links(bot);
    }

    fn next_upward(&mut self, now: Time, bot: BotId) -> Option<Upward> {
        self.bots.get_mut(&bot)?.up.as_mut()?.pop(now)
    }

    fn next_downward(&mut self, now: Time, bot: BotId) -> Option<Downward> {
        self.bots.get_mut(&bot)?.down.as_mut()?.pop(now)
    }

    fn arm_links(&mut self, bot: BotId) {
        let Some(links) = self.bots.get_mut(&bot) else {
            return;
        };
        let due = links.poll_timeout();
        if due < links.armed {
            links.armed = due;
            self.wheel.set(due, Timer::Links(bot));
        }
    }

    /// Open or close the window where its bound has come.
    fn turn_window(&mut self, now: Time) {
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
        let open = self
            .transports
            .values_mut()
            .flat_map(BotTransport::inbound_mut);
        for stream in open.chain(&mut self.closed) {
            if recording {
                stream.open_window(now);
            } else {
                stream.close_window(now);
            }
        }
    }

    /// Count apart what happens between two instants.
    pub(crate) fn set_window(&mut self, now: Time, window: WindowBounds) {
        self.window = Some(window);
        // Whatever was recorded so far is not of this window.
        self.shared.recorder.recording = false;
        self.window_end_totals = Some(self.shared.recorder.totals);
        self.window_totals = self.shared.recorder.totals;
        self.shared.recorder.clear();
        self.turn_window(now);
        for bound in [window.start_ns, window.end_ns] {
            self.wheel.set(Time::from_nanos(bound), Timer::Window);
        }
    }
}
