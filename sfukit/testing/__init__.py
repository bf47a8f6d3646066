"""Pytest fixtures that start an SFU, load it and measure latency through it.

In a ``conftest.py``::

    from sfukit.testing import sfu_server, swarm

docs/testing.md has a whole project. This package needs pytest, and no other part of sfukit does.
"""

try:
    import pytest  # noqa: F401 - the fixtures need it
except ImportError as _error:
    raise ImportError("sfukit.testing needs pytest: pip install pytest") from _error

from sfukit.loadgen.latency.result import LatencyReport
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.testing.fixtures import sfu_server, swarm
from sfukit.testing.runs import GateFailedError, InconclusiveError, Option, Swarm, VerdictError
from sfukit.testing.server import SfuServer, serving

__all__ = [
    "GateFailedError",
    "InconclusiveError",
    "LatencyReport",
    "LoadtestReport",
    "Option",
    "SfuServer",
    "Swarm",
    "VerdictError",
    "serving",
    "sfu_server",
    "swarm",
]
