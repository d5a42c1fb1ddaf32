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
    # Nothing but blank lines lies between it and the block before.
    follows: bool


def blocks(document):
    """Every fenced block of the document's text, in order."""
    found = []
    opened, indent, inner, reason, between = None, "", [], None, False
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
