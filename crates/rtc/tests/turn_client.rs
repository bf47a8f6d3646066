//! A TURN client allocates, permits, binds channels and renews all of them, on virtual time.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use openssl::hash::{MessageDigest, hash};
use rtc::outbox::Outbox;
use rtc::turn::{Alternate, TurnClient, TurnConfig, TurnEvent, Unwrapped};
use wire::stun::{Builder, Class, IntegrityKey, Message, Method, turn};
use wire::time::Time;

const START: Time = Time::from_secs(50);
const REALM: &[u8] = b"lab";
const CHECK: &[u8] = &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3];
const MEDIA: &[u8] = &[0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9];

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn peer() -> SocketAddr {
    address("203.0.113.7:7081")
}

/// A TURN server that answers one request at a time, and the client.
struct World {
    client: TurnClient,
    now: Time,
    key: IntegrityKey,
    nonce: Vec<u8>,
    lifetime_s: u32,
    /// Error code for requests of a method with a valid credential.
    refuses: Option<(Method, u16)>,
    is_silent: bool,
    /// Seconds since the start and method of each request.
    requests: Vec<(u64, Method)>,
    /// Other messages that the client sent.
    sent: Vec<Vec<u8>>,
}

impl World {
    fn new(is_stream: bool) -> Self {
        let config = TurnConfig {
            server: address("192.0.2.1:3478"),
            is_stream,
            is_ipv6: false,
            username: "u".into(),
            password: "p".into(),
        };
        Self {
            client: TurnClient::new(config),
            now: START,
            key: IntegrityKey::new(&hash(MessageDigest::md5(), b"u:lab:p").unwrap()),
            nonce: b"first".to_vec(),
            lifetime_s: 600,
            refuses: None,
            is_silent: false,
            requests: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn started(is_stream: bool) -> Self {
        let mut world = Self::new(is_stream);
        world.start();
        world
    }

    fn start(&mut self) {
        let mut out = Outbox::new();
        self.client.start(self.now, &mut out);
        self.client.permit(self.now, peer().ip(), &mut out);
        self.deliver(out);
    }

    /// Let the server answer, until the client sends no more.
    fn deliver(&mut self, out: Outbox) {
        let mut waiting: Vec<Vec<u8>> = out.datagrams().map(|(_, it)| it.to_vec()).collect();
        while let Some(datagram) = waiting.pop() {
            let request = Message::parse(&datagram);
            let Some(request) = request.ok().filter(|it| it.class == Class::Request) else {
                self.sent.push(datagram);
                continue;
            };
            let at = self.now.since(START).as_secs();
            self.requests.push((at, request.method));
            if self.is_silent {
                continue;
            }
            let answer = self.answer(&request);
            let mut out = Outbox::new();
            self.client.receive(self.now, &answer, &mut out);
            waiting.extend(out.datagrams().map(|(_, it)| it.to_vec()));
        }
    }

    fn answer(&self, request: &Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut error = |code| {
            let transaction = request.transaction;
            let answer = Builder::new(&mut out, Class::Error, request.method, transaction);
            let answer = answer.error_code(code, "").realm(REALM);
            answer.nonce(&self.nonce).fingerprint();
        };
        let refused = self.refuses.filter(|(method, _)| *method == request.method);
        // Without MESSAGE-INTEGRITY the check fails too.
        if !request.check_integrity(&self.key) {
            error(401);
        } else if request.nonce() != Some(&self.nonce[..]) {
            error(438);
        } else if let Some((_, code)) = refused {
            error(code);
        } else {
            let answer = Builder::new(
                &mut out,
                Class::Success,
                request.method,
                request.transaction,
            );
            let relayed = address("192.0.2.1:50000");
            let answer = answer.xor_relayed_address(relayed);
            let answer = answer.lifetime_s(self.lifetime_s);
            answer.integrity(&self.key).fingerprint();
        }
        out
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while self.client.poll_timeout() <= end {
            self.now = self.now.max(self.client.poll_timeout());
            let mut out = Outbox::new();
            self.client.handle_timeout(self.now, &mut out);
            self.deliver(out);
            assert!(self.client.poll_timeout() > self.now, "it repeats");
        }
        self.now = end;
    }

    fn send(&mut self, payload: &[u8]) -> Vec<Vec<u8>> {
        self.sent.clear();
        let mut out = Outbox::new();
        self.client.send(self.now, peer(), payload, &mut out);
        self.deliver(out);
        std::mem::take(&mut self.sent)
    }

    fn events(&mut self) -> Vec<TurnEvent> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    /// When requests of a method were sent, seconds since the start.
    fn times(&self, method: Method) -> Vec<u64> {
        let of = self.requests.iter().filter(|(_, sent)| *sent == method);
        of.map(|(at, _)| *at).collect()
    }

    fn receive(&mut self, message: &[u8]) -> Unwrapped {
        self.client.receive(self.now, message, &mut Outbox::new())
    }
}

#[test]
fn it_allocates_with_the_realm_and_nonce_of_the_server_and_asks_for_a_permission() {
    let mut world = World::started(false);
    let allocated = TurnEvent::Allocated(address("192.0.2.1:50000"));
    assert_eq!(world.events(), [allocated, TurnEvent::Ready]);
    let methods: Vec<Method> = world.requests.iter().map(|(_, method)| *method).collect();
    assert_eq!(
        methods,
        [turn::ALLOCATE, turn::ALLOCATE, turn::CREATE_PERMISSION]
    );
}

#[test]
fn checks_are_send_indications_and_media_binds_a_channel() {
    let mut world = World::started(false);
    let [ref indication] = world.send(CHECK)[..] else {
        panic!("one indication");
    };
    let indication = Message::parse(indication).unwrap();
    assert_eq!(
        (indication.class, indication.method),
        (Class::Indication, turn::SEND)
    );
    assert_eq!(indication.xor_peer_address(), Some(peer()));
    assert!(world.times(turn::CHANNEL_BIND).is_empty());
    assert_eq!(
        Message::parse(&world.send(MEDIA)[0]).unwrap().method,
        turn::SEND
    );
    assert_eq!(world.times(turn::CHANNEL_BIND), [0]);
    let channel = &world.send(MEDIA)[0];
    assert_eq!(channel[..4], [0x40, 0, 0, 13]);
    assert_eq!(channel[4..], *MEDIA);
    assert_eq!(world.send(CHECK)[0][..4], [0x40, 0, 0, 11]);
}

#[test]
fn on_a_stream_channel_data_is_padded_and_requests_are_not_repeated() {
    let mut world = World::started(true);
    world.send(MEDIA);
    let channel = &world.send(MEDIA)[0];
    assert_eq!((channel.len(), &channel[17..]), (20, &[0; 3][..]));
    let mut silent = World::new(true);
    silent.is_silent = true;
    silent.start();
    silent.wait(Duration::from_secs(8));
    assert_eq!(silent.times(turn::ALLOCATE), [0]);
    assert_eq!(silent.events(), [TurnEvent::Failed("turn_timeout")]);
}

#[test]
fn received_indications_and_channels_are_unwrapped_where_they_are_permitted() {
    let mut world = World::started(false);
    let mut indication = Vec::new();
    let wrap = |out: &mut Vec<u8>, from: SocketAddr| {
        let id = wire::stun::TransactionId([7; 12]);
        let message = Builder::new(out, Class::Indication, turn::DATA, id);
        message.xor_peer_address(from).data(MEDIA).fingerprint();
    };
    wrap(&mut indication, peer());
    let Unwrapped::Datagram(from, range) = world.receive(&indication) else {
        panic!("a datagram");
    };
    assert_eq!((from, &indication[range]), (peer(), MEDIA));
    wrap(&mut indication, address("203.0.113.8:7081"));
    assert_eq!(
        world.receive(&indication),
        Unwrapped::Nothing,
        "no permission"
    );
    let channel = [&[0x40, 0, 0, 13][..], MEDIA].concat();
    assert_eq!(world.receive(&channel), Unwrapped::Nothing, "not requested");
    world.send(MEDIA);
    assert_eq!(world.receive(&channel), Unwrapped::Datagram(peer(), 4..17));
    assert_eq!(
        world.receive(&channel[..16]),
        Unwrapped::Nothing,
        "too short"
    );
}

#[test]
fn allocation_permission_and_channel_are_renewed_in_time() {
    let mut world = World::started(false);
    world.send(MEDIA);
    world.wait(Duration::from_secs(1_100));
    assert_eq!(world.times(turn::REFRESH), [540, 1_080]);
    // A bound channel renews the permission too (RFC 8656 section 12).
    assert_eq!(
        world.times(turn::CREATE_PERMISSION),
        [0, 240, 480, 780, 1_020]
    );
    assert_eq!(world.times(turn::CHANNEL_BIND), [0, 540, 1_080]);
    assert_eq!(world.events().len(), 2, "nothing but the start");
}

#[test]
fn a_stale_nonce_is_replaced_and_the_request_repeated() {
    let mut world = World::started(false);
    world.nonce = b"second".to_vec();
    world.wait(Duration::from_secs(300));
    assert_eq!(world.times(turn::CREATE_PERMISSION), [0, 240, 240]);
    assert_eq!(world.events().len(), 2);
}

#[test]
fn a_server_whose_nonces_are_all_stale_is_given_up() {
    let mut world = World::new(false);
    world.refuses = Some((turn::ALLOCATE, 438));
    world.start();
    assert_eq!(world.times(turn::ALLOCATE).len(), 5);
    assert_eq!(world.events(), [TurnEvent::Failed("turn_stale_nonce")]);
}

#[test]
fn failures_have_the_reason_of_their_code() {
    for (code, reason) in [
        (403, "turn_forbidden"),
        (442, "turn_unsupported_transport"),
        (486, "turn_allocation_quota_reached"),
        (508, "turn_insufficient_capacity"),
        (599, "turn_error"),
    ] {
        let mut world = World::new(false);
        world.refuses = Some((turn::ALLOCATE, code));
        world.start();
        assert_eq!(world.events(), [TurnEvent::Failed(reason)]);
        assert_eq!(world.client.poll_timeout(), Time::FAR);
    }
    let mut world = World::new(false);
    world.key = IntegrityKey::new(b"another");
    world.start();
    assert_eq!(world.events(), [TurnEvent::Failed("turn_unauthorized")]);
}

#[test]
fn without_any_permission_it_fails_and_with_one_it_does_not() {
    let mut world = World::new(false);
    world.refuses = Some((turn::CREATE_PERMISSION, 403));
    world.start();
    let failed = TurnEvent::Failed("turn_forbidden");
    assert_eq!(world.events().last(), Some(&failed));
    let mut world = World::started(false);
    world.refuses = Some((turn::CREATE_PERMISSION, 403));
    let mut out = Outbox::new();
    let other: IpAddr = "10.0.0.1".parse().unwrap();
    world.client.permit(world.now, other, &mut out);
    world.deliver(out);
    assert_eq!(world.events().len(), 2);
    assert_eq!(world.send(CHECK).len(), 1);
}

#[test]
fn a_refused_channel_leaves_send_indications() {
    let mut world = World::started(false);
    world.refuses = Some((turn::CHANNEL_BIND, 400));
    for _ in 0..3 {
        let sent = world.send(MEDIA);
        assert_eq!(Message::parse(&sent[0]).unwrap().method, turn::SEND);
    }
    assert_eq!(world.times(turn::CHANNEL_BIND), [0]);
}

#[test]
fn a_silent_server_is_asked_four_times() {
    let mut world = World::new(false);
    world.is_silent = true;
    world.start();
    world.wait(Duration::from_secs(8));
    assert_eq!(world.times(turn::ALLOCATE), [0, 0, 1, 3]);
    assert_eq!(world.events(), [TurnEvent::Failed("turn_timeout")]);
}

#[test]
fn an_unsigned_or_forged_response_has_no_effect() {
    let mut world = World::started(false);
    world.is_silent = true;
    let key = std::mem::replace(&mut world.key, IntegrityKey::new(b"forged"));
    world.wait(Duration::from_secs(241));
    let mut out = Outbox::new();
    world
        .client
        .permit(world.now, "203.0.113.9".parse().unwrap(), &mut out);
    let (_, datagram) = out.datagrams().next().unwrap();
    let request = Message::parse(datagram).unwrap();
    let mut forged = Vec::new();
    let answer = Builder::new(
        &mut forged,
        Class::Success,
        request.method,
        request.transaction,
    );
    answer.integrity(&world.key).fingerprint();
    world.receive(&forged);
    let mut out = Outbox::new();
    let other = address("203.0.113.9:5");
    world.client.send(world.now, other, CHECK, &mut out);
    assert!(out.is_empty(), "no permission yet");
    let answer = Builder::new(
        &mut forged,
        Class::Success,
        request.method,
        request.transaction,
    );
    answer.integrity(&key).fingerprint();
    world.receive(&forged);
    world.client.send(world.now, other, CHECK, &mut out);
    assert!(!out.is_empty());
}

#[test]
fn a_new_address_gets_a_new_allocation_and_the_end_deletes_it() {
    let mut world = World::started(false);
    world.send(MEDIA);
    world.events();
    world.start();
    assert_eq!(world.events().len(), 2);
    assert_eq!(world.send(CHECK)[0][..2], [0, 0x16], "the channel is gone");
    let mut out = Outbox::new();
    world.client.close(&mut out);
    let (_, datagram) = out.datagrams().next().unwrap();
    let refresh = Message::parse(datagram).unwrap();
    assert_eq!(
        (refresh.method, refresh.lifetime_s()),
        (turn::REFRESH, Some(0))
    );
    assert!(refresh.check_integrity(&world.key));
    assert!(world.send(MEDIA).is_empty());
    assert_eq!(world.client.poll_timeout(), Time::FAR);
}

#[test]
fn a_lifetime_of_zero_is_not_refreshed_without_end() {
    let mut world = World::new(false);
    world.lifetime_s = 0;
    world.start();
    world.wait(Duration::from_secs(10));
    assert_eq!(world.times(turn::REFRESH).len(), 10);
}

#[test]
fn another_server_that_the_server_names_gets_the_request_with_its_own_nonce() {
    let mut world = World::new(false);
    let mut out = Outbox::new();
    world.client.start(world.now, &mut out);
    let mut answer = Vec::new();
    let (_, request) = out.datagrams().next().unwrap();
    let request = Message::parse(request).unwrap();
    let named = address("192.0.2.9:3479");
    Builder::new(
        &mut answer,
        Class::Error,
        turn::ALLOCATE,
        request.transaction,
    )
    .error_code(300, "Try Alternate")
    .alternate_server(named)
    .alternate_domain("b.example.org")
    .fingerprint();
    let mut out = Outbox::new();
    world.client.receive(world.now, &answer, &mut out);
    assert!(out.is_empty(), "the caller decides");
    let alternate = Alternate {
        server: named,
        domain: Some("b.example.org".into()),
    };
    assert_eq!(world.events(), [TurnEvent::TryAlternate(alternate)]);
    assert_eq!(world.client.poll_timeout(), Time::FAR);
    world.client.redirect(world.now, named, &mut out);
    let paths: Vec<SocketAddr> = out.datagrams().map(|(path, _)| path.remote).collect();
    assert_eq!(paths, [named]);
    world.client.permit(world.now, peer().ip(), &mut out);
    world.deliver(out);
    let allocated = TurnEvent::Allocated(address("192.0.2.1:50000"));
    assert_eq!(world.events(), [allocated, TurnEvent::Ready]);
}

#[test]
fn an_error_300_without_an_address_is_a_failure() {
    let mut world = World::new(false);
    world.refuses = Some((turn::ALLOCATE, 300));
    world.start();
    assert_eq!(world.events(), [TurnEvent::Failed("turn_try_alternate")]);
}
