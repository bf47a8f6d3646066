"""The fixtures of sfukit; ``pytest_plugins = ["sfukit.testing"]`` does the same."""

from sfukit.testing import sfu_server, swarm

__all__ = ["sfu_server", "swarm"]
