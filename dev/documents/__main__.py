"""`.venv/bin/python dev/documents [file…]`: checks documents on the stack that is running."""

import sys
from pathlib import Path

# Run as a folder, its parts are found as those of the package they are.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from documents.check import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
