//! Batched UDP on loopback: runs, source addresses, errors of single messages, paths of small MTU.

use _native::udp::{Interest, Poller, RecvArena, SendPosition, Sent, SocketOptions, UdpSocket};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;
use wire::time::Time;

const OPTIONS: SocketOptions = SocketOptions {
    recv_buffer_bytes: 1 << 20,
    send_buffer_bytes: 1 << 20,
    gso: true,
    gro: true,
    arrival_times: true,
    local_addresses: true,
};
const NOW: Time = Time::from_millis(1);

fn bind(address: &str) -> UdpSocket {
    UdpSocket::bind(address.parse().unwrap(), &OPTIONS).unwrap()
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// A received datagram: local address, remote address, bytes.
type Arrived = (IpAddr, SocketAddr, Vec<u8>);

/// Wait for `count` datagrams, at most a second for each wake.
fn receive(socket: &mut UdpSocket, count: usize) -> Vec<Arrived> {
    let mut poller = Poller::new(1).unwrap();
    poller.add(socket.as_fd(), 0, Interest::Readable).unwrap();
    let mut arena = RecvArena::new(8, true);
    let mut arrived = Vec::new();
    while arrived.len() < count {
        let ready = poller.wait(Some(Duration::from_secs(1))).unwrap().len();
        assert_eq!(ready, 1, "only {} of {count} came", arrived.len());
        socket.recv_batch(&mut arena).unwrap();
        arrived.extend(
            arena
                .datagrams()
                .map(|d| (d.local, d.remote, d.bytes.to_vec())),
        );
    }
    arrived
}

fn send_all(socket: &mut UdpSocket, outbox: &Outbox) {
    let mut position = SendPosition::default();
    for _ in 0..1000 {
        match socket.send_batch(NOW, outbox, 0, &mut position) {
            Sent::Done => return,
            Sent::More => {}
            Sent::Blocked => panic!("blocked on loopback"),
        }
    }
    panic!("never done");
}

#[test]
fn a_run_arrives_as_single_datagrams_in_order() {
    let mut from = bind("127.0.0.1:0");
    let mut to = bind("127.0.0.1:0");
    let path = PathId::udp(0, ip("127.0.0.1"), to.local_addr());
    let mut outbox = Outbox::new();
    let datagrams: Vec<Vec<u8>> = (0..7u8)
        .map(|n| vec![n; if n == 6 { 700 } else { 1200 }])
        .collect();
    for datagram in &datagrams {
        outbox.push(path, datagram);
    }
    assert_eq!(outbox.runs().len(), 1);
    send_all(&mut from, &outbox);
    let arrived: Vec<_> = receive(&mut to, 7)
        .into_iter()
        .map(|(_, _, bytes)| bytes)
        .collect();
    assert_eq!(arrived, datagrams);
    assert_eq!(from.send_counters().datagrams, 7);
    assert_eq!(from.send_counters().calls, 1);
}

#[test]
fn a_receiver_without_trains_gets_the_same_datagrams() {
    let mut from = bind("127.0.0.1:0");
    let options = SocketOptions {
        gro: false,
        ..OPTIONS
    };
    let mut to = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
    assert!(!to.gro());
    let path = PathId::udp(0, ip("127.0.0.1"), to.local_addr());
    let mut outbox = Outbox::new();
    for n in 0..20u8 {
        outbox.push(path, &[n; 300]);
    }
    send_all(&mut from, &outbox);
    let arrived = receive(&mut to, 20);
    assert!(
        arrived
            .iter()
            .enumerate()
            .all(|(n, (_, _, bytes))| bytes[..] == [n as u8; 300])
    );
}

/// Send to a wildcard socket at `destination`; assert that the response has that source address.
fn assert_responds_from(wildcard: &str, destination: &str) {
    let mut server = bind(wildcard);
    let port = server.local_addr().port();
    let mut client = bind(&SocketAddr::new(ip(destination), 0).to_string());
    let mut outbox = Outbox::new();
    outbox.push(
        PathId::udp(0, ip(destination), SocketAddr::new(ip(destination), port)),
        b"question",
    );
    send_all(&mut client, &outbox);
    let (local, remote, _) = receive(&mut server, 1).remove(0);
    assert_eq!((local, remote), (ip(destination), client.local_addr()));

    outbox.clear();
    for _ in 0..3 {
        outbox.push(PathId::udp(0, local, remote), b"answer");
    }
    send_all(&mut server, &outbox);
    for (_, from, _) in receive(&mut client, 3) {
        assert_eq!(from, SocketAddr::new(ip(destination), port));
    }
}

#[test]
fn a_response_is_sent_from_the_address_of_the_request() {
    assert_responds_from("0.0.0.0:0", "127.0.0.1");
    assert_responds_from("0.0.0.0:0", "127.0.0.2");
    if let Some(lan) = lan_address() {
        assert_responds_from("0.0.0.0:0", &lan.to_string());
    }
    if UdpSocket::bind("[::1]:0".parse().unwrap(), &OPTIONS).is_ok() {
        assert_responds_from("[::]:0", "::1");
    }
}

#[test]
fn a_client_on_the_lan_address_reaches_loopback_and_back() {
    let Some(lan) = lan_address() else { return };
    let mut server = bind("0.0.0.0:0");
    let mut client = bind("0.0.0.0:0");
    let server_address = SocketAddr::new(ip("127.0.0.1"), server.local_addr().port());
    let mut outbox = Outbox::new();
    outbox.push(PathId::udp(0, lan, server_address), b"from the lan address");
    send_all(&mut client, &outbox);
    let (local, remote, _) = receive(&mut server, 1).remove(0);
    assert_eq!((local, remote.ip()), (ip("127.0.0.1"), lan));
}

/// The address that this host would use towards the world; nothing is sent.
fn lan_address() -> Option<IpAddr> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    probe.connect("192.0.2.1:9").ok()?;
    Some(probe.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

#[test]
fn a_bad_destination_does_not_stop_the_others() {
    let mut from = bind("0.0.0.0:0");
    let mut to = bind("127.0.0.1:0");
    let local = ip("127.0.0.1");
    let good = PathId::udp(0, local, to.local_addr());
    let no_port = PathId::udp(0, local, "127.0.0.1:0".parse().unwrap());
    let wrong_family = PathId::udp(0, ip("::1"), "[::1]:9".parse().unwrap());
    let not_ours = PathId::udp(0, ip("192.0.2.7"), to.local_addr());
    let broadcast = PathId::udp(0, ip("0.0.0.0"), "255.255.255.255:9".parse().unwrap());
    let mut outbox = Outbox::new();
    for path in [
        no_port,
        good,
        wrong_family,
        good,
        not_ours,
        good,
        broadcast,
        good,
    ] {
        outbox.push(path, b"first");
        outbox.push(path, b"other");
    }
    send_all(&mut from, &outbox);
    assert_eq!(receive(&mut to, 8).len(), 8);
    let counters = from.send_counters();
    assert_eq!(counters.datagrams, 8);
    let given_up = counters.unreachable + counters.forbidden + counters.failed;
    assert_eq!(given_up, 8, "{counters:?}");
}

/// Kernel timestamps give the gap between two datagrams that one late call reads together.
#[test]
fn kernel_timestamps_hold_for_a_late_read() {
    const GAP: Duration = Duration::from_millis(20);
    let mut receiver = bind("127.0.0.1:0");
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"first", receiver.local_addr()).unwrap();
    std::thread::sleep(GAP);
    sender.send_to(b"second", receiver.local_addr()).unwrap();
    let mut arena = RecvArena::new(8, true);
    assert_eq!(receiver.recv_batch(&mut arena).unwrap(), 2);
    let waited: Vec<Duration> = arena.datagrams().map(|datagram| datagram.waited).collect();
    assert!(waited[0] >= waited[1] + GAP, "{waited:?}");
    assert!(waited[0] < Duration::from_millis(500), "{waited:?}");
}

#[test]
fn only_the_runs_of_the_socket_are_sent() {
    let mut from = bind("127.0.0.1:0");
    let mut to = bind("127.0.0.1:0");
    let mut outbox = Outbox::new();
    for (socket, text) in [(1, b"other"), (0, b"mine!"), (1, b"other"), (0, b"again")] {
        outbox.push(PathId::udp(socket, ip("127.0.0.1"), to.local_addr()), text);
    }
    send_all(&mut from, &outbox);
    let arrived: Vec<_> = receive(&mut to, 2)
        .into_iter()
        .map(|(_, _, bytes)| bytes)
        .collect();
    assert_eq!(arrived, [b"mine!", b"again"]);
}

#[test]
fn drops_of_a_full_receive_buffer_are_counted_on_that_socket() {
    let options = SocketOptions {
        recv_buffer_bytes: 4096,
        gro: false,
        ..OPTIONS
    };
    let mut to = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
    let mut other = bind("127.0.0.1:0");
    let mut from = bind("127.0.0.1:0");
    let mut outbox = Outbox::new();
    for _ in 0..60 {
        outbox.push(PathId::udp(0, ip("127.0.0.1"), to.local_addr()), &[0; 1000]);
    }
    send_all(&mut from, &outbox);
    let mut arena = RecvArena::new(64, false);
    let arrived = to.recv_batch(&mut arena).unwrap() as u32;
    assert!(arrived < 60);
    assert_eq!(to.dropped(), Some(60 - arrived));
    assert_eq!(other.dropped(), Some(0));
}

#[test]
fn the_granted_buffer_is_reported_and_a_taken_port_refused() {
    let socket = bind("127.0.0.1:0");
    assert!(
        socket.recv_buffer_bytes() >= 100_000,
        "{}",
        socket.recv_buffer_bytes()
    );
    let again = UdpSocket::bind(socket.local_addr(), &OPTIONS);
    assert!(again.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse));
}

