"""Bots without sockets, and recorded exchanges of real servers (tests/fixtures)."""

import json
from pathlib import Path
from typing import Any

from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.bots.session import BotSession
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import plan
from sfukit.swarm.fake import FakeSwarm

FIXTURES = Path(__file__).parents[2] / "fixtures"
ONE_PAIR = LoadOptions(publishers=1, subscribers=1, audio_publishers=None)
MEDIA = Media(
    clips={"q": 1, "h": 2, "f": 3, "audio": 4},
    pacing="libwebrtc",
    pli_policy="answer",
    unwatched="dynacast",
    ssrc_base=0x5000,
)


class Bot:
    """One participant of a plan, whose swarm is a fake."""

    def __init__(self, name: str, options: LoadOptions = ONE_PAIR) -> None:
        self.plan = plan(options)
        self.swarm = FakeSwarm()
        self.ledger = Ledger(self.plan)
        self.swarm.listen(self.ledger.on_event, lambda command, error: None)
        [bot] = [one for one in self.plan.rooms[0].bots if one.name == name]
        self.session = BotSession(self.plan, bot, self.swarm, self.ledger, MEDIA)
        self.session.add(0)

    @property
    def faults(self) -> list[str]:
        """The codes of the faults so far."""
        return [fault.code for fault in self.ledger.faults]


def exchange(name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the messages of the server and of the client of a recording."""
    lines = (FIXTURES / f"{name}.jsonl").read_text().splitlines()
    header, *rows = map(json.loads, lines)
    assert header["server"]
    sides: dict[str, list[dict[str, Any]]] = {"server": [], "client": []}
    for row in rows:
        sides[row["from"]].append(row["msg"])
    return sides["server"], sides["client"]
