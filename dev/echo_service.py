"""The echo service of the local stack: it answers with the request that it was sent, and records it.

It stands for the systems that flows call. The beginning of a path says how it answers: `/status/<code>/…` with that status,
`/delay/<ms>/…` after a wait, `/hold/…` only after `POST /_release?path=<the whole path>`, which releases the requests that wait and
all that follow. The prefixes may be combined (`/hold/status/503/orders`).
"""

import argparse
import threading
import time
from typing import Any, ClassVar

from recording_server import RecordingHandler, Request, serve

MAX_DELAY_MS = 120_000
MAX_HOLD_SECONDS = 120


class InvalidInstruction(ValueError):
    """A `/status` or `/delay` prefix that asks for something impossible."""


def instructions(path: str) -> tuple[bool, int, int]:
    """Returns whether to hold, how many milliseconds to wait and which status to answer, from the leading segments of a path."""
    hold, delay, status = False, 0, 200
    segments = iter(path.strip("/").split("/"))
    for word in segments:
        if word == "hold":
            hold = True
            continue
        value = next(segments, None)
        if word not in ("status", "delay") or value is None:
            break
        if not value.isdigit():
            raise InvalidInstruction(f"/{word}/ takes a number, not {value!r}")
        if word == "delay":
            delay = int(value)
            if delay > MAX_DELAY_MS:
                raise InvalidInstruction(f"/delay/ goes up to {MAX_DELAY_MS} ms")
        else:
            status = int(value)
            if not 200 <= status <= 599:
                raise InvalidInstruction("/status/ takes 200 to 599")
    return hold, delay, status


class Holds:
    """Paths whose requests wait until they are released."""

    def __init__(self) -> None:
        """No path is released at first."""
        self._lock = threading.Lock()
        self._released: dict[str, threading.Event] = {}

    def _event(self, path: str) -> threading.Event:
        with self._lock:
            return self._released.setdefault(path, threading.Event())

    def wait(self, path: str) -> None:
        """Waits until the path is released, at most MAX_HOLD_SECONDS."""
        self._event(path).wait(MAX_HOLD_SECONDS)

    def release(self, path: str) -> None:
        """Releases the requests to the path, those that wait and those that follow."""
        self._event(path).set()


class EchoHandler(RecordingHandler):
    """Answers a request with its own content, as the prefixes of its path say."""

    about: ClassVar[dict[str, str]] = {
        "service": "echo",
        "says": "A part of the local stack. Every request is recorded and answered with itself; GET /_requests lists them.",
    }
    holds = Holds()

    def answer(self, request: Request) -> tuple[int, Any]:
        """Returns the status that the path asks for, and the request."""
        if request.path == "/_release" and request.method == "POST":
            self.holds.release(request.query.get("path", ""))
            return 200, {"released": request.query.get("path", "")}
        try:
            hold, delay, status = instructions(request.path)
        except InvalidInstruction as problem:
            return 400, {"error": str(problem)}
        if hold:
            self.holds.wait(request.path)
        time.sleep(delay / 1000)
        return status, {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": request.headers,
            "body": request.body,
            "sha256": request.sha256,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    serve(parser.parse_args().port, EchoHandler)
