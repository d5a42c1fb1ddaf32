"""Runs the ```sh blocks of a document in one shell, like a reader who pastes them one after the other."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .markdown import Block

SECONDS = 300
# The reader of a document has a shell of their own: it inherits only what a login would set, the stack and the place of the binaries.
INHERITED = ("PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR", "CC")
# With other settings cargo would build everything again.
INHERITED_PREFIXES = ("CARGO", "RUST", "LC_")


@dataclass(frozen=True)
class SessionResult:
    """What each block printed, by the line of its fence, and the line at which the shell failed, if it did."""

    printed: dict[int, str]
    failed_at: int | None = None
    why: str = ""


def run(name: str, blocks: Sequence[Block], folder: Path, stack: Mapping[str, str], seconds: float = SECONDS) -> SessionResult:
    """Runs the blocks of the document `name` in `folder`; the shell is stopped after `seconds`. `stack` has the variables that name the stack."""
    notes = folder / f".{name.replace('/', '-')}"
    notes.mkdir()
    (notes / "script").write_text(script(blocks, notes), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)}
    environment = {**inherited, **stack, "NO_PROXY": "127.0.0.1"}
    with subprocess.Popen(
        ["bash", notes / "script"], cwd=folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    ) as shell:
        try:
            code: int | None = shell.wait(seconds)
        except BaseException as problem:
            os.killpg(shell.pid, signal.SIGKILL)
            if not isinstance(problem, subprocess.TimeoutExpired):
                raise
            code = None
    printed = {block.line: (notes / str(block.line)).read_text(errors="replace") for block in blocks if (notes / str(block.line)).exists()}
    if code == 0 and (notes / "end").exists():
        return SessionResult(printed)
    begun = max(printed, default=blocks[0].line)
    noted = (notes / "line").read_text().strip() if (notes / "line").exists() else ""
    line = int(noted) if noted else begun
    return SessionResult(printed, line, f"the shell was stopped after {seconds} s" if code is None else f"the shell ended with code {code}")


def script(blocks: Sequence[Block], notes: Path) -> str:
    """Returns the blocks as one script in which each line has its number in the document, so that errors name the right line."""
    lines: list[str] = []

    def put(number: int, line: str) -> None:
        lines.extend([""] * (number - 1 - len(lines)))
        lines.append(line)

    for block in blocks:
        first = block is blocks[0]
        # The trap records where a command failed; `exec` sends the output of the block to a file of its own.
        start = f"set -Eeuo pipefail; trap 'echo $LINENO >\"{notes}/line\"' ERR; " if first else ""
        put(block.line, f'{start}exec >"{notes}/{block.line}" 2>&1')
        for at, line in enumerate(block.text.splitlines(), start=1):
            put(block.line + at, line)
    lines.append(f'touch "{notes}/end"')
    return "\n".join(lines) + "\n"
