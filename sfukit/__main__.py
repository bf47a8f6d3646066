"""Run the command line with ``python -m sfukit``."""

import sys

from sfukit.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
