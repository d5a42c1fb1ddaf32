"""Computes the usage of one run from the lines of the ledger (dev/ledger.py)."""

import json
import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

S3_WRITES = {"PutObject", "CopyObject", "PostObject"}
S3_FREE = {"DeleteObject"}
Entry = dict[str, Any]  # a line of the ledger


@dataclass(frozen=True)
class Usage:
    """The quantities that AWS bills. The invocations of the functions behind the API are not included; what they read and write is."""

    states: float = 0
    invocations: float = 0
    billed_ms: float = 0
    gb_seconds: float = 0
    write_units: float = 0
    read_units: float = 0
    s3_writes: float = 0
    s3_reads: float = 0
    # Refused conditional writes are billed too, and no answer says how much.
    refused: float = 0


def of(entries: Iterable[Entry], api_functions: Collection[str], ignored: Collection[str] = ()) -> Usage:
    """Returns the usage of these entries. Invocations of `api_functions` and all calls of `ignored` callers do not count."""
    total: dict[str, float] = dict.fromkeys((field.name for field in fields(Usage)), 0.0)
    for entry in entries:
        kind = entry["kind"]
        if entry.get("by") in ignored or entry.get("function") in ignored:
            continue
        if kind == "state":
            total["states"] += 1
        elif kind == "lambda" and entry["function"] not in api_functions:
            billed = math.ceil(entry["ms"])
            total["invocations"] += 1
            total["billed_ms"] += billed
            total["gb_seconds"] += billed / 1000 * entry["memory"] / 1024
        elif kind == "dynamodb":
            total["write_units"] += entry["write"]
            total["read_units"] += entry["read"]
            total["refused"] += entry["refused"]
        elif kind == "s3" and entry["op"] not in S3_FREE:
            total["s3_writes" if entry["op"] in S3_WRITES else "s3_reads"] += 1
    return Usage(**total)


def writers(entries: Iterable[Entry], ignored: Collection[str] = ()) -> dict[str, float]:
    """Returns the write units of each caller."""
    units: dict[str, float] = {}
    for entry in entries:
        if entry["kind"] == "dynamodb" and entry["write"] and entry["by"] not in ignored:
            units[entry["by"]] = units.get(entry["by"], 0) + entry["write"]
    return units


def typical(usages: Sequence[Usage]) -> Usage:
    """Returns the median of each quantity over several runs; `spread` shows which of them differ."""
    return Usage(**{field.name: statistics.median(getattr(usage, field.name) for usage in usages) for field in fields(Usage)})


def spread(usages: Sequence[Usage]) -> list[str]:
    """Returns the quantities that should be the same in every run and are not, as text."""
    exact = ("states", "invocations", "write_units", "read_units", "s3_writes", "s3_reads")
    seen = {name: sorted({getattr(usage, name) for usage in usages}) for name in exact}
    return [f"{name} {values[0]:g} to {values[-1]:g}" for name, values in seen.items() if len(values) > 1]


class Reader:
    """Reads a ledger from the place at which it stopped reading."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = 0

    def skip(self) -> None:
        """Skips the entries so far."""
        self.take()

    def peek(self) -> tuple[list[Entry], int]:
        """Returns the complete lines since the last `take`, and where they end."""
        with self._file.open("rb") as ledger:
            ledger.seek(self._at)
            text = ledger.read()
        whole = text[: text.rfind(b"\n") + 1]
        return [json.loads(line) for line in whole.splitlines()], self._at + len(whole)

    def take(self) -> list[Entry]:
        """Returns the entries since the last `take`."""
        entries, self._at = self.peek()
        return entries
