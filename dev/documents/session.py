"""Runs the ```sh blocks of a document, in one shell, as somebody who pastes them one after the other."""

import os
import signal
import subprocess
from dataclasses import dataclass

SECONDS = 300
# A document's reader has their own shell: nothing of ours but what a login would give, and which stack and which binaries are meant.
INHERITED = ("PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR", "CC")
# With other settings cargo would build everything anew.
INHERITED_PREFIXES = ("CARGO", "RUST", "LC_")


@dataclass(frozen=True)
class Ran:
    """What became of a document's blocks: what each printed, and the line at which the shell gave up, if it did."""

    printed: dict
    failed_at: int | None = None
    why: str = ""


def run(name, blocks, folder, stack, seconds=SECONDS):
    """Run the blocks of the document `name` in `folder`. `stack` says which stack is meant."""
    notes = folder / f".{name.replace('/', '-')}"
    notes.mkdir()
    (notes / "script").write_text(script(blocks, notes), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)}
    environment = inherited | stack | {"NO_PROXY": "127.0.0.1"}
    with subprocess.Popen(["bash", notes / "script"], cwd=folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True) as shell:
        try:
            code = shell.wait(seconds)
        except BaseException as problem:
            os.killpg(shell.pid, signal.SIGKILL)
            if not isinstance(problem, subprocess.TimeoutExpired):
                raise
            code = None
    printed = {block.line: (notes / str(block.line)).read_text(errors="replace") for block in blocks if (notes / str(block.line)).exists()}
    if code == 0 and (notes / "end").exists():
        return Ran(printed)
    begun = max(printed, default=blocks[0].line)
    noted = (notes / "line").read_text().strip() if (notes / "line").exists() else ""
    line = int(noted) if noted else begun
    return Ran(printed, line, f"the shell was stopped after {seconds} s" if code is None else f"the shell ended with code {code}")


def script(blocks, notes):
    """The blocks as one script, each line where it stands in the document: what the shell says of a line is then true there."""
    lines = []

    def put(number, line):
        lines.extend([""] * (number - 1 - len(lines)))
        lines.append(line)

    for block in blocks:
        first = block is blocks[0]
        # The trap notes where a command failed; `exec` sends all that the block prints to a file of its own.
        start = f"set -Eeuo pipefail; trap 'echo $LINENO >\"{notes}/line\"' ERR; " if first else ""
        put(block.line, f'{start}exec >"{notes}/{block.line}" 2>&1')
        for at, line in enumerate(block.text.splitlines(), start=1):
            put(block.line + at, line)
    lines.append(f'touch "{notes}/end"')
    return "\n".join(lines) + "\n"
