"""docs/protocol.md names each code and reason that the server knows, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

from sfukit.server.rpc_session import CLOSE_CODES
from sfukit.signaling.refusal import REASONS, RpcCode

ROOT = Path(__file__).parents[2]
SAID_BY_JSON_RPC = {-32700, -32600, -32601, -32602, -32603}
TOO_LONG = 1009  # aiohttp says it by itself


def rows(section: str, first_heading: str) -> Iterator[tuple[list[int], list[str]]]:
    """Read the numbers and the reasons of each row of a table."""
    document = (ROOT / "docs/protocol.md").read_text()
    behind = document.split(f"\n{section}\n")[1]
    table = behind.split(f"| {first_heading} |")[1].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        cells = line.strip("| ").split(" | ")
        numbers = [int(number) for number in re.findall(r"-?\d{3,}", cells[0])]
        yield numbers, re.findall(r"`(\w+)`", cells[-1].split(":")[0])


def test_reasons_have_the_status_and_the_code_that_the_document_gives() -> None:
    told: set[str] = set()
    for statuses, reasons in rows("## WHIP and WHEP", "status"):
        assert {REASONS[reason].status for reason in reasons} == set(statuses)
        told |= set(reasons)
    for (code,), reasons in rows("### Errors", "code"):
        assert {REASONS[reason].code for reason in reasons} == {code}
        told |= set(reasons)
    assert told == set(REASONS)


def test_every_error_code_is_in_the_document() -> None:
    told = {code for codes, _ in rows("### Errors", "code") for code in codes}
    assert told | SAID_BY_JSON_RPC == set(RpcCode)


def test_close_codes_are_those_of_the_document() -> None:
    told = {}
    for (code,), reasons in rows("### Closing", "WebSocket code"):
        if code != TOO_LONG:
            told |= dict.fromkeys(reasons, code)
    assert told == CLOSE_CODES


def test_nothing_is_refused_for_a_reason_unknown() -> None:
    sources = [path.read_text() for path in (ROOT / "sfukit").rglob("*.py")]
    given = {reason for text in sources for reason in re.findall(r"Refusal\(\s*\"(\w+)\"", text)}
    assert given and given <= set(REASONS)