/// Run `test` with a loopback device of its own, where this process may do that.
fn with_loopback_mtu(mtu: u32, test: impl FnOnce() + Send + 'static) {
    let body = move || {
        // SAFETY: the call takes no pointers; it moves only this thread.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return;
        }
        let mtu = mtu.to_string();
        let set = Command::new("ip")
            .args(["link", "set", "lo", "up", "mtu", &mtu])
            .status();
        if set.is_ok_and(|status| status.success()) {
            test();
        }
    };
    std::thread::spawn(body).join().unwrap();
}

#[test]
fn a_path_below_the_segment_size_goes_unsegmented_and_the_next_one_does_not() {
    with_loopback_mtu(900, || {
        let mut from = bind("127.0.0.1:0");
        let mut to = bind("127.0.0.1:0");
        let mut small = bind("127.0.0.1:0");
        let to_path = PathId::udp(0, ip("127.0.0.1"), to.local_addr());
        let small_path = PathId::udp(0, ip("127.0.0.1"), small.local_addr());
        let mut outbox = Outbox::new();
        for _ in 0..3 {
            outbox.push(to_path, &[1; 1200]);
        }
        for _ in 0..3 {
            outbox.push(small_path, &[2; 500]);
        }
        send_all(&mut from, &outbox);
        assert!(
            receive(&mut to, 3)
                .iter()
                .all(|(_, _, bytes)| bytes.len() == 1200)
        );
        assert!(
            receive(&mut small, 3)
                .iter()
                .all(|(_, _, bytes)| bytes.len() == 500)
        );
        assert!(from.gso());
        let counters = *from.send_counters();
        assert_eq!(
            (counters.paths_unsegmented, counters.datagrams),
            (1, 6),
            "{counters:?}"
        );

        send_all(&mut from, &outbox);
        assert_eq!(from.send_counters().paths_unsegmented, 1);
        assert_eq!(receive(&mut to, 3).len(), 3);
    });
}

