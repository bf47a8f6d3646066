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
                let bytes = bytes.to_vec();
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
            let (len, bytes) = (bytes.len(), bytes.to_vec());
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
        let mut sender = None;
        while let Some(uplink) = self.next_uplink(now, bot) {
            if address(&self.transports, uplink.transport) != uplink.address {
                continue;
            }
            if let Some(other) = sender.filter(|other| *other != uplink.transport) {
                host.send(other, &self.shared.outbox);
                self.shared.outbox.clear();
            }
            sender = Some(uplink.transport);
            self.shared.outbox.push(uplink.path, &uplink.bytes);
        }
        if let Some(transport) = sender {
            host.send(transport, &self.shared.outbox);
            self.shared.outbox.clear();
        }
    }

    /// Receive what has left the downlink, the datagrams of a transport together.
    fn receive_arrived(&mut self, now: Time, bot: BotId, host: &mut impl Host) {
        let mut receiver = None;
        while let Some((arrival, mut downlink)) = self.next_downlink(now, bot) {
            let transport = downlink.transport;
            if let Some(other) = receiver.filter(|other| *other != transport) {
                self.flush_and_rearm(now, other, host);
            }
            receiver = Some(transport);
            if let Some(bot_transport) = self.transports.get_mut(&transport)
                && bot_transport.address == downlink.address
            {
                // As of the kernel's time stamps: the lag of the timer adds to no measurement.
                let arrived = bot_transport.last_time.max(arrival);
                bot_transport.last_time = arrived;
                let bytes = &mut downlink.bytes[..];
                bot_transport.receive(arrived, downlink.remote, bytes, &mut self.shared);
            }
        }
        if let Some(transport) = receiver {
            self.flush_and_rearm(now, transport, host);
        }
    }

    /// Return the figures of all links.
    pub(crate) fn link_figures(&self) -> Vec<LinkFigures> {
        let mut links: Vec<LinkFigures> = self.bots.iter().flat_map(figures).collect();
        links.sort_by_key(|link| (link.bot, link.direction));
        links
    }

    fn next_uplink(&mut self, now: Time, bot: BotId) -> Option<UplinkDatagram> {
        self.bots.get_mut(&bot)?.up.as_mut()?.pop(now)
    }

    fn next_downlink(&mut self, now: Time, bot: BotId) -> Option<(Time, DownlinkDatagram)> {
        let down = self.bots.get_mut(&bot)?.down.as_mut()?;
        Some((down.poll_timeout()?, down.pop(now)?))
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

fn figures((id, bot): (&BotId, &Bot)) -> impl Iterator<Item = LinkFigures> {
    let up = bot
        .up
        .as_ref()
        .map(|link| of_link(*id, Direction::Up, link));
    let down = bot
        .down
        .as_ref()
        .map(|link| of_link(*id, Direction::Down, link));
    up.into_iter().chain(down)
}

fn of_link<T: Clone>(bot: BotId, direction: Direction, link: &Link<T>) -> LinkFigures {
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
    }
}
