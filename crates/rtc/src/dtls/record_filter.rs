use super::role::Role;
use core::time::Duration;
use wire::time::Time;

const RECORD_HEADER_LEN: usize = 13;
const FRAGMENT_HEADER_LEN: usize = 12;
/// 16 bits of epoch, zero here, and 48 of record number.
const EPOCH_AND_NUMBER_AT: usize = 3;
const VERSION_MAJOR: u8 = 0xfe;
/// Longest handshake message accepted from an unauthenticated peer, bytes. The library allocates
/// the length that the first fragment claims; no certificate chain of a WebRTC peer comes near
/// this.
const MAX_MESSAGE_LEN: usize = 16_384;

/// An unprotected alert counts after this: a live peer responds to a retransmitted flight sooner.
const ALERT_DELAY: Duration = Duration::from_secs(1);

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

const CLIENT_HELLO: u8 = 1;
/// ClientHello, Certificate, CertificateVerify, ClientKeyExchange.
const FROM_CLIENT: [u8; 4] = [CLIENT_HELLO, 11, 15, 16];
/// ServerHello, HelloVerifyRequest, NewSessionTicket, Certificate, ServerKeyExchange,
/// CertificateRequest, ServerHelloDone, CertificateStatus.
const FROM_SERVER: [u8; 8] = [2, 3, 4, 11, 12, 13, 14, 22];

/// Offset and length of the random in a ClientHello: behind the version (RFC 5246 section 7.4.1.2).
const RANDOM_AT: usize = 2;
const RANDOM_LEN: usize = 32;

/// Drops unauthenticated records that would end the handshake.
///
/// Before keys are negotiated, records are not authenticated. RFC 6347 section 4.1.2.7 lets an
/// endpoint drop invalid records silently; the library, as most do, ends the session instead. So
/// this filter drops them: malformed records, unexpected types, alerts, application data. Sequence
/// numbers of unprotected records are replaced by a count: after one forged high number the library
/// would drop all later records as replays, and handshake messages have their own numbers.
#[derive(Default)]
pub(super) struct RecordFilter {
    hello: Option<[u8; RANDOM_LEN]>,
    client_continued: bool,
    alert: Option<Alert>,
    accepted_records: u64,
}

#[derive(Clone, Copy)]
struct Alert {
    description: u8,
    at: Time,
}

/// What a datagram means for the current handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FilterResult {
    /// Continue with the accepted records.
    Continue,
    /// ClientHello of another handshake: restart with the accepted records.
    NewClientHello,
}

impl RecordFilter {
    /// Append the acceptable records of `datagram` to `accepted`.
    pub(super) fn filter(
        &mut self,
        now: Time,
        role: Role,
        handshaking: bool,
        datagram: &[u8],
        accepted: &mut Vec<u8>,
    ) -> FilterResult {
        let mut verdict = FilterResult::Continue;
        for record in Records(datagram) {
            if record.epoch != 0 {
                accepted.extend_from_slice(record.bytes);
                continue;
            }
            if !handshaking {
                continue;
            }
            match record.kind {
                HANDSHAKE if is_allowed(role, record.body) => {
                    match self.classify(role, record.body) {
                        Some(FilterResult::Continue) => self.accept(&record, accepted),
                        Some(FilterResult::NewClientHello) => {
                            verdict = FilterResult::NewClientHello;
                            accepted.clear();
                            self.accept(&record, accepted);
                        }
                        None => {}
                    }
                }
                CHANGE_CIPHER_SPEC if record.body == [1] => self.accept(&record, accepted),
                ALERT => self.record_alert(now, record.body),
                _ => {}
            }
        }
        verdict
    }

    /// Return the unprotected alert of the peer, once no handshake message followed for a second.
    pub(super) fn alert(&self, now: Time) -> Option<u8> {
        let alert = self.alert?;
        (now.since(alert.at) >= ALERT_DELAY).then_some(alert.description)
    }

    fn accept(&mut self, record: &Record<'_>, accepted: &mut Vec<u8>) {
        let start = accepted.len();
        accepted.extend_from_slice(record.bytes);
        accepted[start + EPOCH_AND_NUMBER_AT..][..8]
            .copy_from_slice(&self.accepted_records.to_be_bytes());
        self.accepted_records += 1;
    }

