"""Names and descriptions of the strategies, importable without numpy."""

from collections.abc import Mapping
from typing import Literal

Strategy = Literal["punch", "predict", "birthday", "tcp", "turn", "staged", "stack"]

MATRIX_STRATEGIES: tuple[Strategy, ...] = ("punch", "predict", "birthday", "stack")

REAL_STRATEGIES: tuple[Strategy, ...] = ("punch", "predict")
"""The strategies that network namespaces support too."""

MEANING: Mapping[str, str] = {
    "punch": "send to the port that servers saw",
    "predict": "punch, then foresee the ports of sequential NATs",
    "birthday": "predict, then 256 sockets against 1024 guesses (lab only)",
    "tcp": "punch, then TCP simultaneous open (model only)",
    "turn": "punch, a relay checked beside it as RFC 8445 does",
    "staged": "punch for 3 s, a relay only after that",
    "stack": "predict 3 s, TCP 6 s, a relay only if RTT > 800 ms and loss > 15 %",
}
