//! Two associations with a hostile wire between them.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::OnceLock;

use rtc::dtls::{Certificate, Context, Dtls, DtlsEvent, Role};
use rtc::srtp::{KeyingMaterial, Profile};
use wire::time::Time;

use crate::input::Input;

const MTU: usize = 1200;
/// Longer than any handshake is let run.
const PATIENCE: Duration = Duration::from_secs(120);

fn identity() -> &'static Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let certificate = Certificate::generate_ecdsa().expect("a certificate");
        Context::new(&certificate).expect("a context")
    })
}

struct End {
    dtls: Dtls,
    sent: VecDeque<Vec<u8>>,
    keying: Option<KeyingMaterial>,
    over: bool,
}

/// A handshake whose datagrams are lost, duplicated, corrupted, reordered and mixed with forged
/// ones.
///
/// Whatever happens no timer runs for ever, and two ends that are connected have the same keys.
pub fn dtls(data: &[u8]) {
    let mut input = Input::new(data);
    let mut now = Time::from_secs(1000);
    let mut ends = [Role::Client, Role::Server].map(End::new);
    ends[0].handle_timeout(now);
    while !input.is_empty() {
        let (action, to) = (input.below(8), input.below(2));
        let from = 1 - to;
        match action {
            0 | 1 => {
                if let Some(datagram) = ends[from].sent.pop_front() {
                    ends[to].receive(now, &datagram);
                }
            }
            2 => drop(ends[from].sent.pop_front()),
            3 => {
                let nth = input.below(16);
                if let Some(datagram) = ends[from].sent.get(nth).cloned() {
                    ends[to].receive(now, &datagram);
                }
            }
            4 => {
                let broken = ends[from].sent.front().cloned();
                ends[to].receive(now, &broken_at(broken.unwrap_or_default(), &mut input));
            }
            5 => ends[to].receive(now, input.run()),
            6 => ends[to].receive(now, &any_handshake_record(&mut input)),
            _ => {
                now = now + input.span();
                ends.iter_mut().for_each(|end| end.handle_timeout(now));
            }
        }
    }
    assert_same_keys(&ends);
    settle(&mut ends, now);
}

fn assert_same_keys(ends: &[End; 2]) {
    if let [Some(client), Some(server)] = [&ends[0].keying, &ends[1].keying] {
        assert_eq!(client, server);
    }
}

/// With nothing delivered any more both ends come to rest.
fn settle(ends: &mut [End; 2], mut now: Time) {
    let end_of_patience = now + PATIENCE;
    loop {
        let due = ends.iter().filter_map(|end| end.dtls.poll_timeout()).min();
        let Some(due) = due else {
            return;
        };
        now = now.max(due);
        assert!(now < end_of_patience, "a handshake runs for ever");
        for end in &mut *ends {
            end.handle_timeout(now);
            let next = end.dtls.poll_timeout();
            assert!(next.is_none_or(|next| next > now), "a timeout repeats");
        }
    }
}

fn broken_at(mut datagram: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    let at = usize::from(input.u16());
    if let Some(len) = datagram.len().checked_sub(1) {
        datagram[at % (len + 1)] ^= input.u8().max(1);
    }
    datagram
}

/// A record in the clear with one fragment of a handshake message, any field of which may lie.
fn any_handshake_record(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, epoch) = (input.u8(), u16::from(input.below(3) as u8));
    let (message, sequence) = (input.u8(), u16::from(input.u8()));
    let (claimed_len, offset) = (u32::from(input.u16()), u32::from(input.u16()));
    let body = input.run();
    let [_, len @ ..] = (body.len() as u32).to_be_bytes();
    let [_, claimed @ ..] = claimed_len.to_be_bytes();
    let [_, offset @ ..] = offset.to_be_bytes();
    let mut record = vec![20 + kind % 5, 0xfe, 0xfd];
    record.extend(epoch.to_be_bytes());
    record.extend([0; 6]);
    record.extend(((12 + body.len()) as u16).to_be_bytes());
    record.push(message);
    record.extend(claimed);
    record.extend(sequence.to_be_bytes());
    record.extend(offset);
    record.extend(len);
    record.extend(body);
    record
}

impl End {
    fn new(role: Role) -> Self {
        let mut dtls = Dtls::new(identity(), role, &Profile::ALL, MTU).expect("an association");
        dtls.expect_fingerprint(vec![identity().fingerprint()]);
        Self {
            dtls,
            sent: VecDeque::new(),
            keying: None,
            over: false,
        }
    }

    fn receive(&mut self, now: Time, datagram: &[u8]) {
        self.dtls.handle_datagram(now, datagram);
        self.poll();
    }

    fn handle_timeout(&mut self, now: Time) {
        self.dtls.handle_timeout(now);
        self.poll();
    }

    fn poll(&mut self) {
        let (mut datagram, before) = (Vec::new(), self.sent.len());
        while self.dtls.poll_transmit(&mut datagram) {
            assert!(!datagram.is_empty() && datagram.len() <= MTU);
            self.sent.push_back(std::mem::take(&mut datagram));
        }
        assert!(self.sent.len() - before <= 32, "one datagram, one answer");
        while let Some(event) = self.dtls.poll_event() {
            assert!(!self.over, "nothing comes after the end");
            match event {
                DtlsEvent::Connected { keying } => {
                    assert!(self.keying.replace(keying).is_none(), "connected twice");
                }
                DtlsEvent::ApplicationData(_) => assert!(self.keying.is_some()),
                DtlsEvent::Failed(_) | DtlsEvent::Closed => self.over = true,
            }
        }
    }
}
