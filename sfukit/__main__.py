"""Run the command line with ``python -m sfukit``."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # -m put the current folder there: nothing else is to come from it
    from sfukit.cli.app import main

    sys.exit(main())
