"""The forwarded codecs, and when two descriptions of a codec mean the same bitstream."""

from collections.abc import Sequence

import msgspec

from sfukit.signaling.format_parameters import DEFAULT_H264_PROFILE
from sfukit.signaling.sdp import Codec

_FORWARDED = {
    "audio": {"opus": "opus"},
    "video": {"vp8": "VP8", "vp9": "VP9", "h264": "H264", "av1": "AV1"},
}
_CLOCK_RATE_HZ = {"audio": 48_000, "video": 90_000}
FEEDBACK = {
    "audio": ("nack", "transport-cc"),
    "video": ("nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"),
}
# The receiver's parameters of Opus (RFC 7587 section 7.1): without these music is mono.
_OPUS_WANTED = ("minptime", "useinbandfec", "usedtx", "stereo", "maxaveragebitrate", "cbr")

# profile_idc and the constraint bits that name a profile (RFC 6184 table 5)
_H264_PROFILE_BYTES = {
    "constrained-baseline": "42e0",
    "baseline": "4200",
    "main": "4d00",
    "extended": "5800",
    "high": "6400",
    "constrained-high": "640c",
}


class NegotiatedCodec(msgspec.Struct, frozen=True):
    """A negotiated codec, under its registered name, with one end's payload types."""

    codec: Codec
    rtx_payload_type: int | None
    feedback: tuple[str, ...]


def forwarded(kind: str, codec: Codec) -> Codec | None:
    """Return a codec under its registered name, None where it is not forwarded.

    Opus is ``opus/48000/2`` for mono as well (RFC 7587 section 7); some descriptions omit the 2.
    """
    name = _FORWARDED.get(kind, {}).get(codec.name.lower())
    interleaved = name == "H264" and _mode(codec) == "2"
    if name is None or interleaved or codec.channels > 2:
        return None
    if codec.clock_rate != _CLOCK_RATE_HZ[kind]:
        return None
    channels = 2 if name == "opus" else 1
    return msgspec.structs.replace(codec, name=name, channels=channels)


def negotiate(
    kind: str, offered: Sequence[Codec], wanted: Codec | None = None
) -> NegotiatedCodec | None:
    """Return the first offered codec that is forwarded, or that has the required bitstream.

    A codec with the packetization-mode of the required one comes first.
    """
    known = [codec for entry in offered if (codec := forwarded(kind, entry)) is not None]
    if wanted is not None:
        mode = _mode(wanted)
        known = [codec for codec in known if same_bitstream(codec, wanted)]
        known.sort(key=lambda codec: _mode(codec) != mode)
    if not known:
        return None
    return NegotiatedCodec(known[0], _rtx_of(known[0], offered), _feedback(kind, known[0]))


def describe(codec: Codec) -> str:
    """Describe a codec with the parameters that decide whether a receiver decodes it."""
    name = codec.name
    match name.lower():
        case "h264":
            profile, _ = h264_profile(codec)
            level = _parameter(codec, "profile-level-id", DEFAULT_H264_PROFILE)
            return f"{name} {profile} (profile-level-id={level};packetization-mode={_mode(codec)})"
        case "vp9":
            return f"{name} profile {_parameter(codec, 'profile-id', '0')}"
        case "av1":
            return f"{name} profile {_parameter(codec, 'profile', '0')}"
    return name


def same_bitstream(receiver: Codec, sender: Codec) -> bool:
    """Return whether a receiver with one description decodes the sender's bitstream."""
    name = receiver.name.lower()
    if name != sender.name.lower() or receiver.clock_rate != sender.clock_rate:
        return False
    if name == "h264":
        return _same_h264(receiver, sender)
    if name == "vp9":  # RFC 9628 section 7.1
        return _parameter(receiver, "profile-id", "0") == _parameter(sender, "profile-id", "0")
    if name == "av1":  # AV1 RTP payload specification section 7.2.1
        return all(
            _parameter(receiver, key, "0") == _parameter(sender, key, "0")
            for key in ("profile", "tier")
        )
    return receiver.channels == sender.channels


