//! Execution of commands.

use crate::bot::Bot;
use crate::clip::Clip;
use crate::engine::{Engine, Host, StreamRef};
use crate::extensions::extension_map;
use crate::figures::WindowBounds;
use crate::header::SdesItems;
use crate::impair::Network;
use crate::message::{
    AddBot, BotId, Candidate, Command, CommandError, CommandResult, DtlsRole, EncodingParameters,
    ErrorCode, Event, LoadClip, OpenTransport, Publish, Receive, Request, StreamId, TransportId,
};
use crate::publish::{EncodingPlan, OutboundEncoding, OutboundStream};
use crate::random::Random;
use crate::relay::wildcard_of;
use crate::sample::TakenFrames;
use crate::transport::{BotTransport, TransportPlan};
use rtc::codec::{Codec, Kind};
use rtc::dtls::{Fingerprint, Role};
use rtc::ice::{Base, Credentials};
use rtc::inbound::bind::Expected;
use rtc::transport::{IceRole, RemoteParameters, Transport, TransportConfig};
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use wire::id::{PayloadType, Ssrc};
use wire::time::Time;

/// Longest DTLS and RTCP datagram (libwebrtc's bound).
const MTU_BYTES: usize = 1_200;
/// Highest encoding index: three bits of the frame id.
const MAX_ENCODING: u8 = 7;
/// Identifier of the transports' random numbers.
const TRANSPORT: u64 = 4;
/// Bots always control. A peer that controls as well, because it made the offer, yields to the
/// higher tie-breaker (RFC 8445 section 7.3.1.1).
const HIGH_TIE_BREAKER: u64 = 0xFFFF_FFFF << 32;

type Outcome = Result<Option<CommandResult>, CommandError>;

impl Engine {
    /// Execute a command; its `done` event is among the events.
    pub fn execute(&mut self, now: Time, command: Command, host: &mut impl Host) {
        let outcome = execute(self, now, command.request, host);
        let (error, result) = match outcome {
            Ok(result) => (None, result),
            Err(error) => (Some(error), None),
        };
        self.shared.recorder.events.push(Event::Done {
            id: command.id,
            error,
            result,
        });
    }
}

fn execute(engine: &mut Engine, now: Time, request: Request, host: &mut impl Host) -> Outcome {
    match request {
        Request::LoadClip(request) => load_clip(engine, &request, host)?,
        Request::AddBot(request) => add_bot(engine, &request)?,
        Request::OpenTransport(request) => open_transport(engine, now, *request, host)?,
        Request::AddCandidate {
            transport,
            candidate,
        } => add_candidate(engine, now, transport, candidate, host)?,
        Request::ChangeAddress { transport } => change_address(engine, now, transport, host)?,
        Request::CloseTransport { transport } => close_transport(engine, now, transport, host)?,
        Request::SetNetwork {
            bot,
            net_up,
            net_down,
        } => {
            set_network(engine, bot, net_up, net_down)?;
        }
        Request::AddFlow(request) => engine.add_flow(*request)?,
        Request::Publish(request) => publish(engine, now, &request, host)?,
        Request::Unpublish { stream } => unpublish(engine, stream)?,
        Request::SetActiveEncodings { stream, rids } => {
            set_active_encodings(engine, now, stream, &rids, host)?
        }
        Request::Receive(request) => receive(engine, &request)?,
        Request::SetWanted {
            stream,
            encoding_index,
        } => set_wanted(engine, stream, encoding_index)?,
        Request::StopReceiving { stream } => stop_receiving(engine, now, stream)?,
        Request::FrameClock { offset_ns } => {
            engine.shared.recorder.frame_clock_offset_ns = offset_ns;
        }
        Request::TakeFrames { stream } => {
            let frames = take_frames(engine, stream)?;
            return Ok(Some(CommandResult::Frames(frames)));
        }
        Request::Window { start_ns, end_ns } => set_window(engine, now, start_ns, end_ns)?,
        Request::Snapshot {
            bots,
            links,
            traces,
        } => {
            // the window's timer may be due as well, and not have fired yet
            engine.update_window(now);
            let mut figures = engine.figures(now, bots);
            if links {
                figures.links = engine.link_figures(traces);
                figures.flows = engine.flow_figures();
            }
            return Ok(Some(CommandResult::Figures(Box::new(figures))));
        }
    }
    Ok(None)
}

