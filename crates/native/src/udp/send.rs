//! Sending the runs of an outbox, and the handling of send errors.

use super::linux::{self, Message};
use rtc::outbox::{Outbox, Run};
use rtc::path::PathId;
use rustc_hash::FxHashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use wire::time::Time;

/// How long GSO is off for a path with an MTU below the segment size.
const UNSEGMENTED_FOR: Duration = Duration::from_secs(600);

/// Where sending an outbox stopped; start with the default for each new content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendPosition {
    run: usize,
    /// Bytes of that run sent so far; not zero only for a run sent without GSO.
    offset: usize,
}

impl SendPosition {
    /// Return the index of the first run that is not sent completely; runs of other sockets may
    /// follow.
    #[must_use]
    pub fn run(&self) -> usize {
        self.run
    }
}

/// The result of a send call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The outbox has no more datagrams for this socket.
    Done,
    /// Some messages were sent or dropped; call again.
    More,
    /// The send buffer is full: keep the outbox and wait until the socket is writable.
    Blocked,
}

/// Send counters of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// System calls.
    pub calls: u64,
    /// Messages sent: with GSO a message is a run of datagrams.
    pub messages: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Calls refused at a full send buffer.
    pub blocked: u64,
    /// Times that a device refused GSO.
    pub gso_refused: u64,
    /// Times that a path's MTU was below the segment size.
    pub paths_unsegmented: u64,
    /// Datagrams dropped: no route to the host.
    pub unreachable: u64,
    /// Datagrams dropped: forbidden by a firewall or policy.
    pub forbidden: u64,
    /// Datagrams dropped: longer than the path MTU.
    pub too_long: u64,
    /// Datagrams dropped for another reason.
    pub failed: u64,
}

pub(super) struct Sender {
    arrays: linux::Sender,
    gso: bool,
    /// Paths without GSO, and until when; nearly always empty.
    unsegmented: FxHashMap<PathId, Time>,
    counters: SendCounters,
}

impl Sender {
    pub(super) fn new(gso: bool) -> Self {
        Self {
            arrays: linux::Sender::new(),
            gso,
            unsegmented: FxHashMap::default(),
            counters: SendCounters::default(),
        }
    }

    pub(super) fn gso(&self) -> bool {
        self.gso
    }

    pub(super) fn counters(&self) -> &SendCounters {
        &self.counters
    }

    pub(super) fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        bound: IpAddr,
        now: Time,
        outbox: &Outbox,
        socket: u8,
        position: &mut SendPosition,
    ) -> Sent {
        let mut pieces = Pieces {
            outbox,
            socket,
            gso: self.gso,
            unsegmented: &self.unsegmented,
            now,
            position: *position,
        };
        let Some(first) = pieces.clone().next() else {
            return Sent::Done;
        };
        self.counters.calls += 1;
        let messages = pieces.clone().map(|piece| piece.message(bound));
        match self.arrays.send(fd, messages) {
            Ok(count) => {
                self.counters.messages += count as u64;
                for piece in pieces.by_ref().take(count) {
                    self.counters.datagrams += piece.segments() as u64;
                    self.counters.bytes += piece.bytes.len() as u64;
                }
                *position = pieces.position;
                Sent::More
            }
            Err(error) => {
                pieces.next();
                let behind_it = pieces.position;
                let refused = (first.path, first.segments() as u64);
                self.on_error(now, refused, &error, behind_it, position)
            }
        }
    }

    /// Handle the error of the first message of a call: retry, wait or drop.
    fn on_error(
        &mut self,
        now: Time,
        (path, datagrams): (PathId, u64),
        error: &io::Error,
        behind_it: SendPosition,
        position: &mut SendPosition,
    ) -> Sent {
        let is_run = datagrams > 1;
        match error.raw_os_error().unwrap_or(0) {
            libc::EINTR => return Sent::More,
            libc::EAGAIN | libc::ENOBUFS => {
                self.counters.blocked += 1;
                return Sent::Blocked;
            }
            // The device cannot compute the checksums of the segments.
            libc::EIO if is_run => {
                self.gso = false;
                self.counters.gso_refused += 1;
                return Sent::More;
            }
            // The segments exceed the path MTU; single datagrams are fragmented.
            libc::EINVAL | libc::EMSGSIZE if is_run => {
                self.unsegmented.retain(|_, until| *until > now);
                self.unsegmented.insert(path, now + UNSEGMENTED_FOR);
                self.counters.paths_unsegmented += 1;
                return Sent::More;
            }
            libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL => {
                self.counters.unreachable += datagrams;
            }
            libc::EPERM | libc::EACCES => self.counters.forbidden += datagrams,
            libc::EMSGSIZE => self.counters.too_long += datagrams,
            _ => self.counters.failed += datagrams,
        }
        *position = behind_it;
        Sent::More
    }
}

/// One message: a run, or one datagram of a run.
struct Piece<'a> {
    path: PathId,
    bytes: &'a [u8],
    segment_len: usize,
}

impl<'a> Piece<'a> {
    fn segments(&self) -> usize {
        self.bytes.len().div_ceil(self.segment_len)
    }

