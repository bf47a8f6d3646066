"""ORTC parameters, as mediasoup has them, to SDP and back: for target plug-ins.

Parameters of a server are JSON objects. A part that is missing or of another type raises
``OrtcError``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sfukit.signaling.sdp import Section

Json = dict[str, Any]

_OF_THE_OFFERER = ("a=ice-", "a=fingerprint", "a=setup", "a=ssrc", "a=msid:")


class OrtcError(ValueError):
    """Parameters of a server that cannot be written as SDP."""


class SentTrack(NamedTuple):
    """A track that the server sends (a consumer of mediasoup)."""

    kind: str
    rtp_parameters: Mapping[str, Any]
    ended: bool = False


def dtls_parameters(section: Section) -> Json:
    """Return the DTLS parameters of a bot, which is the client."""
    prints = [one.split(" ") for one in section.fingerprints]
    fingerprints = [{"algorithm": name, "value": value} for name, value in prints]
    return {"role": "client", "fingerprints": fingerprints}


def rtp_parameters(section: Section, cname: str) -> Json:
    """Return the parameters of a track that a bot offers."""
    rids = section.simulcast.get("send", [])
    encodings: list[Json] = [{"rid": rid} for rid in rids] or [{"ssrc": section.ssrcs[0]}]
    if not rids and section.ssrc_groups:
        encodings[0]["rtx"] = {"ssrc": section.ssrc_groups[0][1][1]}
    return {
        "mid": section.mid,
        "codecs": [_codec(section, number) for number in section.formats],
        "headerExtensions": [
            {"uri": uri, "id": number} for uri, number in section.extensions.items()
        ],
        "encodings": encodings,
        "rtcp": {"cname": cname},
    }


def answer(offer: str, transport: Mapping[str, Any]) -> str:
    """Write the answer to the publish offer of a bot: the server receives all of it."""
    lines = []
    for line in offer.split("\r\n"):
        if line.startswith(_OF_THE_OFFERER):
            continue
        if line.startswith(("a=rid:", "a=simulcast:", "a=sendonly")):
            line = line.replace("send", "recv")
        lines.append(line)
        if line.startswith("a=mid:"):
            lines += _checked(_transport_lines, transport, "passive")
    return "\r\n".join(lines)


def offer(tracks: Sequence[SentTrack], transport: Mapping[str, Any]) -> str:
    """Write an offer of the tracks that the server sends on one transport."""
    return "\r\n".join(_checked(_offer_lines, tracks, transport))


def _codec(section: Section, number: str) -> Json:
    name, rate, channels = section.rtpmaps[number]
    feedback = [one.partition(" ") for one in section.feedbacks.get(number, [])]
    parameters = section.parameters.get(number, {})
    return {
        "mimeType": f"{section.kind}/{name}",
        "payloadType": int(number),
        "clockRate": rate,
        **({"channels": channels} if channels > 1 else {}),
        "parameters": {
            key: int(value) if value.isdigit() else value for key, value in parameters.items()
        },
        "rtcpFeedback": [{"type": kind, "parameter": more} for kind, _, more in feedback],
    }


def _checked(lines: Any, *arguments: Any) -> list[str]:
    """Return the lines, none of which has a line break."""
    try:
        made = list(lines(*arguments))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise OrtcError(f"parameters of the server: {type(error).__name__} {error}") from error
    if any("\n" in line or "\r" in line for line in made):
        raise OrtcError("parameters of the server: one has a line break")
    return made


def _transport_lines(transport: Json, setup: str) -> Iterator[str]:
    """Write the ICE and DTLS parameters of the server, and its candidates."""
    ice, fingerprint = transport["iceParameters"], transport["dtlsParameters"]["fingerprints"][-1]
    yield f"a=ice-ufrag:{ice['usernameFragment']}"
    yield f"a=ice-pwd:{ice['password']}"
    yield f"a=fingerprint:{fingerprint['algorithm']} {fingerprint['value']}"
    yield f"a=setup:{setup}"
    for one in transport["iceCandidates"]:
        yield (
            f"a=candidate:{one['foundation']} 1 {one['protocol']} {one['priority']} "
            f"{one.get('address') or one['ip']} {one['port']} typ {one['type']}"
        )


def _offer_lines(tracks: Sequence[SentTrack], transport: Json) -> Iterator[str]:
    mids = " ".join(str(track.rtp_parameters["mid"]) for track in tracks)
    yield from ("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}")
    for track in tracks:
        codecs = track.rtp_parameters["codecs"]
        numbers = " ".join(str(int(codec["payloadType"])) for codec in codecs)
        yield f"m={track.kind} 9 UDP/TLS/RTP/SAVPF {numbers}"
        yield "c=IN IP4 0.0.0.0"
        yield f"a=mid:{track.rtp_parameters['mid']}"
        yield from _transport_lines(transport, "actpass")
        yield "a=rtcp-mux"
        yield "a=inactive" if track.ended else "a=sendonly"
        for codec in codecs:
            yield from _codec_lines(codec)
        for extension in track.rtp_parameters["headerExtensions"]:
            yield f"a=extmap:{extension['id']} {extension['uri']}"
        yield from _ssrc_lines(track.rtp_parameters["encodings"][0])
    yield ""


def _codec_lines(codec: Json) -> Iterator[str]:
    number, kind = codec["payloadType"], codec["mimeType"].partition("/")[2]
    channels = f"/{codec['channels']}" if codec.get("channels", 1) > 1 else ""
    yield f"a=rtpmap:{number} {kind}/{codec['clockRate']}{channels}"
    parameters = ";".join(f"{key}={value}" for key, value in codec["parameters"].items())
    if parameters:
        yield f"a=fmtp:{number} {parameters}"
    for one in codec["rtcpFeedback"]:
        yield f"a=rtcp-fb:{number} {one['type']} {one.get('parameter', '')}".rstrip()


def _ssrc_lines(encoding: Json) -> Iterator[str]:
    ssrcs = [encoding["ssrc"], *([encoding["rtx"]["ssrc"]] if "rtx" in encoding else [])]
    if len(ssrcs) > 1:
        yield f"a=ssrc-group:FID {ssrcs[0]} {ssrcs[1]}"
    for ssrc in ssrcs:
        yield f"a=ssrc:{ssrc} cname:server"