fn load_clip(
    engine: &mut Engine,
    request: &LoadClip,
    host: &mut impl Host,
) -> Result<(), CommandError> {
    check_new_id(
        engine.clips.contains_key(&request.clip),
        "clip",
        request.clip,
    )?;
    let file = host.read(&request.path).map_err(system)?;
    let clip = Clip::parse(&file);
    let clip = clip.map_err(|error| invalid(format!("{}: {error}", request.path)))?;
    engine.clips.insert(request.clip, Arc::new(clip));
    Ok(())
}

fn add_bot(engine: &mut Engine, request: &AddBot) -> Result<(), CommandError> {
    check_new_id(engine.bots.contains_key(&request.bot), "bot", request.bot)?;
    let bot = Bot::new(request, engine.config.seed, engine.config.sample_decrypt);
    engine.bots.insert(request.bot, bot);
    Ok(())
}

fn open_transport(
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

fn change_address(
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

fn close_transport(
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

fn add_candidate(
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

fn set_network(
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

fn publish(
    engine: &mut Engine,
    now: Time,
    request: &Publish,
    host: &mut impl Host,
) -> Result<(), CommandError> {
    check_new_id(
        engine.streams.contains_key(&request.stream),
        "stream",
        request.stream,
    )?;
    let ids = extension_map(&request.extensions)?;
    let id = request.transport;
    let transport = require(engine.transports.get_mut(&id), "transport", id)?;
    let mut encodings = Vec::with_capacity(request.encodings.len());
    for encoding in &request.encodings {
        let clip = require(engine.clips.get(&encoding.clip), "clip", encoding.clip)?;
        let plan = encoding_plan(request, encoding, clip.clone())?;
        encodings.push(OutboundEncoding::new(plan, &ids, transport.random()));
    }
    let first = encodings
        .first()
        .ok_or_else(|| invalid("a track without encodings"))?;
    let burst = request
        .paced
        .burst()
        .filter(|_| first.kind() == Kind::Video);
    let ssrcs: Vec<u32> = request.encodings.iter().flat_map(ssrcs).collect();
    transport.allocate_ssrcs(&ssrcs)?;
    let stream = OutboundStream {
        id: request.stream,
        burst,
        encodings,
    };
    let index = transport.publish(now, stream);
    let stream_ref = StreamRef {
        transport: id,
        index,
        outbound: true,
    };
    engine.streams.insert(request.stream, stream_ref);
    engine.flush_and_rearm(now, id, host);
    Ok(())
}

fn unpublish(engine: &mut Engine, stream: StreamId) -> Result<(), CommandError> {
    let stream_ref = take_stream(engine, stream, true)?;
    if let Some(transport) = engine.transports.get_mut(&stream_ref.transport) {
        transport.unpublish(stream_ref.index);
    }
    Ok(())
}

fn set_active_encodings(
    engine: &mut Engine,
    now: Time,
    stream: StreamId,
    rids: &[String],
    host: &mut impl Host,
) -> Result<(), CommandError> {
    let stream_ref = find_stream(engine, stream, true)?;
    if let Some(transport) = engine.transports.get_mut(&stream_ref.transport) {
        transport.set_active_encodings(now, stream_ref.index, rids);
        engine.flush_and_rearm(now, stream_ref.transport, host);
    }
    Ok(())
}

fn receive(engine: &mut Engine, request: &Receive) -> Result<(), CommandError> {
    check_new_id(
        engine.streams.contains_key(&request.stream),
        "stream",
        request.stream,
    )?;
    let codec = Codec::from_name(&request.codec).ok_or_else(|| {
        let message = format!("nothing is known of codec {}", request.codec);
        CommandError::new(ErrorCode::CodecUnsupported, message)
    })?;
    let expected = Expected {
        mid: parsed(&request.mid, "mid")?,
        rid: None,
        ssrc: request.ssrc.map(Ssrc),
        rtx_ssrc: request.rtx_ssrc.map(Ssrc),
        payload_type: PayloadType(request.payload_type),
        rtx_payload_type: request.rtx_payload_type.map(PayloadType),
    };
    let id = request.transport;
    let transport = require(engine.transports.get_mut(&id), "transport", id)?;
    let index = transport.add_inbound(request, codec, expected)?;
    let stream_ref = StreamRef {
        transport: id,
        index,
        outbound: false,
    };
    engine.streams.insert(request.stream, stream_ref);
    Ok(())
}

fn take_frames(engine: &mut Engine, stream: StreamId) -> Result<TakenFrames, CommandError> {
    let stream_ref = find_stream(engine, stream, false)?;
    let transport = engine.transports.get_mut(&stream_ref.transport);
    let taken = transport.and_then(|transport| transport.take_frames(stream_ref.index));
    taken.ok_or_else(|| invalid(format!("stream {stream} is not sampled")))
}

fn set_wanted(
    engine: &mut Engine,
    stream: StreamId,
    encoding_index: u8,
) -> Result<(), CommandError> {
    let stream_ref = find_stream(engine, stream, false)?;
    if let Some(transport) = engine.transports.get_mut(&stream_ref.transport) {
        transport.set_wanted(stream_ref.index, encoding_index);
    }
    Ok(())
}

fn stop_receiving(engine: &mut Engine, now: Time, stream: StreamId) -> Result<(), CommandError> {
    let stream_ref = take_stream(engine, stream, false)?;
    if let Some(transport) = engine.transports.get_mut(&stream_ref.transport) {
        transport.stop_receiving(now, stream_ref.index);
    }
    Ok(())
}

fn set_window(
    engine: &mut Engine,
    now: Time,
    start_ns: u64,
    end_ns: u64,
) -> Result<(), CommandError> {
    if start_ns >= end_ns {
        return Err(invalid("a window that ends before it starts"));
    }
    engine.set_window(now, WindowBounds { start_ns, end_ns });
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

fn encoding_plan(
    request: &Publish,
    encoding: &EncodingParameters,
    clip: Arc<Clip>,
) -> Result<EncodingPlan, CommandError> {
    if encoding.encoding_index > MAX_ENCODING {
        return Err(invalid(format!("encoding index above {MAX_ENCODING}")));
    }
    let rid = encoding
        .rid
        .as_deref()
        .map(|rid| parsed(rid, "rid"))
        .transpose()?;
    let rtx = encoding
        .rtx_ssrc
        .map(Ssrc)
        .zip(request.rtx_payload_type.map(PayloadType));
    Ok(EncodingPlan {
        clip,
        source: request.source_id,
        encoding: encoding.encoding_index,
        sdes: SdesItems {
            mid: parsed(&request.mid, "mid")?,
            rid,
            repairs: false,
        },
        ssrc: Ssrc(encoding.ssrc),
        payload_type: PayloadType(request.payload_type),
        rtx,
        start: Time::from_nanos(request.start_ns),
        pli: request.pli,
    })
}

fn ssrcs(encoding: &EncodingParameters) -> impl Iterator<Item = u32> + use<> {
    std::iter::once(encoding.ssrc).chain(encoding.rtx_ssrc)
}

fn take_stream(
    engine: &mut Engine,
    stream: StreamId,
    outbound: bool,
) -> Result<StreamRef, CommandError> {
    let stream_ref = find_stream(engine, stream, outbound)?;
    engine.streams.remove(&stream);
    Ok(stream_ref)
}

fn find_stream(
    engine: &Engine,
    stream: StreamId,
    outbound: bool,
) -> Result<StreamRef, CommandError> {
    let stream_ref = engine.streams.get(&stream).copied();
    require(
        stream_ref.filter(|stream_ref| stream_ref.outbound == outbound),
        "stream",
        stream,
    )
}

fn require<T>(found: Option<T>, what: &str, id: u32) -> Result<T, CommandError> {
    found.ok_or_else(|| CommandError::new(ErrorCode::NotFound, format!("no {what} {id}")))
}

fn check_new_id(exists: bool, what: &str, id: u32) -> Result<(), CommandError> {
    if exists {
        return Err(CommandError::new(
            ErrorCode::Duplicate,
            format!("{what} {id} exists"),
        ));
    }
    Ok(())
}

fn parsed<T: FromStr<Err: Display>>(text: &str, what: &str) -> Result<T, CommandError> {
    text.parse()
        .map_err(|error| invalid(format!("{what} {text:?}: {error}")))
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::Invalid, message)
}

fn system(error: impl Display) -> CommandError {
    CommandError::new(ErrorCode::System, error.to_string())
}
