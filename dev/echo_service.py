"""The echo service of the local stack: it answers with what it was sent and remembers it.

It stands for the systems that flows call. What a path begins with says how: `/status/<code>/…` answers with that status,
`/delay/<ms>/…` waits first, `/hold/…` is answered only after `POST /_release?path=<the whole path>`, which lets go of the
requests that wait and of all that follow. They may be combined (`/hold/status/503/orders`).
"""

import argparse
import threading
import time

from recording_server import RecordingHandler, serve

MAX_DELAY_MS = 120_000
MAX_HOLD_SECONDS = 120


class InvalidInstruction(ValueError):
    """A `/status` or `/delay` prefix that asks for something impossible."""


def instructions(path):
    """(whether to hold, milliseconds to wait, status to answer) that the leading segments of a path ask for."""
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
    """Paths whose requests wait until somebody lets them go."""

    def __init__(self):
        self._lock = threading.Lock()
        self._released = {}

    def _event(self, path):
        with self._lock:
            return self._released.setdefault(path, threading.Event())

    def wait(self, path):
        self._event(path).wait(MAX_HOLD_SECONDS)

    def release(self, path):
        self._event(path).set()


class EchoHandler(RecordingHandler):
    about = {
        "service": "echo",
        "says": "A part of the local stack. Every request is recorded and answered with itself; GET /_requests lists them.",
    }
    holds = Holds()

    def answer(self, request):
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    serve(parser.parse_args().port, EchoHandler)
