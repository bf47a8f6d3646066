"""Histograms of reports: the format of HdrHistogram, and what is refused."""

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.loadgen.metrics import hdr

# written by HdrHistogram_py 0.10.8: HdrHistogram(1, 2**32 - 1, 2)
FOREIGN = "HISTFAAAADB4nJNpmSzMwMAAwiDABKUZQcR/ILD/AJVg+snIxPSbkYnlIzPLa16mmXJMABEXCzc="
FOREIGN_VALUES = (0, 1, 127, 128, 255, 256, 257, 1000, 1000, 123456, 4294967294)


def counted(values: list[int] | tuple[int, ...]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for value in values:
        counts[hdr.bucket_of(value)] = counts.get(hdr.bucket_of(value), 0) + 1
    return counts


def packed(plain: bytes) -> str:
    deflated = zlib.compress(plain)
    return base64.b64encode(struct.pack(">ii", 0x1C849314, len(deflated)) + deflated).decode()


def plain(body: bytes, *, digits: int = 2, cookie: int = 0x1C849313) -> bytes:
    return struct.pack(">iiiiqqd", cookie, len(body), 0, digits, 1, hdr.HIGHEST, 1.0) + body


def test_another_implementation_has_the_same_buckets() -> None:
    assert hdr.decode(FOREIGN) == counted(FOREIGN_VALUES)


@given(st.dictionaries(st.integers(0, 4351), st.integers(1, 1 << 40), max_size=60))
def test_what_is_encoded_is_decoded(counts: dict[int, int]) -> None:
    assert hdr.decode(hdr.encode(counts)) == counts


@given(st.integers(0, hdr.HIGHEST), st.sampled_from([5, 7]))
def test_a_value_is_in_its_bucket(value: int, sub_bits: int) -> None:
    bucket = hdr.bucket_of(value, sub_bits)
    highest = hdr.highest_of(bucket, sub_bits)
    assert value <= highest <= value * (1 + 2.0**-sub_bits)
    assert bucket == 0 or hdr.highest_of(bucket - 1, sub_bits) < value
    # the finer buckets have no boundary within the coarser ones beside their own
    assert hdr.highest_of(hdr.bucket_of(highest)) == highest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HIST",
        "not base64!",
        FOREIGN[:-8],
        FOREIGN + "AAAA",
        packed(b""),
        packed(plain(b"\x02")[:-1]),
        packed(plain(b"", digits=3)),
        packed(plain(b"", cookie=7)),
        packed(plain(b"\x82")),  # a number that does not end
        packed(plain(b"\xff" * 9)),  # more zeros than buckets
        packed(plain(b"\xfe" + b"\xff" * 8)),  # a count above all others
        packed(plain(b"\x02" * 5000)),
        packed(bytes(50_000_000)),
        "A" * 1_000_000,
    ],
)
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(hdr.HdrError):
        hdr.decode(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    try:
        counts = hdr.decode(packed(plain(body)))
    except hdr.HdrError:
        return
    assert all(0 <= bucket < 4352 and count > 0 for bucket, count in counts.items())
