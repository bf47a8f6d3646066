"""The JSON of a running command that is ready (``--json -``)."""

import json
from typing import IO, Any


def first_document(stdout: IO[str]) -> Any:
    """Read one indented document; a process that ends before is a fault of the document."""
    lines = []
    for line in stdout:
        lines.append(line)
        if line == "}\n":
            break
    return json.loads("".join(lines))
