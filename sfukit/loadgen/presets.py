"""Named sets of option values. Explicit options win over them."""

from collections.abc import Mapping

# A smoke verdict in less than 10 s, start of a private server included.
QUICK: Mapping[str, object] = {
    "clients": 5,
    "ramp": "20/s",
    "warmup": "1s",
    "duration": "3s",
    "join_timeout": "4s",
}
# One probe of a search for the largest load.
FIND_MAX: Mapping[str, object] = {
    "clients": 10,
    "ramp": "50/s",
    "warmup": "3s",
    "duration": "10s",
}
COMPOSITION = ("publishers", "subscribers", "audio_publishers")


def preset(values: Mapping[str, object], named: Mapping[str, object]) -> dict[str, object]:
    """Return the values of a preset; numbers per room decide the clients where they are given."""
    composed = any(values.get(name) is not None for name in COMPOSITION)
    return {name: value for name, value in named.items() if name != "clients" or not composed}
