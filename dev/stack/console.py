"""The output of the stack: stages, details, and one line for what went wrong."""

import os
import sys
import time
from typing import TextIO


class StackError(Exception):
    """An error that the user can act on. The text says what is wrong, where, and what to do; no stack trace is shown."""


def _styled(code: str, text: str, stream: TextIO) -> str:
    if stream.isatty() and "NO_COLOR" not in os.environ:
        return f"\033[{code}m{text}\033[0m"
    return text


def bold(text: str) -> str:
    """Returns the text in bold if standard output is a terminal."""
    return _styled("1", text, sys.stdout)


def dim(text: str) -> str:
    """Returns the text in a faint colour if standard output is a terminal."""
    return _styled("2", text, sys.stdout)


def say(text: str = "") -> None:
    """Prints a line at once, also into a file or a pipe."""
    print(text, flush=True)


def fail(text: str) -> None:
    """Prints an error."""
    print(_styled("31", text, sys.stderr), file=sys.stderr, flush=True)


class Stage:
    """One stage of starting up: it prints a line when it is done, and a line every few seconds while it takes long."""

    def __init__(self, name: str, every: float = 10.0) -> None:
        """Starts the stage; while it takes long it prints a line every `every` seconds."""
        self._name = name
        self._every = every
        self._start = time.monotonic()
        self._next = self._start + every

    def still(self, what: str) -> None:
        """Prints what the stage is at, unless the last line is more recent than `every` seconds."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            say(f"{self._name:<10} … {what} ({now - self._start:.0f} s)")

    def done(self, what: str) -> None:
        """Prints the result of the stage and how long it took."""
        say(f"{bold(f'{self._name:<10}')} {what} {dim(f'({time.monotonic() - self._start:.1f} s)')}")
