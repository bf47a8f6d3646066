"""Run the command line with ``python -m sfukit``."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # -m puts the current folder there; no module is to be imported from it
    from sfukit.cli.app import main

    sys.exit(main())
