"""Checks what building needs, and builds the binaries with cargo."""

import collections
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Any

from .console import StackError, Stage, fail
from .settings import ROOT

NEEDED = {
    "cargo": "Rust is missing: cargo is not on the PATH. Install it from https://rustup.rs, then open a new shell.",
    "cc": "A C compiler is missing: cc is not on the PATH. Install one (Debian, Ubuntu: apt install build-essential; "
    "Fedora: dnf install gcc; macOS: xcode-select --install).",
}
# The local stack does not use the benchmark `due-flows`, which would build a database in C.
COMMAND = ["cargo", "build", "--workspace", "--bins", "--exclude", "due-flows"]


def check_tools() -> None:
    """Raises StackError, with advice, if a tool that the build needs is not installed."""
    for tool, advice in NEEDED.items():
        if shutil.which(tool) is None:
            raise StackError(advice)


def build() -> None:
    """Builds every binary of the workspace in the debug profile; raises StackError if the build fails."""
    check_tools()
    stage = Stage("Build", every=15)
    if sys.stderr.isatty():
        # Cargo draws its own progress bar on a terminal.
        code = _run_visibly()
        tail: Iterable[str] = ()
    else:
        code, tail = _run_quietly(stage)
    if code != 0:
        for line in tail:
            fail(line)
        raise StackError(f"The build failed: `{' '.join(COMMAND)}` ended with {code}; its messages are above.")
    stage.done("the binaries are up to date")


def _run_visibly() -> int:
    cargo = subprocess.Popen(COMMAND, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        return cargo.wait()
    finally:
        _end(cargo)


def _run_quietly(stage: Stage) -> tuple[int, collections.deque[str]]:
    cargo = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "CARGO_TERM_COLOR": "never", "CARGO_TERM_PROGRESS_WHEN": "never"},
    )
    tail: collections.deque[str] = collections.deque(maxlen=80)
    compiled = 0

    def read() -> None:
        nonlocal compiled
        for line in cargo.stdout or ():
            if line.lstrip().startswith("Compiling "):
                compiled += 1
            elif line.strip():
                tail.append(line.rstrip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while reader.is_alive():
            reader.join(0.5)
            stage.still(f"{compiled} crates so far; the first build takes some minutes")
        return cargo.wait(), tail
    finally:
        _end(cargo)


def _end(cargo: subprocess.Popen[Any]) -> None:
    if cargo.poll() is None:
        cargo.terminate()
        try:
            cargo.wait(10)
        except subprocess.TimeoutExpired:
            cargo.kill()
