"""The exchanges and events that the end-to-end tests recorded (tests/e2e/support/recording.rs)."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from document import ROOT, Operation, operation


@dataclass(frozen=True)
class Exchange:
    """A request of a test and its answer."""

    test: str
    method: str
    path: str
    sent_headers: dict[str, str]
    sent_body: str | None
    sent_bytes: int | None
    status: int
    headers: dict[str, str]
    text: str

    @property
    def operation(self) -> Operation | None:
        """The operation of the document that the request is for; None if there is none."""
        return operation(self.method, self.path.split("?")[0])

    def __str__(self) -> str:
        return f"{self.method} {self.path[:100]} answered {self.status}"


@dataclass(frozen=True)
class Event:
    """An event that a webhook received."""

    test: str
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        """The JSON value of the body."""
        return json.loads(self.text)

    def __str__(self) -> str:
        return f"the event {self.body['event']} at {self.body['occurredAt']}"


def folder() -> Path | None:
    """Returns the folder of the recordings; None if the end-to-end tests have recorded nothing."""
    named = os.environ.get("RECORD_DIR")
    found = ROOT / named if named else None
    return found if found and any(found.glob("*.jsonl")) else None


def _kept() -> Iterator[dict[str, Any]]:
    found = folder()
    for file in sorted(found.glob("*.jsonl")) if found else ():
        with file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def exchanges() -> Iterator[Exchange]:
    """Yields the recorded exchanges."""
    for kept in _kept():
        if "event" not in kept:
            yield Exchange(
                kept["test"] or "",
                kept["method"],
                kept["path"],
                kept["sent"],
                kept["sentBody"],
                kept["sentBytes"],
                kept["status"],
                kept["headers"],
                kept["body"],
            )


def events() -> Iterator[Event]:
    """Yields the recorded events."""
    for kept in _kept():
        if "event" in kept:
            yield Event(kept["test"] or "", kept["headers"], kept["event"])
