"""What the stack says: stages, details, and one line for what went wrong."""

import os
import sys
import time


class StackError(Exception):
    """Something the user can act on. The text says what is wrong, where, and what to do; no trace is shown."""


def _styled(code, text, stream):
    if stream.isatty() and "NO_COLOR" not in os.environ:
        return f"\033[{code}m{text}\033[0m"
    return text


def bold(text):
    return _styled("1", text, sys.stdout)


def dim(text):
    return _styled("2", text, sys.stdout)


def say(text=""):
    print(text, flush=True)


def fail(text):
    print(_styled("31", text, sys.stderr), file=sys.stderr, flush=True)


class Stage:
    """One stage of starting up: a line when it is done, and a line now and then while it takes long."""

    def __init__(self, name, every=10.0):
        self._name = name
        self._every = every
        self._start = time.monotonic()
        self._next = self._start + every

    def still(self, what):
        """Call as often as you like; speaks at most every few seconds."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            say(f"{self._name:<10} … {what} ({now - self._start:.0f} s)")

    def done(self, what):
        say(f"{bold(f'{self._name:<10}')} {what} {dim(f'({time.monotonic() - self._start:.1f} s)')}")