    /// Decide by the ClientHello random which handshake the messages in `body` belong to; `None` to
    /// drop them. A client that continued the handshake is not disturbed by another ClientHello
    /// (CVE-2023-51275).
    fn classify(&mut self, role: Role, body: &[u8]) -> Option<FilterResult> {
        self.alert = None;
        if role == Role::Client {
            return Some(FilterResult::Continue);
        }
        let mut verdict = FilterResult::Continue;
        for fragment in Fragments(body).flatten() {
            if fragment.kind != CLIENT_HELLO {
                self.client_continued = true;
                continue;
            }
            let Some(random) = fragment.hello_random() else {
                continue;
            };
            if self.hello.is_some_and(|known| known != random) {
                if self.client_continued {
                    return None;
                }
                verdict = FilterResult::NewClientHello;
            }
            self.hello = Some(random);
        }
        Some(verdict)
    }

    fn record_alert(&mut self, now: Time, body: &[u8]) {
        const FATAL: u8 = 2;
        const CLOSE_NOTIFY: u8 = 0;
        if let &[level, description] = body
            && (level == FATAL || description == CLOSE_NOTIFY)
        {
            self.alert = Some(Alert {
                description,
                at: now,
            });
        }
    }
}

/// Return whether `role` may receive every fragment in `body` unprotected.
fn is_allowed(role: Role, body: &[u8]) -> bool {
    !body.is_empty()
        && Fragments(body).all(|fragment| match (fragment, role) {
            (None, _) => false,
            (Some(fragment), Role::Client) => FROM_SERVER.contains(&fragment.kind),
            // The library sends no HelloVerifyRequest, so only ClientHello has message_seq 0.
            (Some(fragment), Role::Server) => {
                FROM_CLIENT.contains(&fragment.kind)
                    && (fragment.kind == CLIENT_HELLO) == (fragment.sequence == 0)
            }
        })
}

/// A complete record (RFC 6347 section 4.1).
struct Record<'a> {
    kind: u8,
    epoch: u16,
    bytes: &'a [u8],
    body: &'a [u8],
}

/// The records of a datagram, up to the first broken one.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let &[kind, major, _, e0, e1, _, _, _, _, _, _, l0, l1] =
            self.0.first_chunk::<RECORD_HEADER_LEN>()?;
        let len = RECORD_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
        let (bytes, rest) = self.0.split_at_checked(len)?;
        if major != VERSION_MAJOR {
            return None;
        }
        self.0 = rest;
        Some(Record {
            kind,
            epoch: u16::from_be_bytes([e0, e1]),
            bytes,
            body: &bytes[RECORD_HEADER_LEN..],
        })
    }
}

/// A fragment of a handshake message (RFC 6347 section 4.2.2).
struct Fragment<'a> {
    kind: u8,
    sequence: u16,
    offset: usize,
    body: &'a [u8],
}

impl Fragment<'_> {
    fn hello_random(&self) -> Option<[u8; RANDOM_LEN]> {
        if self.offset != 0 {
            return None;
        }
        self.body.get(RANDOM_AT..)?.first_chunk().copied()
    }
}

/// The fragments of a record; `None` and the end at the first broken one.
struct Fragments<'a>(&'a [u8]);

impl<'a> Iterator for Fragments<'a> {
    type Item = Option<Fragment<'a>>;

    fn next(&mut self) -> Option<Option<Fragment<'a>>> {
        if self.0.is_empty() {
            return None;
        }
        let fragment = split_fragment(self.0);
        self.0 = fragment.as_ref().map_or(&[], |&(_, rest)| rest);
        Some(fragment.map(|(fragment, _)| fragment))
    }
}

fn split_fragment(bytes: &[u8]) -> Option<(Fragment<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<FRAGMENT_HEADER_LEN>()?;
    let &[kind, m0, m1, m2, s0, s1, o0, o1, o2, l0, l1, l2] = header;
    let (message_len, offset, len) = (u24(m0, m1, m2), u24(o0, o1, o2), u24(l0, l1, l2));
    if message_len > MAX_MESSAGE_LEN || offset + len > message_len {
        return None;
    }
    let (body, rest) = rest.split_at_checked(len)?;
    let fragment = Fragment {
        kind,
        sequence: u16::from_be_bytes([s0, s1]),
        offset,
        body,
    };
    Some((fragment, rest))
}

