//! Commands on transports: their sockets, addresses and impairments.

use super::{check_new_id, invalid, require, system};
use crate::engine::{Engine, Host};
use crate::impair::Network;
use crate::message::{BotId, Candidate, CommandError, DtlsRole, OpenTransport, TransportId};
use crate::random::Random;
use crate::relay::wildcard_of;
use crate::transport::{BotTransport, TransportPlan};
use rtc::dtls::{Fingerprint, Role};
use rtc::ice::{Base, Credentials};
use rtc::transport::{IceRole, RemoteParameters, Transport, TransportConfig};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use wire::time::Time;

/// Longest DTLS and RTCP datagram (libwebrtc's bound).
const MTU_BYTES: usize = 1_200;
/// Identifier of the transports' random numbers.
const TRANSPORT: u64 = 4;
/// Bots always control. A peer that controls as well, because it made the offer, yields to the
/// higher tie-breaker (RFC 8445 section 7.3.1.1).
const HIGH_TIE_BREAKER: u64 = 0xFFFF_FFFF << 32;

pub(super) fn open_transport(
    engine: &mut Engine,
    now: Time,
    request: OpenTransport,
    host: &mut impl Host,
) -> Result<(), CommandError> {
    let id = request.transport;
    check_new_id(engine.transports.contains_key(&id), "transport", id)?;
    let bot = require(engine.bots.get_mut(&request.bot), "bot", request.bot)?;
    let remote = remote_parameters(&request)?;
    let mut random = Random::new(engine.config.seed, &[TRANSPORT, u64::from(id)]);
    if request.net_up.is_some() || request.net_down.is_some() {
        bot.set_network(request.net_up, request.net_down);
    }
    let (decrypted, shaped) = (bot.decrypted, bot.down.is_some());
    let local = open_link(&request, &remote, host).map_err(system)?;
    let config = TransportConfig {
        ice: IceRole::Controlling {
            tie_breaker: HIGH_TIE_BREAKER | random.next_u64(),
            bases: vec![Base { socket: 0, local }],
        },
        local: Credentials {
            ufrag: request.local.ufrag,
            pwd: request.local.pwd,
        },
        dtls: engine.config.dtls.clone(),
        dtls_role: match request.dtls_role {
            DtlsRole::Client => Role::Client,
            DtlsRole::Server => Role::Server,
        },
        profiles: engine.config.profiles.clone(),
        mtu: MTU_BYTES,
    };
    let transport = Transport::new(config, now).map_err(|error| {
        host.close(id);
        system(error)
    })?;
    let plan = TransportPlan {
        id,
        bot: request.bot,
        local,
        cname: request.cname,
        decrypted,
        shaped,
        relay: request.relay,
        transport,
        random,
    };
    let mut transport = BotTransport::new(plan);
    transport.set_remote(now, remote, &mut engine.shared);
    engine.transports.insert(id, transport);
    engine.flush_and_rearm(now, id, host);
    Ok(())
}

pub(super) fn change_address(
    engine: &mut Engine,
    now: Time,
    id: TransportId,
    host: &mut impl Host,
) -> Result<(), CommandError> {
    let transport = require(engine.transports.get_mut(&id), "transport", id)?;
    // The kernel selects another port.
    match transport.relay() {
        Some(relay) if relay.is_stream() => host.connect(id, relay).map_err(system)?,
        Some(relay) => drop(host.reopen(id, wildcard_of(relay.ip)).map_err(system)?),
        None => drop(host.reopen(id, transport.local()).map_err(system)?),
    }
    transport.change_address(now, &mut engine.shared);
    engine.flush_and_rearm(now, id, host);
    Ok(())
}

pub(super) fn close_transport(
    engine: &mut Engine,
    now: Time,
    id: TransportId,
    host: &mut impl Host,
) -> Result<(), CommandError> {
    let transport = require(engine.transports.remove(&id), "transport", id)?;
    let bot = transport.bot();
    let measured = transport.close(now, &mut engine.shared);
    engine.closed.extend(measured);
    engine.flush(now, id, bot, host);
    engine
        .streams
        .retain(|_, stream_ref| stream_ref.transport != id);
    host.close(id);
    Ok(())
}

pub(super) fn add_candidate(
    engine: &mut Engine,
    now: Time,
    id: TransportId,
    candidate: Candidate,
    host: &mut impl Host,
) -> Result<(), CommandError> {
    let transport = require(engine.transports.get_mut(&id), "transport", id)?;
    transport.add_candidate(now, candidate.into(), &mut engine.shared);
    engine.flush_and_rearm(now, id, host);
    Ok(())
}

pub(super) fn set_network(
    engine: &mut Engine,
    id: BotId,
    up: Option<Network>,
    down: Option<Network>,
) -> Result<(), CommandError> {
    let bot = require(engine.bots.get_mut(&id), "bot", id)?;
    bot.set_network(up, down);
    let shaped = bot.down.is_some();
    let transports = engine.transports.values_mut();
    let own = transports.filter(|transport| transport.bot() == id);
    own.for_each(|transport| transport.shaped = shaped);
    Ok(())
}

fn remote_parameters(request: &OpenTransport) -> Result<RemoteParameters, CommandError> {
    let remote = &request.remote;
    let lines = remote.fingerprints.iter().map(String::as_str);
    let fingerprints = Fingerprint::parse_all(lines)
        .map_err(|error| invalid(format!("fingerprints {:?}: {error}", remote.fingerprints)))?;
    let candidates: Vec<SocketAddr> = remote.candidates.iter().copied().map(Into::into).collect();
    let first = candidates
        .first()
        .ok_or_else(|| invalid("no candidate to try"))?;
    let is_ipv4 = first.is_ipv4();
    Ok(RemoteParameters {
        credentials: Credentials {
            ufrag: remote.ufrag.clone(),
            pwd: remote.pwd.clone(),
        },
        fingerprints,
        candidates: candidates
            .into_iter()
            .filter(|it| it.is_ipv4() == is_ipv4)
            .collect(),
    })
}

/// Open the socket of a transport: to its peer, or to its TURN server. Return its local address.
///
/// Without `bind_ip` that is the wildcard: the kernel selects the source address per destination.
fn open_link(
    request: &OpenTransport,
    remote: &RemoteParameters,
    host: &mut impl Host,
) -> Result<IpAddr, String> {
    let first = remote.candidates.first().map(SocketAddr::ip);
    let wildcard = wildcard_of(first.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
    let id = request.transport;
    match &request.relay {
        None => host.open(id, request.bind_ip.unwrap_or(wildcard)),
        Some(relay) if relay.is_stream() => host.connect(id, relay).map(|()| wildcard),
        Some(relay) => {
            let bind = request.bind_ip.unwrap_or(wildcard_of(relay.ip));
            host.open(id, bind).map(|_| wildcard)
        }
    }
}
