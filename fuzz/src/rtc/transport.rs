//! Two transports and a wire that an attacker holds.

use core::net::SocketAddr;
use std::collections::{HashMap, VecDeque};
use std::sync::OnceLock;

use rtc::dtls::{Certificate, Context, Role};
use rtc::ice::{Base, Credentials};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::srtp::{Profile, SealStream};
use rtc::transport::{
    IceRole, Received, RemoteParameters, Transport, TransportConfig, TransportEvent,
};
use wire::id::{PayloadType, Ssrc};
use wire::rtp::{self, NewHeader};
use wire::time::Time;

use crate::input::Input;

const ADDRESSES: [&str; 2] = ["198.51.100.2:40000", "192.0.2.1:7081"];
const OTHER_ADDRESS: &str = "203.0.113.9:666";
const MTU: usize = 1200;

fn identity() -> &'static Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let certificate = Certificate::generate_ecdsa().expect("a certificate");
        Context::new(&certificate).expect("a context")
    })
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A connection whose datagrams are lost, repeated, broken and moved to other addresses.
///
/// Media arrives once and unchanged, from the peer alone, and unauthenticated datagrams never end
/// it.
pub fn transport(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = Pair::new(&mut input);
    while !input.is_empty() {
        let to = input.below(2);
        match input.below(8) {
            0 | 1 => pair.deliver(to, &mut input),
            2 => pair.replay(to, &mut input),
            3 => pair.deliver_broken(to, &mut input),
            4 => pair.deliver_garbage(to, &mut input),
            5 => pair.send_media(1 - to, &mut input),
            6 => pair.send_rtcp(1 - to, &mut input),
            _ => pair.pass(input.span()),
        }
    }
    pair.assert_still_connected();
}

struct End {
    transport: Transport,
    path: PathId,
    out: Outbox,
    stream: Option<SealStream>,
    next_index: u64,
    was_connected: bool,
    /// Plain packets that this side received, and how often.
    received: HashMap<Vec<u8>, usize>,
}

struct Pair {
    now: Time,
    /// The client, then the server.
    ends: [End; 2],
    /// What waits to be delivered to each.
    queues: [VecDeque<Vec<u8>>; 2],
    /// What was ever sent to each.
    past: [Vec<Vec<u8>>; 2],
    /// Plain packets that were ever sent to each.
    plain: [Vec<Vec<u8>>; 2],
}

impl Pair {
    fn new(input: &mut Input<'_>) -> Self {
        let now = Time::from_secs(1000);
        let mut pair = Self {
            now,
            ends: [Role::Client, Role::Server].map(|role| End::new(now, role)),
            queues: Default::default(),
            past: Default::default(),
            plain: Default::default(),
        };
        for (nth, side) in [(0, "server"), (1, "client")] {
            let remote = description(side, ADDRESSES[1 - nth]);
            pair.ends[nth].transport.set_remote(now, remote);
            pair.drive(nth);
        }
        if input.flag() {
            pair.connect();
        }
        pair
    }

    /// Deliver everything in order until both sides are connected.
    fn connect(&mut self) {
        while self.ends.iter().any(|end| !end.was_connected) {
            let waiting = self.queues.iter().position(|queue| !queue.is_empty());
            let Some(to) = waiting else {
                panic!("nothing moves");
            };
            if let Some(datagram) = self.queues[to].pop_front() {
                self.receive(to, self.ends[to].path, datagram);
            }
        }
    }

    fn deliver(&mut self, to: usize, input: &mut Input<'_>) {
        let from = match input.below(8) {
            0 => elsewhere(to),
            1 => return drop(self.queues[to].pop_front()),
            _ => self.ends[to].path,
        };
        if let Some(datagram) = self.queues[to].pop_front() {
            self.receive(to, from, datagram);
        }
    }

    fn replay(&mut self, to: usize, input: &mut Input<'_>) {
        let from = match input.flag() {
            true => elsewhere(to),
            false => self.ends[to].path,
        };
        let back = input.below(64);
        if let Some(datagram) = self.past[to].iter().rev().nth(back).cloned() {
            self.receive(to, from, datagram);
        }
    }

    fn deliver_broken(&mut self, to: usize, input: &mut Input<'_>) {
        let back = input.below(64);
        let Some(mut datagram) = self.past[to].iter().rev().nth(back).cloned() else {
            return;
        };
        let at = usize::from(input.u16()) % datagram.len();
        datagram[at] ^= input.u8();
        if input.flag() {
            datagram.truncate(at);
        }
        self.receive(to, self.ends[to].path, datagram);
    }

    fn deliver_garbage(&mut self, to: usize, input: &mut Input<'_>) {
        let from = match input.flag() {
            true => elsewhere(to),
            false => self.ends[to].path,
        };
        self.receive(to, from, input.run().to_vec());
    }

