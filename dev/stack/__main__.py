"""The command line of the local stack: `python dev/stack --help` lists the commands."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from stack.cli import main

sys.exit(main())