def sent_parameters(name: str, codec: Codec) -> dict[str, str]:
    """Return the fmtp parameters of a sent bitstream, the same for the same bitstream.

    Order, case, blanks, defaults and receiver parameters are normalized, and no text of the
    publisher is copied.
    """
    if name == "H264":
        profile, level = h264_profile(codec)
        profile_bytes = _H264_PROFILE_BYTES.get(profile, profile)
        return {
            "level-asymmetry-allowed": "1",
            "packetization-mode": "1",  # which includes mode 0 (RFC 6184 section 6.3)
            "profile-level-id": f"{profile_bytes}{level:02x}",
        }
    if name == "VP9":  # RFC 9628 section 7.1
        return {"profile-id": _number(codec, "profile-id", 0, most=3)}
    if name == "AV1":  # AV1 RTP payload specification section 7.2.1
        return {
            "profile": _number(codec, "profile", 0, most=2),
            "tier": _number(codec, "tier", 0, most=1),
            "level-idx": _number(codec, "level-idx", 5, most=31),
        }
    stereo = "1" in (_parameter(codec, "stereo", "0"), _parameter(codec, "sprop-stereo", "0"))
    if name == "opus" and stereo:  # the others are receiver parameters (RFC 7587 section 6.1)
        return {"stereo": "1", "sprop-stereo": "1"}
    return {}


def received_opus(codec: Codec) -> str:
    """Write the fmtp of an answer to an offer of Opus."""
    kept = [f"{key}={codec.parameters[key]}" for key in _OPUS_WANTED if key in codec.parameters]
    if "stereo" not in codec.parameters and codec.parameters.get("sprop-stereo") == "1":
        kept.append("stereo=1")
    return ";".join(kept)


def h264_profile(codec: Codec) -> tuple[str, int]:
    """Return (profile by RFC 6184 table 5, level_idc); an invalid parameter means the default."""
    text = _parameter(codec, "profile-level-id", DEFAULT_H264_PROFILE)
    try:
        idc, constraints, level = bytes.fromhex(text)
    except ValueError:
        idc, constraints, level = bytes.fromhex(DEFAULT_H264_PROFILE)
    return _h264_profile_name(idc, constraints), level


def _h264_profile_name(idc: int, constraints: int) -> str:
    set0, set1 = constraints & 0x80, constraints & 0x40
    if (idc == 0x42 and set1) or (idc == 0x4D and set0) or (idc == 0x58 and set0 and set1):
        return "constrained-baseline"
    if idc == 0x42 or (idc == 0x58 and set0):
        return "baseline"
    if idc == 0x64:
        return "constrained-high" if constraints & 0x0C == 0x0C else "high"
    return {0x4D: "main", 0x58: "extended"}.get(idc, f"{idc:02x}{constraints:02x}")


def _same_h264(receiver: Codec, sender: Codec) -> bool:
    """Compare by RFC 6184 section 8.2.2; the level counts without level-asymmetry-allowed.

    A receiver in packetization-mode 1 accepts mode 0: single NAL units.
    """
    profile, level = h264_profile(receiver)
    sent_profile, sent_level = h264_profile(sender)
    asymmetric = _parameter(receiver, "level-asymmetry-allowed", "0") == "1"
    modes = (_mode(receiver), _mode(sender))
    return (
        profile == sent_profile
        and (modes[0] == modes[1] or modes == ("1", "0"))
        and (asymmetric or level >= sent_level)
    )


def _mode(codec: Codec) -> str:
    return _parameter(codec, "packetization-mode", "0")


def _parameter(codec: Codec, key: str, default: str) -> str:
    return codec.parameters.get(key, default).strip().lower()


def _number(codec: Codec, key: str, default: int, *, most: int) -> str:
    """Read a decimal parameter; an invalid one means the default."""
    text = _parameter(codec, key, "")
    given = int(text) if len(text) < 4 and text.isascii() and text.isdecimal() else default
    return str(given if given <= most else default)


def _rtx_of(codec: Codec, offered: Sequence[Codec]) -> int | None:
    apt = str(codec.payload_type)
    for other in offered:
        if other.name.lower() == "rtx" and other.parameters.get("apt") == apt:
            return other.payload_type
    return None


def _feedback(kind: str, codec: Codec) -> tuple[str, ...]:
    return tuple(feedback for feedback in FEEDBACK[kind] if feedback in codec.feedback)