    fn send_media(&mut self, from: usize, input: &mut Input<'_>) {
        let end = &mut self.ends[from];
        if end.stream.is_none() {
            end.stream = end.transport.seal_stream(Ssrc(from as u32 + 1)).ok();
        }
        let (Some(stream), Some(path)) = (end.stream.as_mut(), end.transport.send_path()) else {
            return;
        };
        end.next_index += u64::from(input.u8()) + 1;
        let header = NewHeader {
            marker: false,
            payload_type: PayloadType(96),
            sequence: end.next_index as u16,
            timestamp: 0,
            ssrc: stream.ssrc(),
            padding: false,
        };
        let payload = input.run();
        let mut packet = vec![0; rtp::FIXED_HEADER_LEN + payload.len() + 64];
        let header_len = rtp::write(&mut packet, &header, &[]);
        let len = header_len + payload.len();
        packet[header_len..len].copy_from_slice(payload);
        let plain = packet[..len].to_vec();
        let sealed = end
            .transport
            .seal_rtp(stream, end.next_index, &mut packet, header_len, len);
        if let Ok(sealed) = sealed {
            self.plain[1 - from].push(plain);
            end.out.push(path, &packet[..sealed]);
            self.collect(from);
        }
    }

    fn send_rtcp(&mut self, from: usize, input: &mut Input<'_>) {
        let mut compound = vec![0x80, 201, 0, 1, 0, 0, 0, from as u8 + 1];
        compound.extend(input.run());
        let end = &mut self.ends[from];
        if end.transport.send_rtcp(&compound, &mut end.out).is_ok() {
            self.collect(from);
        }
    }

    fn pass(&mut self, span: core::time::Duration) {
        let until = self.now + span;
        for nth in [0, 1] {
            self.drive(nth);
        }
        let mut rounds = 0;
        while let Some(due) = self.next_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            [0, 1].into_iter().for_each(|nth| self.drive(nth));
            rounds += 1;
            assert!(rounds < 5_000, "timers without end");
        }
        self.now = until;
    }

    fn next_timeout(&self) -> Option<Time> {
        let due = self.ends.iter().map(|end| end.transport.poll_timeout());
        due.flatten().min()
    }

    fn drive(&mut self, nth: usize) {
        let end = &mut self.ends[nth];
        end.transport.handle_timeout(self.now, &mut end.out);
        let next = end.transport.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a timeout repeats");
        self.collect(nth);
    }

    fn receive(&mut self, to: usize, from: PathId, mut datagram: Vec<u8>) {
        let end = &mut self.ends[to];
        let received = end
            .transport
            .receive(self.now, from, &mut datagram, &mut end.out);
        match received {
            Received::Nothing => {}
            Received::Rtp { len, .. } => {
                let plain = datagram[..len].to_vec();
                assert!(self.plain[to].contains(&plain), "not what was sent");
                let times = end.received.entry(plain).or_default();
                *times += 1;
                assert_eq!(*times, 1, "a replay");
            }
            Received::Rtcp { len } => assert!(len <= datagram.len()),
        }
        self.collect(to);
    }

    /// Collect the datagrams and events of one side.
    fn collect(&mut self, nth: usize) {
        let end = &mut self.ends[nth];
        for (_, datagram) in end.out.datagrams() {
            self.queues[1 - nth].push_back(datagram.to_vec());
            self.past[1 - nth].push(datagram.to_vec());
        }
        assert!(
            end.out.datagrams().count() < 128,
            "an answer out of proportion"
        );
        end.out.clear();
        while let Some(event) = end.transport.poll_event() {
            if matches!(event, TransportEvent::Connected { .. }) {
                assert!(!end.was_connected, "connected twice");
                end.was_connected = true;
            }
        }
    }

    /// Once both have keys nothing that comes without them can end it.
    fn assert_still_connected(&self) {
        let all_were = self.ends.iter().all(|end| end.was_connected);
        let all_are = self.ends.iter().all(|end| end.transport.is_connected());
        assert!(!all_were || all_are, "ended by an unauthenticated datagram");
    }
}

/// The path of a side to an address that is not its peer's.
fn elsewhere(side: usize) -> PathId {
    PathId::udp(0, address(ADDRESSES[side]).ip(), address(OTHER_ADDRESS))
}

fn credentials(side: &str) -> Credentials {
    Credentials {
        ufrag: format!("{side}-ufrag"),
        pwd: format!("{side} password, long enough"),
    }
}

fn description(side: &str, candidate: &str) -> RemoteParameters {
    RemoteParameters {
        credentials: credentials(side),
        fingerprints: vec![identity().fingerprint()],
        candidates: vec![address(candidate)],
    }
}

impl End {
    fn new(now: Time, role: Role) -> Self {
        let (nth, side) = match role {
            Role::Client => (0, "client"),
            Role::Server => (1, "server"),
        };
        let local = address(ADDRESSES[nth]).ip();
        let ice = match role {
            Role::Client => IceRole::Controlling {
                tie_breaker: 7,
                bases: vec![Base { socket: 0, local }],
            },
            Role::Server => IceRole::Lite,
        };
        let config = TransportConfig {
            ice,
            local: credentials(side),
            dtls: identity().clone(),
            dtls_role: role,
            profiles: Profile::ALL.to_vec(),
            mtu: MTU,
        };
        Self {
            transport: Transport::new(config, now).expect("a transport"),
            path: PathId::udp(0, local, address(ADDRESSES[1 - nth])),
            out: Outbox::new(),
            stream: None,
            next_index: 0,
            was_connected: false,
            received: HashMap::new(),
        }
    }
}