#[test]
fn a_resumed_outbox_repeats_nothing() {
    let options = SocketOptions {
        send_buffer_bytes: 4096,
        gro: false,
        ..OPTIONS
    };
    with_loopback_mtu(65_536, move || {
        let mut from = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let mut to = bind("127.0.0.1:0");
        let mut outbox = Outbox::new();
        for n in 0..200u8 {
            let path = PathId::udp(0, ip("127.0.0.1"), to.local_addr());
            outbox.push(path, &[n; 1100]);
            outbox.push(path, &[n; 1000]);
        }
        let mut position = SendPosition::default();
        let mut arrived = Vec::new();
        loop {
            let sent = from.send_batch(NOW, &outbox, 0, &mut position);
            if sent == Sent::Done {
                break;
            }
            if sent == Sent::Blocked {
                let mut poller = Poller::new(1).unwrap();
                poller
                    .add(from.as_fd(), 0, Interest::ReadableOrWritable)
                    .unwrap();
                assert!(
                    poller
                        .wait(Some(Duration::from_secs(1)))
                        .unwrap()
                        .any(|r| r.writable)
                );
            }
            let mut arena = RecvArena::new(64, true);
            to.recv_batch(&mut arena).unwrap();
            arrived.extend(arena.datagrams().map(|d| (d.bytes[0], d.bytes.len())));
        }
        let wait = 400 - arrived.len();
        arrived.extend(receive(&mut to, wait).iter().map(|d| (d.2[0], d.2.len())));
        let sent = (0..200u8).flat_map(|n| [(n, 1100), (n, 1000)]);
        assert!(arrived.into_iter().eq(sent));
    });
}
