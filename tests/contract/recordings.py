"""The exchanges and events that the end-to-end tests kept (tests/e2e/support/recording.rs)."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from document import ROOT, Operation, operation


@dataclass(frozen=True)
class Exchange:
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
        return operation(self.method, self.path.split("?")[0])

    def __str__(self) -> str:
        return f"{self.method} {self.path[:100]} answered {self.status}"


@dataclass(frozen=True)
class Event:
    """What a webhook got."""

    test: str
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> dict:
        return json.loads(self.text)

    def __str__(self) -> str:
        return f"the event {self.body['event']} at {self.body['occurredAt']}"


def folder() -> Path | None:
    """Where they are; none if the end-to-end tests did not run before."""
    named = os.environ.get("RECORD_DIR")
    found = ROOT / named if named else None
    return found if found and any(found.glob("*.jsonl")) else None


def _kept() -> Iterator[dict]:
    for file in sorted(folder().glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def exchanges() -> Iterator[Exchange]:
    for kept in _kept():
        if "event" not in kept:
            yield Exchange(
                kept["test"] or "", kept["method"], kept["path"], kept["sent"], kept["sentBody"], kept["sentBytes"], kept["status"], kept["headers"], kept["body"]
            )


def events() -> Iterator[Event]:
    for kept in _kept():
        if "event" in kept:
            yield Event(kept["test"] or "", kept["headers"], kept["event"])
