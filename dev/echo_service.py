"""The echo service of the local stack: it answers with what it was sent and remembers it.

It stands for the systems that flows call. `/status/<code>/…` answers with that status, `/delay/<ms>/…` waits
first; both may be combined (`/delay/200/status/503/orders`).
"""

import argparse
import time

from recording_server import RecordingHandler, serve

MAX_DELAY_MS = 120_000


class InvalidInstruction(ValueError):
    """A `/status` or `/delay` prefix that asks for something impossible."""


def instructions(path):
    """(milliseconds to wait, status to answer) that the leading segments of a path ask for."""
    delay, status = 0, 200
    segments = path.strip("/").split("/")
    while len(segments) >= 2 and segments[0] in ("status", "delay"):
        word, value = segments[:2]
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
        segments = segments[2:]
    return delay, status


class EchoHandler(RecordingHandler):
    about = {
        "service": "echo",
        "says": "A part of the local stack. Every request is recorded and answered with itself; GET /_requests lists them.",
    }

    def answer(self, request):
        try:
            delay, status = instructions(request.path)
        except InvalidInstruction as problem:
            return 400, {"error": str(problem)}
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
