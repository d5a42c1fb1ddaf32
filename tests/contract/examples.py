"""Replaces the examples of openapi.yaml by answers that the end-to-end tests recorded in RECORD_DIR: `python tests/contract/examples.py`.

The examples are the last part of the document, below the line MARK, and are not written by hand. Each answer above that line names its
example: `examples: {recorded: {$ref: "#/components/examples/…"}}`.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

import recordings
from document import EMITTED, FILE, document, events, operations, resolved
from recordings import Event, Exchange, exchanges, folder

MARK = "  # ---- Examples: recorded answers, by `make record-examples` ----\n"
# The examples come from the tests with this prefix; for an answer that is not among them, from the shortest answer of any other test.
TOUR = "tour::"
# The parts that differ on each machine and in each run: the number in the slug of a test, and the addresses of the local services.
VARYING = [
    (re.compile(r"\b([a-z]+)-[0-9a-f]{10,}-\d+-\d+\b"), r"\1"),
    (re.compile(r"\bhttp://127\.0\.0\.1(:\d+)?"), "https://payments.example.com"),
    (re.compile(r"\b127\.0\.0\.1(:\d+)?"), "payments.example.com"),
]
# The source of an example: the operation and the status of an answer, None for its request, AN_EVENT for an event with that name.
AN_EVENT = "event"
Source = tuple[str, int | str | None]
Recorded = Exchange | Event
REFERENCE = re.compile(r'"#/components/examples/([\w.-]+)"')


def wanted() -> dict[str, list[Source]]:
    """Returns the examples that the document shows, each with the sources that its value may come from."""
    found: dict[str, list[Source]] = {}
    for operation in operations():
        if operation.body_schema():
            for reference in references(resolved(operation.spec["requestBody"])):
                found.setdefault(reference, []).append((operation.id, None))
        for status, response in operation.responses.items():
            for reference in references(response):
                found.setdefault(reference, []).append((operation.id, status))
    for name, event in events().items():
        for reference in references(event["requestBody"]):
            found.setdefault(reference, []).append((name, AN_EVENT))
    return found


def references(node: Any) -> list[str]:
    """Returns the names of the examples that the node refers to."""
    return REFERENCE.findall(json.dumps(node))


def recorded() -> dict[Source, Recorded]:
    """Returns the best exchange for each operation and status, and the best event of each name."""
    best: dict[Source, tuple[tuple[bool, int], Recorded]] = {}
    for exchange in exchanges():
        operation = exchange.operation
        if operation is None:
            continue
        key = (operation.id, exchange.status)
        in_tour = exchange.test.startswith(TOUR)
        # The run of the tour is read many times, and its answer is the longest at its end.
        rank = (not in_tour, -len(exchange.text) if in_tour else len(exchange.text))
        if key not in best or rank < best[key][0]:
            best[key] = (rank, exchange)
    return {key: exchange for key, (_, exchange) in best.items()} | recorded_events()


def recorded_events() -> dict[Source, Recorded]:
    """Returns the best event of each name: one of a run of the tour, if there is one. Webhooks also get the events of other tests."""
    runs = {
        json.loads(exchange.text)["data"]["run"]["id"]
        for exchange in exchanges()
        if exchange.test.startswith(TOUR)
        and exchange.status == 202
        and exchange.operation
        and exchange.operation.id in ("executeFlow", "retryRun")
    }
    best: dict[Source, tuple[tuple[bool, int], Recorded]] = {}
    for event in recordings.events():
        body = event.body
        data = body["data"] if isinstance(body["data"], dict) else {}
        key = (body["event"] if body["event"] in events() else EMITTED, AN_EVENT)
        in_tour = data.get("runId") in runs if "runId" in data else event.test.startswith(TOUR)
        rank = (not in_tour, len(event.text))
        if key not in best or rank < best[key][0]:
            best[key] = (rank, event)
    return {key: event for key, (_, event) in best.items()}


def without_varying_parts(text: str) -> Any:
    """Returns the JSON value of the text, in which the parts that differ in each run are replaced."""
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return json.loads(text)


def value_of(exchanges_by_kind: Mapping[Source, Recorded], sources: Sequence[Source]) -> Any:
    """Returns the value of an example; of several operations that share an answer, it is the one of the first in the document."""
    for operation_id, status in sources:
        if status is not None and (found := exchanges_by_kind.get((operation_id, status))):
            return without_varying_parts(found.text)
        if status is None:
            for success in (200, 201, 202):
                exchange = exchanges_by_kind.get((operation_id, success))
                if isinstance(exchange, Exchange) and exchange.sent_body:
                    return without_varying_parts(exchange.sent_body)
    return None


def main() -> None:
    """Writes the examples into the document; exits with an error if an answer was not recorded."""
    if folder() is None:
        sys.exit("RECORD_DIR names no recordings; `make record-examples` makes them.")
    best = recorded()
    examples, missing = {}, []
    for name, sources in wanted().items():
        value = value_of(best, sources)
        if value is None:
            missing.append(name)
        examples[name] = {"value": value}
    if missing:
        sys.exit(f"Nothing was recorded for: {', '.join(missing)}")
    text = FILE.read_text(encoding="utf-8")
    before, mark, _ = text.partition(MARK)
    if not mark:
        sys.exit(f"{FILE.name} has no line that says {MARK.strip()}")
    dumped = yaml.safe_dump({"examples": examples}, sort_keys=False, allow_unicode=True, width=140)
    FILE.write_text(
        before + mark + "".join(f"  {line}" if line.strip() else line for line in dumped.splitlines(keepends=True)), encoding="utf-8"
    )
    document.cache_clear()
    print(f"{len(examples)} examples are in {FILE.name}.")


if __name__ == "__main__":
    main()
