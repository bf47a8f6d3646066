"""Settings beside the command line: folders, environment variables, secret files."""

import os
from pathlib import Path

from sfukit.errors import UsageError

API_KEY = "SFUKIT_API_KEY"
API_SECRET = "SFUKIT_API_SECRET"
TURN_SECRET = "SFUKIT_TURN_SECRET"
ALLOW_HOSTS = "SFUKIT_ALLOW_HOSTS"
SHARDS = "SFUKIT_SHARDS"
JOB_INDEX = "JOB_COMPLETION_INDEX"  # of a pod of an Indexed Job, set by Kubernetes


def state_folder() -> Path:
    """Return the folder of the last runs (XDG base directories: XDG_STATE_HOME)."""
    home = Path(os.environ.get("XDG_STATE_HOME", ""))
    base = home if home.is_absolute() else Path.home() / ".local" / "state"
    return base / "sfukit"


def allowed_hosts() -> frozenset[str]:
    """Return the hosts that the environment allows to be loaded."""
    return frozenset(filter(None, os.environ.get(ALLOW_HOSTS, "").replace(",", " ").split()))


def secret(text: str, where: str) -> str:
    """Return a secret given literally, or as ``@FILE`` to keep it out of process lists."""
    if not text.startswith("@"):
        return text
    try:
        found = Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: cannot read {text[1:]}: {error}") from error
    if not found:
        raise UsageError(f"{where}: {text[1:]} is empty")
    return found
