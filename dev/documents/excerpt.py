"""Checks code that a document quotes from the file that its first line names: `// functions/x/src/lib.rs` or `# template.yaml`."""

import re
from collections.abc import Sequence
from pathlib import Path

from .markdown import Block

NAMED = re.compile(r"^(?://|#) ([\w./-]+\.\w+)$")
LANGUAGES = ("rust", "toml", "yaml", "python")
LEFT_OUT = "…"


def check(block: Block, root: Path) -> str | None:
    """Returns what is wrong with a block in one of the LANGUAGES; None if the file contains its lines in this order.

    A line `…` or `// …` stands for any lines between. The indentation does not matter.
    """
    first, *lines = block.text.splitlines()
    named = NAMED.match(first.strip())
    if not named:
        return "the first line must name the file that this is from, as `// path` or `# path`"
    path = root / named[1]
    if not path.is_file():
        return f"there is no file {named[1]}"
    wanted = [line.strip() for line in lines if line.strip()]
    there = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    at = 0
    for part in parts(wanted):
        found = next((start for start in range(at, len(there)) if there[start : start + len(part)] == part), None)
        if found is None:
            return f"{named[1]} does not have these lines, after those quoted before them:\n" + "\n".join(part)
        at = found + len(part)
    return None


def parts(lines: Sequence[str]) -> list[list[str]]:
    """Splits the lines at those that say that something is left out."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.lstrip("/# ") == LEFT_OUT:
            found.append([])
        else:
            found[-1].append(line)
    return [part for part in found if part]
