"""`python dev/ministack_patches`: starts MiniStack with every patch applied, if it is the version that they were written for."""

import sys
from importlib.metadata import version
from pathlib import Path

WRITTEN_FOR = "1.5.33"


def main() -> None:
    """Verifies the version, and serves until it is stopped."""
    found = version("ministack")
    if found != WRITTEN_FOR:
        sys.exit(
            f"dev/ministack_patches was written for ministack {WRITTEN_FOR}, and {found} is installed: install the pinned version "
            "(dev/requirements.txt), or write the new one into WRITTEN_FOR; the start then lists the patches whose targets have changed."
        )
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    # Importing it imports MiniStack, which may have any shape in another version.
    from ministack_patches.start import start  # noqa: PLC0415

    start()


if __name__ == "__main__":
    main()