    fn message(&self, bound: IpAddr) -> Message<'a> {
        let is_run = self.segments() > 1;
        Message {
            remote: self.path.remote,
            local: source(bound, self.path.local),
            bytes: self.bytes,
            segment_len: u16::try_from(self.segment_len).ok().filter(|_| is_run),
        }
    }
}

/// Return the source address for a wildcard socket, where it is known.
fn source(bound: IpAddr, local: IpAddr) -> Option<IpAddr> {
    (bound.is_unspecified() && !local.is_unspecified() && local.is_ipv4() == bound.is_ipv4())
        .then_some(local)
}

/// Iterator over the messages from a position on.
#[derive(Clone)]
struct Pieces<'a> {
    outbox: &'a Outbox,
    socket: u8,
    gso: bool,
    unsegmented: &'a FxHashMap<PathId, Time>,
    now: Time,
    position: SendPosition,
}

impl<'a> Pieces<'a> {
    fn segmented(&self, run: &Run) -> bool {
        let spared = || {
            self.unsegmented
                .get(&run.path)
                .is_some_and(|until| *until > self.now)
        };
        self.gso && (self.unsegmented.is_empty() || !spared())
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let run = loop {
            let run = self.outbox.runs().get(self.position.run)?;
            if run.path.socket == self.socket {
                break run;
            }
            self.position = SendPosition {
                run: self.position.run + 1,
                offset: 0,
            };
        };
        let rest = &self.outbox.bytes(run)[self.position.offset..];
        let len = if self.segmented(run) {
            rest.len()
        } else {
            run.segment_len.min(rest.len())
        };
        self.position.offset += len;
        if self.position.offset == run.len {
            self.position = SendPosition {
                run: self.position.run + 1,
                offset: 0,
            };
        }
        Some(Piece {
            path: run.path,
            bytes: &rest[..len],
            segment_len: run.segment_len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> PathId {
        PathId::udp(
            0,
            IpAddr::from([127, 0, 0, 1]),
            ([127, 0, 0, 1], port).into(),
        )
    }

    const ONE: u64 = 1;
    const RUN: u64 = 3;

    fn refuse(sender: &mut Sender, errno: i32, datagrams: u64) -> (Sent, bool) {
        let mut position = SendPosition::default();
        let behind_it = SendPosition { run: 1, offset: 0 };
        let error = io::Error::from_raw_os_error(errno);
        let now = Time::from_millis(1);
        let sent = sender.on_error(now, (path(9), datagrams), &error, behind_it, &mut position);
        (sent, position == behind_it)
    }

    fn pieces<'a>(sender: &'a Sender, outbox: &'a Outbox, now: Time) -> Vec<usize> {
        let pieces = Pieces {
            outbox,
            socket: 0,
            gso: sender.gso,
            unsegmented: &sender.unsegmented,
            now,
            position: SendPosition::default(),
        };
        pieces.map(|piece| piece.bytes.len()).collect()
    }

    fn two_runs() -> Outbox {
        let mut outbox = Outbox::new();
        for port in [9, 10] {
            for len in [100, 100, 60] {
                outbox.push(path(port), &vec![0; len]);
            }
        }
        outbox
    }

    #[test]
    fn a_device_without_checksum_offload_turns_gso_off_without_loss() {
        let mut sender = Sender::new(true);
        assert_eq!(refuse(&mut sender, libc::EIO, RUN), (Sent::More, false));
        assert!(!sender.gso());
        assert_eq!(sender.counters().gso_refused, 1);
        let singles = [100, 100, 60, 100, 100, 60];
        assert_eq!(pieces(&sender, &two_runs(), Time::from_millis(2)), singles);
    }

    #[test]
    fn a_refused_run_turns_gso_off_for_its_path_for_ten_minutes() {
        let mut sender = Sender::new(true);
        assert_eq!(
            refuse(&mut sender, libc::EMSGSIZE, RUN),
            (Sent::More, false)
        );
        assert_eq!(sender.counters().paths_unsegmented, 1);
        let outbox = two_runs();
        let soon = Time::from_millis(599_000);
        assert_eq!(pieces(&sender, &outbox, soon), [100, 100, 60, 260]);
        let later = Time::from_millis(601_000);
        assert_eq!(pieces(&sender, &outbox, later), [260, 260]);
    }

    #[test]
    fn a_full_send_buffer_keeps_the_message_and_other_errors_drop_and_count_it() {
        let mut sender = Sender::new(true);
        assert_eq!(
            refuse(&mut sender, libc::EAGAIN, RUN),
            (Sent::Blocked, false)
        );
        assert_eq!(
            refuse(&mut sender, libc::ENOBUFS, ONE),
            (Sent::Blocked, false)
        );
        for errno in [libc::ENETUNREACH, libc::EPERM, libc::EMSGSIZE, libc::EINVAL] {
            assert_eq!(refuse(&mut sender, errno, ONE), (Sent::More, true));
        }
        let counters = SendCounters {
            blocked: 2,
            unreachable: 1,
            forbidden: 1,
            too_long: 1,
            failed: 1,
            ..SendCounters::default()
        };
        assert_eq!(*sender.counters(), counters);
    }
}
