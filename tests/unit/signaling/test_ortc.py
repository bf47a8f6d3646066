"""ORTC parameters to SDP and back: offers of bots, tracks of a server, hostile parameters."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.signaling import descriptions, ortc, sdp
from sfukit.signaling.descriptions import Encoding, OfferParameters
from sfukit.signaling.ortc import OrtcError, SentTrack
from sfukit.signaling.transport import Credentials

FINGERPRINT = "sha-256 AA:BB"
TRANSPORT = {
    "iceParameters": {"usernameFragment": "abcd", "password": "p" * 22, "iceLite": True},
    "iceCandidates": [
        {
            "foundation": "udpcandidate",
            "priority": 1,
            "ip": "192.0.2.1",
            "protocol": "udp",
            "port": 40_000,
            "type": "host",
        }
    ],
    "dtlsParameters": {"fingerprints": [{"algorithm": "sha-256", "value": "CC:DD"}]},
}


def offered(*rids: str | None) -> str:
    encodings = [Encoding(rid, 10 * n + 1, 10 * n + 2) for n, rid in enumerate(rids)]
    credentials = Credentials("u", "p")
    return descriptions.publish_offer(
        OfferParameters(credentials, FINGERPRINT, 7, "vp8", encodings)
    )


def parameters(text: str) -> list[dict[str, Any]]:
    return [ortc.rtp_parameters(section, "p1") for section in sdp.parse(text).media]


def test_a_track_of_a_bot_has_its_codecs_extensions_and_ssrcs() -> None:
    audio, video = parameters(offered(None))
    assert (audio["mid"], video["mid"], video["rtcp"]) == ("0", "1", {"cname": "p1"})
    assert audio["encodings"] == [{"ssrc": 7}]
    assert video["encodings"] == [{"ssrc": 1, "rtx": {"ssrc": 2}}]
    [opus] = audio["codecs"]
    assert (opus["mimeType"], opus["channels"], opus["clockRate"]) == ("audio/opus", 2, 48_000)
    assert opus["parameters"]["minptime"] == 10
    vp8, rtx = video["codecs"]
    assert (vp8["mimeType"], rtx["parameters"]) == ("video/VP8", {"apt": vp8["payloadType"]})
    assert {"type": "nack", "parameter": "pli"} in vp8["rtcpFeedback"]
    assert all(one["uri"] and one["id"] for one in video["headerExtensions"])


def test_encodings_of_simulcast_have_rids() -> None:
    _, video = parameters(offered("q", "h", "f"))
    assert video["encodings"] == [{"rid": "q"}, {"rid": "h"}, {"rid": "f"}]


def test_the_dtls_parameters_are_those_of_a_client() -> None:
    [audio, _] = sdp.parse(offered(None)).media
    assert ortc.dtls_parameters(audio) == {
        "role": "client",
        "fingerprints": [{"algorithm": "sha-256", "value": "AA:BB"}],
    }


@pytest.mark.parametrize("rids", [(None,), ("q", "h", "f")])
def test_the_answer_accepts_the_offer_with_the_transport_of_the_server(
    rids: tuple[str | None, ...],
) -> None:
    answer = ortc.answer(offered(*rids), TRANSPORT)
    read = descriptions.read_answer(answer)
    assert read.peer.candidates == [("192.0.2.1", 40_000)]
    assert (read.peer.ufrag, read.peer.fingerprints) == ("abcd", ["sha-256 CC:DD"])
    assert read.peer.bot_is_dtls_client
    assert [line.kind for line in read.lines] == ["audio", "video"]
    assert [section.direction for section in read.sections] == ["recvonly", "recvonly"]
    assert read.sections[1].simulcast.get("recv", []) == [rid for rid in rids if rid]


def test_the_tracks_of_a_server_are_offered() -> None:
    audio, video = parameters(offered(None))
    tracks = [SentTrack("audio", audio), SentTrack("video", video)]
    read = descriptions.read_offer(ortc.offer(tracks, TRANSPORT))
    assert [(line.mid, line.kind, line.ssrc, line.rtx_ssrc) for line in read.lines] == [
        ("0", "audio", 7, None),
        ("1", "video", 1, 2),
    ]
    assert read.lines[1].rtx_payload_type == video["codecs"][1]["payloadType"]
    ended = [tracks[0], tracks[1]._replace(ended=True)]
    assert len(descriptions.read_offer(ortc.offer(ended, TRANSPORT)).lines) == 1


@pytest.mark.parametrize(
    "transport",
    [
        {},
        {**TRANSPORT, "iceParameters": None},
        {**TRANSPORT, "dtlsParameters": {"fingerprints": []}},
        {**TRANSPORT, "iceCandidates": [{}]},
        {**TRANSPORT, "iceParameters": {"usernameFragment": "a\r\na=x", "password": "p"}},
    ],
)
def test_parameters_that_are_none_are_named(transport: dict[str, Any]) -> None:
    with pytest.raises(OrtcError, match="parameters of the server"):
        ortc.answer(offered(None), transport)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["mid", "codecs", "headerExtensions", "encodings", "ssrc", "rtx"]),
            inner,
        ),
    ),
    max_leaves=8,
)


@given(json_values, json_values)
def test_hostile_parameters_raise_one_error(track: Any, transport: Any) -> None:
    try:
        made = ortc.offer([SentTrack("video", track)], transport)
    except OrtcError:
        return
    assert made.startswith("v=0\r\n")
