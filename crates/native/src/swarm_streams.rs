//! Connections of bots to TURN servers by TCP and TLS: non-blocking, with bounded buffers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, SslConnector, SslMethod, SslStream, SslVerifyMode};
use rtc::outbox::Outbox;
use rtc::turn::REASON_CLOSED;
use rtc::turn::stream::Deframer;
use rustc_hash::FxHashMap;
use socket2::{Domain, Protocol, Socket, Type};
use swarm::relay::{Relay, RelayProtocol};

use crate::udp::Interest;

/// Bytes of one read; a TLS record has at most 16 KiB.
const READ_LEN: usize = 32 * 1024;
/// Reads of one stream before the others are served.
const READS: usize = 8;

/// Complete messages that were received together.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    lens: Vec<usize>,
}

impl Inbox {
    /// Remove all messages.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.lens.clear();
    }

    /// Return the messages, to be decrypted in place.
    pub fn messages(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let mut rest = &mut self.bytes[..];
        self.lens.iter().map(move |len| {
            let (message, after) = std::mem::take(&mut rest).split_at_mut(*len);
            rest = after;
            message
        })
    }

    fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.lens.push(message.len());
    }
}

/// TLS settings by the file of trusted certificates: reading it takes milliseconds.
#[derive(Default)]
pub struct Connectors(FxHashMap<Option<String>, SslConnector>);

impl Connectors {
    fn of(&mut self, ca_file: &Option<String>) -> Result<&SslConnector, ErrorStack> {
        if !self.0.contains_key(ca_file) {
            let mut builder = SslConnector::builder(SslMethod::tls_client())?;
            match ca_file {
                Some(file) => builder.set_ca_file(file)?,
                None => builder.set_verify(SslVerifyMode::NONE),
            }
            self.0.insert(ca_file.clone(), builder.build());
        }
        Ok(&self.0[ca_file])
    }
}

enum Link {
    Tcp(TcpStream),
    Tls(Box<SslStream<TcpStream>>),
}

/// A connection to a TURN server.
pub struct Stream {
    link: Link,
    server: SocketAddr,
    /// TCP, and TLS where there is any, are connected.
    is_connected: bool,
    deframer: Deframer,
    unsent: Vec<u8>,
    watched: Interest,
}

impl Stream {
    /// Start to connect.
    ///
    /// # Errors
    /// Where the system refuses, or TLS settings are not usable.
    pub fn open(relay: &Relay, connectors: &mut Connectors) -> io::Result<Self> {
        let server = relay.server();
        let socket = Socket::new(
            Domain::for_address(server),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&server.into()) {
            Err(error) if !is_pending(&error) => return Err(error),
            _ => {}
        }
        let tcp = TcpStream::from(socket);
        let link = match relay.protocol {
            RelayProtocol::Tls => {
                let mut configuration = connectors.of(&relay.ca_file)?.configure()?;
                configuration.set_verify_hostname(relay.ca_file.is_some());
                let ssl = configuration.into_ssl(&relay.server_name)?;
                Link::Tls(Box::new(SslStream::new(ssl, tcp)?))
            }
            RelayProtocol::Tcp | RelayProtocol::Udp => Link::Tcp(tcp),
        };
        Ok(Self {
            link,
            server,
            is_connected: false,
            deframer: Deframer::default(),
            unsent: Vec::new(),
            watched: Interest::ReadableOrWritable,
        })
    }

