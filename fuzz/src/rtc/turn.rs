//! A TURN client with forged and well-formed messages of its server, in datagrams and in a stream.

use core::net::{IpAddr, SocketAddr};

use rtc::outbox::Outbox;
use rtc::turn::stream::Deframer;
use rtc::turn::{TurnClient, TurnConfig, TurnEvent, Unwrapped};
use wire::stun::{Builder, Class, IntegrityKey, Message, Method, TransactionId, turn as protocol};
use wire::time::Time;

use crate::input::Input;

/// MD5 of "u:lab:p".
const KEY: [u8; 16] = [
    0x2e, 0x15, 0x0f, 0x8e, 0x43, 0x2a, 0x0e, 0x1a, 0x41, 0x16, 0xe5, 0x38, 0x7f, 0x96, 0xd7, 0x08,
];
const METHODS: [Method; 6] = [
    protocol::ALLOCATE,
    protocol::REFRESH,
    protocol::DATA,
    protocol::CREATE_PERMISSION,
    protocol::CHANNEL_BIND,
    Method(1),
];
const CLASSES: [Class; 4] = [
    Class::Request,
    Class::Indication,
    Class::Success,
    Class::Error,
];
const CODES: [u16; 6] = [300, 401, 403, 437, 438, 486];

fn peer(number: u8) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, number], 5000))
}

/// Build a message of the server; the script selects its contents.
fn message(input: &mut Input<'_>, pending: TransactionId) -> Vec<u8> {
    let (class, method) = (input.pick(&CLASSES), input.pick(&METHODS));
    let id = match input.flag() {
        true => pending,
        false => TransactionId([input.u8(); 12]),
    };
    let flags = input.u8();
    let has = |bit: u8| flags & (1 << bit) != 0;
    let mut out = Vec::new();
    let mut message = Builder::new(&mut out, class, method, id);
    if has(0) {
        message = message.realm(b"lab").nonce(input.run());
    }
    if has(1) {
        message = message.error_code(input.pick(&CODES), "");
    }
    if has(1) && has(7) {
        message = message.alternate_server(peer(input.u8()));
    }
    if has(2) {
        message = message.xor_relayed_address(peer(input.u8()));
    }
    if has(3) {
        message = message.lifetime_s(input.u16().into());
    }
    if has(4) {
        message = message.xor_peer_address(peer(input.u8() % 20));
    }
    if has(5) {
        message = message.data(input.run());
    }
    if has(6) {
        message = message.integrity(&IntegrityKey::new(&KEY));
    }
    message.fingerprint();
    out
}

/// Drive a client by a script.
pub fn turn(data: &[u8]) {
    let mut input = Input::new(data);
    let is_stream = input.flag();
    let mut client = TurnClient::new(TurnConfig {
        server: SocketAddr::from(([192, 0, 2, 1], 3478)),
        is_stream,
        is_ipv6: input.flag(),
        username: "u".into(),
        password: "p".into(),
    });
    let (mut now, mut pending) = (Time::from_secs(50), TransactionId::default());
    let (mut stream, mut is_broken) = (Deframer::default(), false);
    while !input.is_empty() {
        let mut out = Outbox::new();
        let mut received: Vec<Vec<u8>> = Vec::new();
        match input.below(8) {
            0 => client.start(now, &mut out),
            1 => client.permit(now, IpAddr::from([203, 0, 113, input.u8() % 20]), &mut out),
            2 => client.send(now, peer(input.u8() % 20), input.run(), &mut out),
            3 => received.push(input.run().to_vec()),
            4 | 5 => received.push(message(&mut input, pending)),
            6 => {
                let number = 0x3ff8 + u16::from(input.u8() % 32);
                let payload = input.run();
                let header = protocol::channel_header(number, input.u8().into());
                received.push([&header[..], payload].concat());
            }
            _ => {
                now = now + input.span() * 8;
                client.handle_timeout(now, &mut out);
                assert!(client.poll_timeout() > now, "it repeats");
            }
        }
        for bytes in received {
            stream.push(&bytes);
            while let Ok(Some(message)) = stream.next_message() {
                assert!(!is_broken && message.len() <= 65_555);
            }
            is_broken |= stream.next_message().is_err();
            if let Unwrapped::Datagram(from, range) = client.receive(now, &bytes, &mut out) {
                assert!(range.end <= bytes.len() && from.port() == 5000);
            }
        }
        let sent: Vec<&[u8]> = out.datagrams().map(|(_, bytes)| bytes).collect();
        // A request for each of 16 permissions and 16 channels, and a refresh.
        assert!(sent.len() <= 40, "{} messages at once", sent.len());
        let request = sent
            .iter()
            .rev()
            .find_map(|bytes| Message::parse(bytes).ok());
        pending = request.map_or(pending, |request| request.transaction);
        while let Some(event) = client.poll_event() {
            if let TurnEvent::TryAlternate(alternate) = event {
                client.redirect(now, alternate.server, &mut Outbox::new());
            }
        }
    }
}
