"""What this system can do beyond sockets; where it cannot, results say ``needs Linux``."""

import sys
from typing import Literal

NEEDS_LINUX: Literal["not_checked: needs Linux"] = "not_checked: needs Linux"

_linux = sys.platform == "linux"


def linux() -> bool:
    """Tell whether error queues, routing tables under /proc and namespaces are there."""
    return _linux
