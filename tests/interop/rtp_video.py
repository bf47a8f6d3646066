"""VP9 and AV1 received by aiortc, which has neither: payloads are joined here."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from aiortc import RTCRtpCodecParameters, RTCRtpReceiver, codecs
from aiortc.rtp import RtpPacket

_PAYLOAD_TYPES = {"VP9": 98, "AV1": 45}


class Received:
    """The video packets of a connection, by sequence number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
        self._packets: dict[int, RtpPacket] = {}
        self._arrived = asyncio.Event()
        payload_type = _PAYLOAD_TYPES[codec]
        parameters = RTCRtpCodecParameters(
            mimeType=f"video/{codec}", clockRate=90_000, payloadType=payload_type
        )
        monkeypatch.setitem(codecs.CODECS, "video", [parameters])

        async def handle(_receiver: Any, packet: RtpPacket, arrival_time_ms: int) -> None:
            if packet.payload_type == payload_type and packet.payload:
                self._packets.setdefault(packet.sequence_number, packet)
                self._arrived.set()

        monkeypatch.setattr(RTCRtpReceiver, "_handle_rtp_packet", handle)

    async def frames(self, count: int) -> list[list[bytes]]:
        """Wait for so many frames; return the payloads of each, without gaps between them."""
        while sum(packet.marker for packet in self._packets.values()) <= count:
            self._arrived.clear()
            await asyncio.wait_for(self._arrived.wait(), 20)
        return list(self._joined())

    def _joined(self) -> Iterator[list[bytes]]:
        # the server starts below 2^15: these few packets do not wrap
        frame: list[bytes] = []
        first = min(self._packets)
        for number in range(first, first + len(self._packets)):
            packet = self._packets[number]
            frame.append(packet.payload)
            if packet.marker:
                yield frame
                frame = []


def vp9_frame(payloads: Sequence[bytes]) -> bytes:
    """Join the payloads of a frame behind their descriptors (RFC 9628 section 4.2)."""
    return b"".join(payload[_vp9_descriptor(payload) :] for payload in payloads)


def _vp9_descriptor(payload: bytes) -> int:
    flags, at = payload[0], 1
    assert not flags & 0x02, "no scalability structure is expected"
    if flags & 0x80:
        at += 2 if payload[at] & 0x80 else 1
    if flags & 0x20:
        at += 1 if flags & 0x10 else 2
    if flags & 0x10 and flags & 0x40:
        while payload[at] & 1:
            at += 1
        at += 1
    return at


def av1_unit(payloads: Sequence[bytes]) -> bytes:
    """Join the OBUs of a temporal unit (RTP Payload Format For AV1, section 4), with sizes."""
    obus: list[bytes] = []
    continued = False
    for payload in payloads:
        elements = list(_elements(payload))
        assert continued == bool(payload[0] & 0x80)
        if continued:
            obus[-1] += elements.pop(0)
        obus += elements
        continued = bool(payload[0] & 0x40)
    assert not continued
    return b"\x12\0" + b"".join(_with_size(obu) for obu in obus)


def _elements(payload: bytes) -> Iterator[bytes]:
    count, at = payload[0] >> 4 & 3, 1
    while at < len(payload):
        if count == 1:
            yield payload[at:]
            return
        length, at = _leb128(payload, at)
        yield payload[at : at + length]
        at += length
        count -= 1


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def _with_size(obu: bytes) -> bytes:
    body, size = obu[1:], b""
    length = len(body)
    while length >= 0x80:
        size, length = size + bytes([length & 0x7F | 0x80]), length >> 7
    return bytes([obu[0] | 2]) + size + bytes([length]) + body
