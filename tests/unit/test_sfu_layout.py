"""The rooms of ``crates/sfu``: which part may name what.

Ingress does not know who gets a packet, egress not where it came from, and what decides sees no
packet at all. A line that breaks a rule belongs into another folder.
"""

import re
from pathlib import Path

import pytest

SFU = Path(__file__).parents[2] / "crates/sfu/src"
TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod \w+\b.*", re.DOTALL)
COMMENT = re.compile(r"//[^\n]*")
STRUCT = re.compile(r"\bstruct (\w+)[^{;(]*\{(.*?)\n\}", re.DOTALL)
FIELD = re.compile(r"^    (?:pub(?:\(\w+\))? )?\w+: ", re.MULTILINE)

PACKETS = r"\brtc::|\bPacket\b|\bHistory\b|\bSlot\b|\bSocket\w*|\bTransport\b|\bOutbox\b"
ROOMS = r"crate::(?:ingress|egress|room|engine)\b"

RULES = [
    ("ingress", r"crate::(?:egress|room|engine|allocate|bwe)\b", "who gets a packet"),
    ("ingress", r"\bSubscri(?:ber|ption|be)\w*|\bSink\b|\bDrain\b|\bOutbox\b", "who gets a packet"),
    ("egress", r"crate::(?:room|engine)\b", "the room around it"),
    ("egress", r"ingress::(?:publisher|source)\b|\bPublisher\w*|\bFeed\b|\bpublishers\b",
     "a publisher or its transport"),
    ("egress", r"&mut (?:Ingress|Publication|Encoding)\b", "how to change ingress"),
    ("allocate", f"{ROOMS}|{PACKETS}", "packets, and where they are"),
    ("speakers", f"{ROOMS}|{PACKETS}", "packets, and where they are"),
    ("bwe", rf"{ROOMS}|crate::allocate\b|\bTransport\b|\bOutbox\b", "rooms and transports"),
    ("engine", r"crate::(?:ingress|egress|allocate|bwe)\b", "media"),
]  # fmt: skip

MOST_FIELDS = 14


def code(path: Path) -> str:
    """Read a file without comments and unit tests."""
    return COMMENT.sub("", TESTS.sub("", path.read_text()))


def files(folder: str) -> list[Path]:
    """List the files of a folder, unit tests in files of their own excepted."""
    found = (SFU / folder).rglob("*.rs")
    return [path for path in found if "tests" not in path.relative_to(SFU).with_suffix("").parts]


@pytest.mark.parametrize(("folder", "forbidden", "what"), RULES)
def test_a_folder_does_not_name(folder: str, forbidden: str, what: str) -> None:
    named = {
        str(path.relative_to(SFU)): sorted(set(re.findall(forbidden, code(path))))
        for path in files(folder)
    }
    broken = {path: names for path, names in named.items() if names}
    assert broken == {}, f"{folder}/ does not know {what}"


def test_the_folders_exist() -> None:
    folders = {folder for folder, _, _ in RULES} - {"speakers"}
    assert [folder for folder in sorted(folders) if not files(folder)] == []


def test_a_rule_finds_what_it_forbids() -> None:
    (rule,) = {forbidden for folder, forbidden, _ in RULES if "Subscri" in forbidden}
    assert re.findall(rule, "keys: Vec<SubscriptionKey>, to: SubscriberKey") == [
        "SubscriptionKey",
        "SubscriberKey",
    ]
    assert not re.findall(rule, "is_watched: bool")


def test_only_the_room_implements_the_room() -> None:
    implementing = {
        path.relative_to(SFU).parts[0]
        for path in SFU.rglob("*.rs")
        if re.search(r"\bimpl(?:<[^>]*>)? Room\b", code(path))
    }
    assert implementing == {"room"}


def test_objects_are_found_by_typed_keys_that_may_be_stale() -> None:
    slab = code(SFU / "slab.rs")
    assert not re.search(r"\bIndex(?:Mut)?\b", slab), "indexing turns a stale key into a panic"
    keyed = r"\b(?:peer|publication|subscription|room|key): usize\b"
    bare = {
        str(path.relative_to(SFU)): found
        for path in SFU.rglob("*.rs")
        if (found := re.findall(keyed, code(path)))
    }
    assert bare == {}


@pytest.mark.parametrize("folder", ["ingress", "egress", "room"])
def test_no_structure_holds_everything(folder: str) -> None:
    fields = {
        match[1]: len(FIELD.findall(match[2]))
        for path in files(folder)
        for match in STRUCT.finditer(code(path))
    }
    assert fields
    assert {name: count for name, count in fields.items() if count > MOST_FIELDS} == {}
