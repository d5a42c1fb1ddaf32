"""Deliveries of streams and queues that come twice, late and in another order.

AWS: a batch of a stream or a queue is delivered at least once. A batch whose answer is lost comes again, also after newer ones, and the
messages of a queue come in any order.
MiniStack: delivers every batch once, in order, so a function that relies on that passes every test.
Patched: only if STACK_REDELIVERY names a file when the stack starts, and only while that file exists. A share of the batches is then
delivered twice, some of them at the same time; an older batch comes again before a newer one; and the messages of a queue are shuffled.
The file has the seed and the share as JSON: `{"seed": 7, "share": 0.3}`. `make chaos` writes it. Beside it, in a file that ends in `.log`,
is a line for each delivery that came on top.
"""

import contextvars
import json
import os
import random
import threading
from collections import deque
from pathlib import Path
from typing import Any

from ministack.services import lambda_svc

from .target import Function

MODULE = "ministack.services.lambda_svc"
TARGETS = (
    Function(MODULE, "_execute_function", "3ceb16d6480a2161"),
    Function(MODULE, "_poll_dynamodb_streams", "2b2460e933a9f3c3"),
    Function(MODULE, "_run_sqs_batch", "f9bf630aabf3d1b9"),
)
VARIABLE = "STACK_REDELIVERY"
STREAM, QUEUE = "aws:dynamodb", "aws:sqs"
REMEMBERED_BATCHES = 20
Event = dict[str, Any]


class Redelivery:
    """Decides what else is delivered with a batch."""

    def __init__(self, control: Path) -> None:
        """Takes the file that says whether anything is delivered again, and how much."""
        self._control = control
        self._lock = threading.Lock()
        self._random: random.Random | None = None
        self._earlier: dict[str, deque[Event]] = {}

    def plan(self, function: str, event: Event) -> tuple[list[Event], Event, bool]:
        """Returns the batches to deliver before this one, this one (perhaps in another order), and whether it also comes a second time."""
        kind = event["Records"][0].get("eventSource")
        settings = self._settings()
        if settings is None:
            return [], event, False
        with self._lock:
            if self._random is None:
                self._random = random.Random(settings["seed"])  # noqa: S311 (a repeatable order, no secret)
            earlier = self._earlier.setdefault(function, deque(maxlen=REMEMBERED_BATCHES))
            share = settings["share"]
            before = [self._random.choice(earlier)] if earlier and self._random.random() < share else []
            twice = self._random.random() < share
            earlier.append(event)
            self._note(["an older batch again"] * len(before) + ["a batch twice"] * twice)
            if kind == QUEUE:
                event = {**event, "Records": self._random.sample(event["Records"], len(event["Records"]))}
        return before, event, twice

    def _note(self, what: list[str]) -> None:
        with self._control.with_suffix(".log").open("a") as log:
            log.writelines(f"{line}\n" for line in what)

    def _settings(self) -> dict[str, Any] | None:
        try:
            settings: dict[str, Any] = json.loads(self._control.read_text())
        except (OSError, ValueError):
            return None
        return settings


def apply() -> None:
    """Replaces `_execute_function` if the environment names a control file."""
    control = os.environ.get(VARIABLE)
    if not control:
        return
    redelivery = Redelivery(Path(control))
    execute_function = lambda_svc._execute_function

    def executed(function: dict[str, Any], event: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        records = event.get("Records") if isinstance(event, dict) else None
        if not records or records[0].get("eventSource") not in (STREAM, QUEUE):
            plain: dict[str, Any] = execute_function(function, event, *args, **kwargs)
            return plain
        before, event, twice = redelivery.plan(function["config"]["FunctionName"], event)
        # Nobody reads the answers of what comes a second time: the position of the mapping depends on the batch itself.
        for earlier in before:
            execute_function(function, earlier)
        if twice:
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(execute_function, function, event), daemon=True).start()
        result: dict[str, Any] = execute_function(function, event, *args, **kwargs)
        return result

    lambda_svc._execute_function = executed
