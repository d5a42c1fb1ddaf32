"""The fenced blocks of a Markdown document."""

import re
from dataclasses import dataclass

FENCE = re.compile(r"^( *)(`{3,})([\w-]*)\s*$")
NOT_RUN = re.compile(r"^\s*<!-- not run: (.+?) -->\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is that of its opening fence, counted from 1."""

    line: int
    language: str
    text: str
    not_run: str | None
    # There are only blank lines between the block before and this one.
    follows: bool


def blocks(document: str) -> list[Block]:
    """Returns every fenced block of the document's text, in order; raises ValueError if the last one is not closed."""
    found: list[Block] = []
    opened: tuple[int, str, str] | None = None
    inner: list[str] = []
    reason: str | None = None
    indent, between = "", False
    for number, line in enumerate(document.splitlines(), start=1):
        fence = FENCE.match(line)
        if opened:
            if fence and not fence[3] and len(fence[2]) >= len(opened[2]):
                found.append(Block(opened[0], opened[1], "\n".join(inner), reason, bool(found) and not between))
                opened, inner, reason, between = None, [], None, False
            else:
                inner.append(line.removeprefix(indent))
        elif fence:
            opened, indent = (number, fence[3], fence[2]), fence[1]
        elif marked := NOT_RUN.match(line):
            reason, between = marked[1], True
        elif line.strip():
            reason, between = None, True
    if opened:
        raise ValueError(f"line {opened[0]}: this fence is never closed")
    return found
