"""`.venv/bin/python dev/documents [file…]` checks documents on the running stack; all of them if no file is named."""

import sys
from pathlib import Path

# When a folder is run, its modules are not found as those of a package without this.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from documents.check import main

sys.exit(main(sys.argv[1:]))
