//! Datagrams of the bots on their way through impaired links and shared bottlenecks.

use crate::bot::{Bot, DownlinkDatagram, UplinkDatagram};
use crate::engine::{Engine, Host, Timer};
use crate::figures::{Direction, LinkFigures};
use crate::impair::{Link, push};
use crate::message::{BotId, TransportId};
use crate::transport::BotTransport;
use rustc_hash::FxHashMap;
use std::net::SocketAddr;
use std::time::Duration;
use wire::time::Time;

impl Engine {
    /// Send the outbox of a transport, through the uplink of its bot where there is one.
    pub(crate) fn flush(
        &mut self,
        now: Time,
        transport: TransportId,
        bot: BotId,
        host: &mut impl Host,
    ) {
        if let Some(sender) = self.transports.get_mut(&transport) {
            sender.wrap(now, &mut self.shared);
        }
        if self.shared.outbox.is_empty() {
            return;
        }
        let up = self.bots.get_mut(&bot).and_then(|bot| bot.up.as_mut());
        if let Some(up) = up {
            let address = address(&self.transports, transport);
            for (path, bytes) in self.shared.outbox.datagrams() {
                let bytes = self.buffers.copy(bytes);
                let (len, uplink) = (
                    bytes.len(),
                    UplinkDatagram {
                        transport,
                        address,
                        path,
                        bytes,
                    },
                );
                push(&mut self.bottlenecks, up, now, len, uplink);
            }
            self.arm_links(bot);
        } else {
            host.send(transport, &self.shared.outbox);
        }
        self.shared.outbox.clear();
    }

    /// Queue received datagrams in the downlink of the bot.
    pub(crate) fn delay<'a>(
        &mut self,
        now: Time,
        bot: BotId,
        transport: TransportId,
        datagrams: impl Iterator<Item = (SocketAddr, Duration, &'a mut [u8])>,
    ) {
        // A link is never removed, so every shaped transport has one.
        let down = self.bots.get_mut(&bot).and_then(|bot| bot.down.as_mut());
        let Some(down) = down else { return };
        let address = address(&self.transports, transport);
        for (remote, waited, bytes) in datagrams {
            let (len, bytes) = (bytes.len(), self.buffers.copy(bytes));
            let downlink = DownlinkDatagram {
                transport,
                address,
                remote,
                bytes,
            };
            push(&mut self.bottlenecks, down, now - waited, len, downlink);
        }
        self.arm_links(bot);
    }

    pub(crate) fn on_links_timer(&mut self, now: Time, bot: BotId, host: &mut impl Host) {
        let Some(links) = self.bots.get_mut(&bot) else {
            return;
        };
        links.armed = Time::FAR;
        self.send_arrived(now, bot, host);
        self.receive_arrived(now, bot, host);
        self.arm_links(bot);
    }

    /// Send what has left the uplink, the datagrams of a transport together.
    fn send_arrived(&mut self, now: Time, bot: BotId, host: &mut impl Host) {
        let mut sent = std::mem::take(&mut self.buffers.sent);
        let up = self.bots.get_mut(&bot).and_then(|bot| bot.up.as_mut());
        sent.extend(
            up.into_iter()
                .flat_map(|up| std::iter::from_fn(|| up.pop(now))),
        );
        for together in sent.chunk_by(|one, next| one.transport == next.transport) {
            let transport = together[0].transport;
            let address = address(&self.transports, transport);
            for uplink in together.iter().filter(|uplink| uplink.address == address) {
                self.shared.outbox.push(uplink.path, &uplink.bytes);
            }
            host.send(transport, &self.shared.outbox);
            self.shared.outbox.clear();
        }
        for uplink in sent.drain(..) {
            self.buffers.give_back(uplink.bytes);
        }
        self.buffers.sent = sent;
    }

    /// Receive what has left the downlink, the datagrams of a transport together.
    fn receive_arrived(&mut self, now: Time, bot: BotId, host: &mut impl Host) {
        let mut received = std::mem::take(&mut self.buffers.received);
        let down = self.bots.get_mut(&bot).and_then(|bot| bot.down.as_mut());
        received.extend(
            down.into_iter().flat_map(|down| {
                std::iter::from_fn(|| Some((down.poll_timeout()?, down.pop(now)?)))
            }),
        );
        for together in received.chunk_by_mut(|(_, one), (_, next)| one.transport == next.transport)
        {
            let transport = together[0].1.transport;
            if let Some(bot_transport) = self.transports.get_mut(&transport) {
                for (arrival, downlink) in together {
                    if bot_transport.address != downlink.address {
                        continue;
                    }
                    // As of the kernel's time stamps: the lag of the timer adds to no measurement.
                    let arrived = bot_transport.last_time.max(*arrival);
                    bot_transport.last_time = arrived;
                    let bytes = &mut downlink.bytes[..];
                    bot_transport.receive(arrived, downlink.remote, bytes, &mut self.shared);
                }
            }
            self.flush_and_rearm(now, transport, host);
        }
        for (_, downlink) in received.drain(..) {
            self.buffers.give_back(downlink.bytes);
        }
        self.buffers.received = received;
    }

    /// Return the figures of all links.
    pub(crate) fn link_figures(&self, traces: bool) -> Vec<LinkFigures> {
        let bots = self.bots.iter();
        let mut links: Vec<LinkFigures> = bots
            .flat_map(|(id, bot)| figures(*id, bot, traces))
            .collect();
        links.sort_by_key(|link| (link.bot, link.direction));
        links
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
}

/// Return the number of the local address of a transport; 0 for a closed one, which has no socket.
fn address(transports: &FxHashMap<TransportId, BotTransport>, id: TransportId) -> u32 {
    transports.get(&id).map_or(0, |transport| transport.address)
}

fn figures(id: BotId, bot: &Bot, traces: bool) -> impl Iterator<Item = LinkFigures> {
    let up = bot
        .up
        .as_ref()
        .map(|link| of_link(id, Direction::Up, link, traces));
    let down = bot
        .down
        .as_ref()
        .map(|link| of_link(id, Direction::Down, link, traces));
    up.into_iter().chain(down)
}

fn of_link<T: Clone>(
    bot: BotId,
    direction: Direction,
    link: &Link<T>,
    traces: bool,
) -> LinkFigures {
    let counters = link.counters();
    LinkFigures {
        bot,
        direction,
        bottleneck: link.bottleneck(),
        datagrams: counters.datagrams,
        queue_drops: counters.queue_drops,
        losses: counters.losses,
        bytes_delivered: counters.bytes_delivered,
        queue_wait: link.queue_wait().clone(),
        trace: traces.then(|| link.trace()).flatten(),
    }
}