    /// Return the address of the server.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Return the descriptor for the poller.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.link {
            Link::Tcp(tcp) => tcp.as_fd(),
            Link::Tls(tls) => tls.get_ref().as_fd(),
        }
    }

    /// Return the events to wait for from now on, where they are other ones than before.
    pub fn changed_interest(&mut self) -> Option<Interest> {
        let wanted = match self.is_connected && self.unsent.is_empty() {
            true => Interest::Readable,
            false => Interest::ReadableOrWritable,
        };
        let is_changed = std::mem::replace(&mut self.watched, wanted) != wanted;
        is_changed.then_some(wanted)
    }

    /// Send messages, or keep them until the connection accepts them; return how many did not fit.
    pub fn send(&mut self, outbox: &Outbox, max_unsent: usize) -> u64 {
        let mut dropped = 0;
        for (_, message) in outbox.datagrams() {
            match self.unsent.len() + message.len() <= max_unsent {
                true => self.unsent.extend_from_slice(message),
                false => dropped += 1,
            }
        }
        if self.is_connected {
            // The poller reports a broken connection, and reading it says why.
            let _ = self.flush();
        }
        dropped
    }

    /// Connect, send and receive as far as that does not block.
    ///
    /// # Errors
    /// Why the connection ended: a reason code, and a text behind a colon.
    pub fn serve(&mut self, inbox: &mut Inbox) -> Result<(), String> {
        if !self.is_connected {
            self.is_connected = self.connect()?;
        }
        if self.is_connected {
            self.flush()?;
            self.receive(inbox)?;
        }
        Ok(())
    }

    /// Send what is left, and end TLS.
    pub fn shut_down(&mut self) {
        if self.is_connected {
            let _ = self.flush();
            if let Link::Tls(tls) = &mut self.link {
                let _ = tls.shutdown();
            }
        }
    }

    fn connect(&mut self) -> Result<bool, String> {
        let tcp = match &self.link {
            Link::Tcp(tcp) => tcp,
            Link::Tls(tls) => tls.get_ref(),
        };
        if let Some(error) = tcp.take_error().map_err(failed)? {
            return Err(failed(error));
        }
        if tcp.peer_addr().is_err() {
            return Ok(false);
        }
        let Link::Tls(tls) = &mut self.link else {
            return Ok(true);
        };
        match tls.connect() {
            Ok(()) => Ok(true),
            Err(error) if is_waiting(error.code()) => Ok(false),
            Err(error) => {
                let verified = tls.ssl().verify_result();
                let text = match verified.as_raw() {
                    0 => error.to_string(),
                    _ => verified.error_string().to_owned(),
                };
                Err(format!("turn_tls_failed: {text}"))
            }
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            let rest = &self.unsent[sent..];
            let written = match &mut self.link {
                Link::Tcp(tcp) => tcp.write(rest),
                Link::Tls(tls) => tls.write(rest),
            };
            match written {
                Ok(0) => break,
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }

    fn receive(&mut self, inbox: &mut Inbox) -> Result<(), String> {
        let mut chunk = [0; READ_LEN];
        // TLS may hold decrypted bytes that the poller does not know of.
        let mut reads = 0;
        while reads < READS || self.has_pending() {
            reads += 1;
            let read = match &mut self.link {
                Link::Tcp(tcp) => tcp.read(&mut chunk),
                Link::Tls(tls) => tls.read(&mut chunk),
            };
            match read {
                Ok(0) => return Err(REASON_CLOSED.to_owned()),
                Ok(len) => self.split(&chunk[..len], inbox)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn has_pending(&self) -> bool {
        matches!(&self.link, Link::Tls(tls) if tls.ssl().pending() > 0)
    }

    fn split(&mut self, bytes: &[u8], inbox: &mut Inbox) -> Result<(), String> {
        self.deframer.push(bytes);
        loop {
            match self.deframer.next_message() {
                Ok(Some(message)) => inbox.push(message),
                Ok(None) => return Ok(()),
                Err(error) => return Err(format!("turn_malformed_stream: {error}")),
            }
        }
    }
}

fn is_pending(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}

fn is_waiting(code: ErrorCode) -> bool {
    code == ErrorCode::WANT_READ || code == ErrorCode::WANT_WRITE
}

/// Return the reason of a broken connection.
fn failed(error: io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "turn_connection_refused".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => REASON_CLOSED.to_owned(),
        _ => format!("turn_connection_failed: {error}"),
    }
}