fn u24(high: u8, middle: u8, low: u8) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let header = [
            kind,
            0xfe,
            0xfd,
            0,
            epoch,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            body.len() as u8,
        ];
        [&header, body].concat()
    }

    fn hello(random: u8) -> Vec<u8> {
        let mut body = vec![CLIENT_HELLO, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 34, 0xfe, 0xfd];
        body.extend([random; RANDOM_LEN]);
        record(HANDSHAKE, 0, &body)
    }

    fn key_exchange() -> Vec<u8> {
        record(HANDSHAKE, 0, &[16, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 9])
    }

    fn numbered(mut record: Vec<u8>, number: u8) -> Vec<u8> {
        record[10] = number;
        record
    }

    #[test]
    fn unprotected_records_are_renumbered() {
        let mut filter = RecordFilter::default();
        let mut forged = hello(1);
        forged[5..11].copy_from_slice(&[0xff; 6]);
        assert_eq!(screen(&mut filter, &forged).1, hello(1));
        assert_eq!(screen(&mut filter, &hello(1)).1, numbered(hello(1), 1));
    }

    fn screen(filter: &mut RecordFilter, datagram: &[u8]) -> (FilterResult, Vec<u8>) {
        let mut accepted = Vec::new();
        let verdict = filter.filter(Time::ZERO, Role::Server, true, datagram, &mut accepted);
        (verdict, accepted)
    }

    #[test]
    fn alerts_data_and_unexpected_messages_are_dropped() {
        let mut filter = RecordFilter::default();
        let alert = record(ALERT, 0, &[2, 40]);
        let data = record(23, 0, b"data");
        let finished = record(HANDSHAKE, 0, &[20, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
        let mixed = [alert, data, finished, hello(1), key_exchange()].concat();
        let (verdict, accepted) = screen(&mut filter, &mixed);
        assert_eq!(verdict, FilterResult::Continue);
        assert_eq!(accepted, [hello(1), numbered(key_exchange(), 1)].concat());
    }

    #[test]
    fn an_alert_counts_until_the_next_handshake_message() {
        let mut filter = RecordFilter::default();
        screen(&mut filter, &record(ALERT, 0, &[2, 40]));
        assert_eq!(filter.alert(Time::from_millis(999)), None);
        assert_eq!(filter.alert(Time::from_secs(1)), Some(40));
        screen(&mut filter, &hello(1));
        assert_eq!(filter.alert(Time::from_secs(1)), None);
    }

    #[test]
    fn another_hello_restarts_until_the_client_continued() {
        let mut filter = RecordFilter::default();
        assert_eq!(screen(&mut filter, &hello(1)).0, FilterResult::Continue);
        assert_eq!(screen(&mut filter, &hello(1)).0, FilterResult::Continue);
        assert_eq!(
            screen(&mut filter, &hello(2)),
            (FilterResult::NewClientHello, numbered(hello(2), 2))
        );
        screen(&mut filter, &key_exchange());
        assert_eq!(
            screen(&mut filter, &hello(3)),
            (FilterResult::Continue, vec![])
        );
    }

    #[test]
    fn unprotected_records_are_dropped_after_the_handshake() {
        let mut accepted = Vec::new();
        let protected = record(23, 1, b"sealed");
        let datagram = [hello(1), protected.clone()].concat();
        RecordFilter::default().filter(Time::ZERO, Role::Server, false, &datagram, &mut accepted);
        assert_eq!(accepted, protected);
    }

    #[test]
    fn a_claim_of_a_huge_message_is_dropped() {
        let mut huge = hello(1);
        huge[RECORD_HEADER_LEN + 1] = 1;
        assert!(screen(&mut RecordFilter::default(), &huge).1.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_filtered(datagram in prop::collection::vec(any::<u8>(), 0..200), role: bool) {
            let role = if role { Role::Server } else { Role::Client };
            let mut accepted = Vec::new();
            RecordFilter::default().filter(Time::ZERO, role, true, &datagram, &mut accepted);
            prop_assert!(accepted.len() <= datagram.len());
        }
    }
}
