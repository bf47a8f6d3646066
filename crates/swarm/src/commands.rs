//! Execution of commands: tracks here, transports in [`transports`].

mod transports;

use crate::bot::Bot;
use crate::captures::Capture;
use crate::clip::Clip;
use crate::engine::{Engine, Host, StreamRef};
use crate::extensions::extension_map;
use crate::figures::WindowBounds;
use crate::header::SdesItems;
use crate::message::{
    AddBot, Command, CommandError, CommandResult, EncodingParameters, ErrorCode, Event, LoadClip,
    Publish, Receive, Request, StreamId,
};
use crate::publish::{EncodingPlan, OutboundEncoding, OutboundStream};
use crate::sample::TakenFrames;
use rtc::codec::{Codec, Kind};
use rtc::inbound::bind::Expected;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use transports::{add_candidate, change_address, close_transport, open_transport, set_network};
use wire::id::{PayloadType, Ssrc};
use wire::time::Time;

/// Highest encoding index: three bits of the frame id.
const MAX_ENCODING: u8 = 7;
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
            let (up, down) = (net_up.map(|it| *it), net_down.map(|it| *it));
            set_network(engine, bot, up, down)?;
        }
        Request::AddFlow(request) => engine.add_flow(*request)?,
        Request::Publish(request) => publish(engine, now, &request, host)?,
        Request::Unpublish { stream } => unpublish(engine, stream)?,
        Request::SetAudioLevel { stream, octet } => {
            let stream_ref = find_stream(engine, stream, true)?;
            if let Some(transport) = engine.transports.get_mut(&stream_ref.transport) {
                transport.set_audio_level(stream_ref.index, octet);
            }
        }
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
        Request::TakeCaptures { stream } => {
            let captures = take_captures(engine, stream)?;
            return Ok(Some(CommandResult::Captures(captures)));
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

fn take_captures(engine: &mut Engine, stream: StreamId) -> Result<Vec<Capture>, CommandError> {
    let stream_ref = find_stream(engine, stream, true)?;
    let transport = engine.transports.get_mut(&stream_ref.transport);
    let taken = transport.map(|transport| transport.take_captures(stream_ref.index));
    Ok(taken.unwrap_or_default())
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

/// The audio level of silence (RFC 6464).
const SILENCE: u8 = 127;

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
    let is_audio = clip.kind() == Kind::Audio;
    Ok(EncodingPlan {
        audio_level: is_audio.then_some(request.audio_level.unwrap_or(SILENCE)),
        clip,
        source: request.source_id,
        encoding: encoding.encoding_index,
        frame_ids: request.frame_ids,
        log_captures: request.log_captures,
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
