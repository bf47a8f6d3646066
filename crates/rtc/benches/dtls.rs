//! Full handshakes per second of CPU time, and the memory of an idle association.
//!
//! `cargo bench -p sfukit-rtc --bench dtls`

#[path = "support/cpu.rs"]
mod cpu;

use rtc::dtls::{Certificate, Context, Dtls, DtlsEvent, Role};
use rtc::srtp::Profile;
use wire::time::Time;

const HANDSHAKES: usize = 2000;
const MTU: usize = 1200;
const NOW: Time = Time::from_secs(1);

fn main() {
    let ecdsa = context(Certificate::generate_ecdsa());
    let rsa = context(Certificate::generate_rsa());
    let before = resident_bytes();
    let ends = measure("ECDSA client", &ecdsa, &ecdsa);
    let memory = (resident_bytes() - before) as f64 / ends.len() as f64;
    println!("memory per idle association {:.1} KB", memory / 1000.0);
    measure("RSA-2048 client", &rsa, &ecdsa);
}

fn context(certificate: Result<Certificate, rtc::dtls::DtlsError>) -> Context {
    Context::new(&certificate.expect("a certificate")).expect("a context")
}

fn measure(name: &str, client: &Context, server: &Context) -> Vec<Dtls> {
    let mut cost = Cost::default();
    let mut ends = Vec::with_capacity(2 * HANDSHAKES);
    for _ in 0..HANDSHAKES {
        ends.extend(shake_hands(client, server, &mut cost));
    }
    let per_second = |ns: u64| HANDSHAKES as f64 * 1e9 / ns as f64;
    println!(
        "{name:16} server end {:6.0}/s  both ends {:6.0}/s",
        per_second(cost.server_ns),
        per_second(cost.server_ns + cost.client_ns),
    );
    ends
}

#[derive(Default)]
struct Cost {
    client_ns: u64,
    server_ns: u64,
}

fn shake_hands(client: &Context, server: &Context, cost: &mut Cost) -> [Dtls; 2] {
    let mut ends = [
        (client, server, Role::Client),
        (server, client, Role::Server),
    ]
    .map(|(own, peer, role)| {
        let mut dtls = Dtls::new(own, role, &Profile::ALL, MTU).expect("an association");
        dtls.expect_fingerprint(vec![peer.fingerprint()]);
        dtls
    });
    let [client, server] = &mut ends;
    cost.client_ns += cpu::time(|| client.handle_timeout(NOW));
    let (mut done, mut datagram) = (0, Vec::new());
    while done < 2 {
        cost.server_ns += cpu::time(|| done += carry(client, server, &mut datagram));
        cost.client_ns += cpu::time(|| done += carry(server, client, &mut datagram));
    }
    ends
}

/// Deliver the datagrams of `from`; count the connections that `to` reports.
fn carry(from: &mut Dtls, to: &mut Dtls, datagram: &mut Vec<u8>) -> usize {
    while from.poll_transmit(datagram) {
        to.handle_datagram(NOW, datagram);
    }
    let events = std::iter::from_fn(|| to.poll_event());
    events
        .filter(|event| matches!(event, DtlsEvent::Connected { .. }))
        .count()
}

fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).and_then(|field| field.parse().ok());
    PAGE_BYTES * pages.unwrap_or(0)
}
