"""System capabilities beyond sockets; without them results are ``needs Linux``."""

import sys
from typing import Literal

NEEDS_LINUX: Literal["not_checked: needs Linux"] = "not_checked: needs Linux"

_linux = sys.platform == "linux"


def linux() -> bool:
    """Return whether error queues, routing tables under /proc and namespaces are available."""
    return _linux
