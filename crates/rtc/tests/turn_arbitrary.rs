//! Bytes of a TURN server never panic, and what they make the client keep is bounded.

use std::time::Duration;

use proptest::prelude::*;
use rtc::outbox::Outbox;
use rtc::turn::stream::Deframer;
use rtc::turn::{TurnClient, TurnConfig, Unwrapped};
use wire::stun::{Builder, Class, Message, Method, TransactionId, turn};
use wire::time::Time;

const START: Time = Time::from_secs(50);

fn client(out: &mut Outbox) -> TurnClient {
    let mut client = TurnClient::new(TurnConfig {
        server: "192.0.2.1:3478".parse().unwrap(),
        is_stream: false,
        is_ipv6: false,
        username: "u".into(),
        password: "p".into(),
    });
    client.start(START, out);
    client.permit(START, "203.0.113.7".parse().unwrap(), out);
    client
}

/// STUN messages and ChannelData, some of them well formed.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..40);
    let attribute = (0_u16..0x30, body.clone());
    let attributes = prop::collection::vec(attribute, 0..6);
    let stun = (0_u8..4, 0_u16..12, attributes).prop_map(|(class, method, attributes)| {
        let class = [
            Class::Request,
            Class::Indication,
            Class::Success,
            Class::Error,
        ][usize::from(class)];
        let mut out = Vec::new();
        let id = TransactionId([7; 12]);
        let message = Builder::new(&mut out, class, Method(method), id);
        attributes
            .iter()
            .fold(message, |message, (kind, value)| {
                message.attribute(*kind, value)
            })
            .fingerprint();
        out
    });
    let channel =
        (0x3ff0_u16..0x5010, any::<u16>(), body.clone()).prop_map(|(number, len, body)| {
            let len = if len % 3 == 0 { body.len() as u16 } else { len };
            [&turn::channel_header(number, len)[..], &body].concat()
        });
    prop_oneof![stun, channel, body]
}

proptest! {
    /// Responses to the client's own transactions included.
    #[test]
    fn arbitrary_messages_are_survived(given in prop::collection::vec((messages(), any::<bool>(), 0_u64..400), 0..60)) {
        let mut out = Outbox::new();
        let mut client = client(&mut out);
        let mut now = START;
        for (mut message, is_answer, seconds) in given {
            if is_answer && message.len() >= 20 {
                let last = out.datagrams().last().map(|(_, sent)| sent.to_vec());
                if let Some(sent) = last.filter(|sent| Message::parse(sent).is_ok()) {
                    message[8..20].copy_from_slice(&sent[8..20]);
                }
            }
            out.clear();
            let before = message.len();
            if let Unwrapped::Datagram(_, range) = client.receive(now, &message, &mut out) {
                prop_assert!(range.end <= before);
            }
            client.send(now, "203.0.113.7:9".parse().unwrap(), &[0x80; 20], &mut out);
            prop_assert!(out.datagrams().count() <= 20, "one message, few requests");
            now = now + Duration::from_secs(seconds);
            client.handle_timeout(now, &mut out);
            prop_assert!(client.poll_timeout() > now);
            prop_assert!(std::iter::from_fn(|| client.poll_event()).count() <= 3);
        }
    }

    /// However a stream is cut, its messages are the same.
    #[test]
    fn a_stream_is_split_into_the_messages_that_were_sent(
        lens in prop::collection::vec((any::<bool>(), 0_usize..300), 1..20),
        cuts in prop::collection::vec(1_usize..90, 1..40),
    ) {
        let mut stream = Vec::new();
        let mut sent: Vec<Vec<u8>> = Vec::new();
        for (is_channel, len) in lens {
            let message = match is_channel {
                true => [&turn::channel_header(0x4001, len as u16)[..], &vec![7; len]].concat(),
                false => {
                    let mut out = Vec::new();
                    let id = TransactionId([7; 12]);
                    let message = Builder::new(&mut out, Class::Indication, turn::DATA, id);
                    message.data(&vec![9; len]).fingerprint();
                    out
                }
            };
            stream.extend_from_slice(&message);
            stream.resize(stream.len().next_multiple_of(4), 0);
            sent.push(message);
        }
        let mut deframer = Deframer::default();
        let mut received = Vec::new();
        let (mut rest, mut cuts) = (&stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            deframer.push(now);
            while let Some(message) = deframer.next_message().unwrap() {
                received.push(message.to_vec());
            }
            rest = later;
        }
        prop_assert_eq!(received, sent);
    }

    /// An arbitrary stream ends in an error or in at most one incomplete message.
    #[test]
    fn an_arbitrary_stream_is_survived(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 0..20)) {
        let mut deframer = Deframer::default();
        for chunk in &chunks {
            deframer.push(chunk);
            let mut taken = 0;
            while let Ok(Some(message)) = deframer.next_message() {
                prop_assert!(message.len() <= 65_555);
                taken += 1;
            }
            prop_assert!(taken <= 40_000);
        }
    }
}

#[test]
fn a_stream_of_something_else_is_refused_and_stays_so() {
    for first in [&b"SSH-2.0-server\r\n"[..], &[0x80, 0, 0, 0], &[0, 1, 0, 3]] {
        let mut deframer = Deframer::default();
        deframer.push(first);
        assert!(deframer.next_message().is_err());
        assert!(deframer.next_message().is_err());
    }
}
