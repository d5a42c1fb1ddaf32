"""The Runtime API, over which a function fetches its events and posts its answers.

AWS: an event reaches a waiting function at once.
MiniStack: writes the headers and the body of an answer apart and leaves Nagle's algorithm on, so the body waits for the function's
delayed ACK: 40 ms in each direction. A thread polls ten times a second for the next event of each
function, which costs the emulator processor time for every idle function.
Patched: an answer is written in one piece, without Nagle's algorithm, and the wait for an event is woken by the event.
"""

import queue
from typing import Any

from ministack.core import lambda_runtime

from .target import Function

MODULE = "ministack.core.lambda_runtime"
TARGETS = (Function(MODULE, "ProvidedWorker._build_handler_class", "806d5b8e506093e3"),)
BUFFER_BYTES = 64 * 1024
# After the end of its environment a thread that waits for an event lingers for at most this long; nothing waits for it.
LONGEST_WAIT_SECONDS = 5.0


class PatientQueue:
    """The queue of events, with a longer timeout than the one that its reader asks for."""

    def __init__(self, events: "queue.Queue[Any]") -> None:
        self._events = events

    def get(self, timeout: float) -> Any:
        """Waits for an event. Fails with `queue.Empty` after `LONGEST_WAIT_SECONDS`, or `timeout` seconds if that is longer."""
        return self._events.get(timeout=max(timeout, LONGEST_WAIT_SECONDS))


def apply() -> None:
    """Replaces `ProvidedWorker._build_handler_class`."""
    build_handler_class = lambda_runtime.ProvidedWorker._build_handler_class

    def built(worker: Any, generation: int, pending: "queue.Queue[Any]") -> Any:
        handler: Any = build_handler_class(worker, generation, PatientQueue(pending))
        # `http.server` flushes what is buffered once a request has been handled.
        handler.wbufsize = BUFFER_BYTES
        handler.disable_nagle_algorithm = True
        return handler

    lambda_runtime.ProvidedWorker._build_handler_class = built
