"""``python -m sfukit.cli.profiled_serve FILE serve ...``: serve with a CPU profile.

Only ``sfukit loadtest --profile-server`` starts it, for its private server: no option of ``serve``
and nothing on the network turns the profile on.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    from sfukit.cli.app import main
    from sfukit.server.profile import Profiler

    file, *arguments = sys.argv[1:]
    Profiler(Path(file)).install()
    sys.exit(main(arguments))
